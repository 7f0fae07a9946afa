// The one thread of `load-bench load`: endpoints and clients on one loop and one clock, and the
// orders that come on standard input.
// Invariant: a descriptor's `Peer` is of its present use; what is due for an earlier one is void.
import CSystem
import IO
import Primitives

/// Something that is to happen to a connection.
struct Due: HeapElement {
  let at: Int64
  let fd: Int32
  /// The use of the descriptor that is meant.
  let use: UInt32

  func isBefore(_ other: Due) -> Bool { at < other.at }
}

struct LoadLoop: ~Copyable {
  static let scratchCount = 65_536
  /// Reads of one connection before others have their turn.
  static let readsMax = 4

  var poller: Poller
  /// By descriptor.
  let peers: UnsafeMutablePointer<Peer>
  let scratch: UnsafeMutableRawPointer
  let filling: UnsafeMutableRawPointer
  /// Read once a turn; what is measured reads the clock itself.
  var now: Int64
  var dues = BinaryHeap<Due>()
  /// Memory for heads that are not complete.
  var stashes = StashPool()
  var endpoints = Endpoints()
  var orders = OrderSource()
  var clients = Clients()
  var drive = DriveRun()
  var streams = StreamRun()
  var idle = IdleRun()

  /// Opens the endpoints' sockets. Errors: the kernel's.
  static func open(endpointCount: Int) throws(IOError) -> LoadLoop {
    let limit = max(64, min(1 << 20, Machine.raiseOpenFilesLimit()))
    let poller = try Poller(capacity: limit)
    var listeners: [(fd: Int32, port: UInt16)] = []
    for _ in 0..<endpointCount {
      listeners.append(try Sockets.listen(SocketAddress.loopback(port: 0)))
    }
    return LoadLoop(poller, listeners)
  }

  private init(_ poller: consuming Poller, _ listeners: [(fd: Int32, port: UInt16)]) {
    peers = .allocate(capacity: poller.capacity)
    peers.initialize(repeating: Peer(), count: poller.capacity)
    self.poller = poller
    scratch = .allocate(byteCount: Self.scratchCount, alignment: 4_096)
    filling = Filling.make()
    now = sy_monotonic()
    for (fd, port) in listeners {
      peers[Int(fd)].kind = .listener
      peers[Int(fd)].number = Int32(endpoints.count)
      endpoints.add(port: port)
      let isAdded = self.poller.add(fd, isLevel: true)
      precondition(isAdded, "epoll takes a listener")
    }
    if self.poller.add(0, isLevel: true) {
      peers[0].kind = .orders
    } else {
      // A file: always readable, so it is read at once.
      orders.readAll()
    }
  }

  deinit {
    peers.deallocate()
    scratch.deallocate()
    filling.deallocate()
  }

  /// One turn, which ends by `deadline` (ns) or as soon as something was reported. Under a
  /// millisecond it does not sleep: epoll's waits are whole milliseconds.
  mutating func turn(until deadline: Int64) {
    let next = min(deadline, dues.first?.at ?? .max)
    var milliseconds: Int32 = -1
    if next != .max {
      milliseconds = Int32(clamping: max(0, next - sy_monotonic()) / 1_000_000)
    }
    poller.wait(milliseconds: milliseconds)
    now = sy_monotonic()
    while true {
      let event = poller.next()
      if event.fd < 0 { break }
      handle(event)
    }
    while let due = dues.first, due.at <= now {
      _ = dues.popFirst()
      guard peers[Int(due.fd)].use == due.use else { continue }
      switch peers[Int(due.fd)].kind {
      case .endpoint: sendToken(due.fd, dueAt: due.at)
      default: break
      }
    }
  }

  private mutating func handle(_ event: Poller.Event) {
    let peer = peers + Int(event.fd)
    switch peer.pointee.kind {
    case .none: return
    case .listener: accept(event.fd)
    case .orders:
      if !orders.read() {
        poller.remove(0)
        peer.pointee.kind = .none
      }
    case .endpoint:
      if event.isHangup { peer.pointee.hasHangup = true }
      if event.isWritable, peer.pointee.outCount + peer.pointee.fill > 0 { flushAnswer(event.fd) }
      if event.isReadable, peer.pointee.kind == .endpoint { readRequest(event.fd) }
    case .drive, .stream, .idle, .parting:
      if event.isHangup { peer.pointee.hasHangup = true }
      if peer.pointee.phase == .connecting {
        finishConnecting(event)
        return
      }
      if event.isWritable, peer.pointee.outCount + peer.pointee.fill > 0 { flushRequest(event.fd) }
      if event.isReadable { readAnswer(event.fd) }
    }
  }

  // MARK: Connections

  /// Takes a descriptor in. False where there is no room; it is closed then.
  mutating func admit(_ fd: Int32, _ kind: Peer.Kind, _ phase: Peer.Phase) -> Bool {
    guard poller.add(fd) else {
      sy_close(fd)
      return false
    }
    let use = peers[Int(fd)].use &+ 1
    peers[Int(fd)] = Peer()
    peers[Int(fd)].kind = kind
    peers[Int(fd)].phase = phase
    peers[Int(fd)].use = use
    return true
  }

  /// Closes a connection of either side and gives back what it holds.
  mutating func drop(_ fd: Int32) {
    let peer = peers + Int(fd)
    if let stash = peer.pointee.stash { stashes.give(stash) }
    free(peer.pointee.owned)
    if peer.pointee.isRunning { endpoints.end(peer.pointee, at: now) }
    let use = peer.pointee.use &+ 1
    peer.pointee = Peer()
    peer.pointee.use = use
    poller.close(fd)
  }

  /// Keeps bytes of a head that is not complete. False where they are too many.
  mutating func stash(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) -> Bool {
    let peer = peers + Int(fd)
    guard let source = bytes.baseAddress else { return true }
    guard peer.pointee.stashCount + bytes.count <= Peer.stashMax else { return false }
    let stash = peer.pointee.stash ?? stashes.take()
    peer.pointee.stash = stash
    (stash + peer.pointee.stashCount).copyMemory(from: source, byteCount: bytes.count)
    peer.pointee.stashCount += bytes.count
    return true
  }

  /// What is there of a head: what was kept of it with `bytes` behind, or these alone. nil where
  /// that is too long.
  mutating func gathered(
    _ fd: Int32, _ bytes: UnsafeRawBufferPointer
  ) -> UnsafeRawBufferPointer? {
    let peer = peers + Int(fd)
    let before = peer.pointee.stashCount
    guard before > 0 else { return bytes }
    let room = min(bytes.count, Peer.stashMax - before)
    guard stash(fd, UnsafeRawBufferPointer(rebasing: bytes[..<room])) else { return nil }
    return UnsafeRawBufferPointer(start: peer.pointee.stash, count: peer.pointee.stashCount)
  }

  mutating func unstash(_ fd: Int32) {
    let peer = peers + Int(fd)
    if let stash = peer.pointee.stash { stashes.give(stash) }
    peer.pointee.stash = nil
    peer.pointee.stashCount = 0
  }

  enum Sending { case sent, waits, failed }

  /// Sends what is to be sent, as far as the kernel takes it.
  mutating func push(_ fd: Int32) -> Sending {
    let peer = peers + Int(fd)
    while peer.pointee.outCount > 0 {
      let count = sy_send(fd, peer.pointee.out, peer.pointee.outCount)
      if count < 0 { return count == -Int(EAGAIN) ? .waits : .failed }
      if peer.pointee.kind == .drive { clients.bytesUp += count }
      peer.pointee.outCount -= count
      peer.pointee.out = peer.pointee.out.map { $0 + count }
    }
    if peer.pointee.owned != nil {
      free(peer.pointee.owned)
      peer.pointee.owned = nil
    }
    while peer.pointee.fill > 0 {
      let count = sy_send(fd, filling, min(peer.pointee.fill, Filling.byteCount))
      if count < 0 { return count == -Int(EAGAIN) ? .waits : .failed }
      if peer.pointee.kind == .drive { clients.bytesUp += count }
      peer.pointee.fill -= count
    }
    return .sent
  }
}
