// The floor of any proxy: accepts, connects to the next endpoint in turn, and copies bytes both
// ways with one read and one write for what comes at once; what goes on for long goes by in the
// kernel (splice(2)). It knows no HTTP.
// Invariant: a side is not read while what it sent before waits for the other side.
// HOT PATH: no allocation, no lock, no existential.
import CSystem
import IO
import Primitives

struct Relay: ~Copyable {
  private struct Pipe {
    let reading: Int32
    let writing: Int32
  }

  private struct Side {
    /// −1: none.
    var other: Int32 = -1
    var isConnecting = false
    var isListener = false
    /// The peer's end is near: reading goes on until it is seen.
    var hasHangup = false
    /// Reading saw the end.
    var isEnded = false
    /// What waits to be sent here, of `chunkCount` bytes of memory.
    var waiting: UnsafeMutableRawPointer?
    var waitingStart = 0
    var waitingCount = 0
    /// More comes from this side than one read takes.
    var isLong = false
    /// What goes by in the kernel to this side: a pipe, and how much is in it.
    var pipe: Pipe?
    var pipedCount = 0
    /// The other side may have bytes for us in the kernel.
    var isOwed = false
  }

  private static let chunkCount = 65_536
  private static let pipeCount = 1 << 20
  private static let readsMax = 4

  private var poller: Poller
  private let sides: UnsafeMutablePointer<Side>
  private let scratch: UnsafeMutableRawPointer
  private var free: [UnsafeMutableRawPointer] = []
  private var freePipes: [Pipe] = []
  private var targets: [sockaddr_storage]
  private var nextTarget = 0
  /// With the port that was chosen.
  let address: SocketAddress

  /// Requires: at least one target. Errors: the kernel's.
  static func open(
    listen address: SocketAddress, to targets: [SocketAddress]
  ) throws(IOError) -> Relay {
    let limit = max(64, min(1 << 20, Machine.raiseOpenFilesLimit()))
    let poller = try Poller(capacity: limit)
    let (fd, port) = try Sockets.listen(address)
    return Relay(poller, fd, address.with(port: port), targets)
  }

  private init(
    _ poller: consuming Poller, _ listener: Int32, _ address: SocketAddress,
    _ targets: [SocketAddress]
  ) {
    sides = .allocate(capacity: poller.capacity)
    sides.initialize(repeating: Side(), count: poller.capacity)
    self.poller = poller
    scratch = .allocate(byteCount: Self.chunkCount, alignment: 4_096)
    self.targets = targets.map { KernelAddress($0).storage }
    self.address = address
    sides[Int(listener)].isListener = true
    let isAdded = self.poller.add(listener, isLevel: true)
    precondition(isAdded, "epoll takes a listener")
  }

  deinit {
    sides.deallocate()
    scratch.deallocate()
    for chunk in free { chunk.deallocate() }
    for pipe in freePipes { close(pipe) }
  }

  /// Runs until a signal ends the process.
  mutating func run() {
    while true {
      poller.wait(milliseconds: -1)
      while true {
        let event = poller.next()
        if event.fd < 0 { break }
        handle(event)
      }
    }
  }

  private mutating func handle(_ event: Poller.Event) {
    let side = sides + Int(event.fd)
    if side.pointee.isListener { return accept(event.fd) }
    guard side.pointee.other >= 0 else { return }
    if event.isHangup { side.pointee.hasHangup = true }
    if side.pointee.isConnecting {
      if event.isError { return close(event.fd, isReset: true) }
      guard event.isWritable else { return }
      side.pointee.isConnecting = false
    }
    if event.isWritable, side.pointee.isOwed {
      guard flush(event.fd) else { return }
    }
    if event.isReadable, !side.pointee.isEnded { copy(event.fd) }
  }

  private mutating func accept(_ listener: Int32) {
    for _ in 0..<64 {
      let client = Sockets.accept(listener)
      guard client >= 0 else { return }
      let endpoint = Sockets.connect(&targets[nextTarget])
      nextTarget = nextTarget + 1 == targets.count ? 0 : nextTarget + 1
      guard endpoint >= 0 else {
        sy_close(client)
        continue
      }
      guard poller.add(client) else {
        sy_close(client)
        sy_close(endpoint)
        continue
      }
      guard poller.add(endpoint) else {
        poller.close(client)
        sy_close(endpoint)
        continue
      }
      sides[Int(client)] = Side(other: endpoint)
      sides[Int(endpoint)] = Side(other: client, isConnecting: true)
    }
  }

  /// Reads one side and writes to the other, as long as that takes everything.
  private mutating func copy(_ fd: Int32) {
    let side = sides + Int(fd)
    let other = side.pointee.other
    let sink = sides + Int(other)
    for _ in 0..<Self.readsMax {
      let isWaiting = sink.pointee.waitingCount + sink.pointee.pipedCount > 0
      if isWaiting || sink.pointee.isConnecting {
        sink.pointee.isOwed = true
        return
      }
      if side.pointee.isLong {
        guard splice(fd) else { return }
        continue
      }
      let count = sy_recv(fd, scratch, Self.chunkCount)
      guard count > 0 else {
        if count == 0 { return end(fd) }
        if count != -Int(EAGAIN) { close(fd, isReset: true) }
        return
      }
      let sent = sy_send(other, scratch, count)
      if sent < count {
        guard sent >= 0 || sent == -Int(EAGAIN) else { return close(fd, isReset: true) }
        keep(other, from: max(0, sent), count)
      }
      if count < Self.chunkCount, !side.pointee.hasHangup { return }
      side.pointee.isLong = count == Self.chunkCount
    }
    poller.again(fd)
  }

  /// The same without a copy. False where nothing more is to be read now.
  private mutating func splice(_ fd: Int32) -> Bool {
    let side = sides + Int(fd)
    let other = side.pointee.other
    let sink = sides + Int(other)
    guard let pipe = sink.pointee.pipe ?? takePipe() else {
      side.pointee.isLong = false
      return true
    }
    sink.pointee.pipe = pipe
    let count = sy_splice(fd, pipe.writing, Self.pipeCount)
    guard count > 0 else {
      if count == 0 {
        end(fd)
      } else if count == -Int(EAGAIN) {
        side.pointee.isLong = false
      } else {
        close(fd, isReset: true)
      }
      return false
    }
    side.pointee.isLong = count >= Self.chunkCount
    sink.pointee.pipedCount = count
    sink.pointee.isOwed = true
    return empty(other)
  }

  /// Sends what is in the pipe. False when the side is gone.
  private mutating func empty(_ fd: Int32) -> Bool {
    let side = sides + Int(fd)
    guard let pipe = side.pointee.pipe else { return true }
    while side.pointee.pipedCount > 0 {
      let sent = sy_splice(pipe.reading, fd, side.pointee.pipedCount)
      if sent == -Int(EAGAIN) { return true }
      guard sent > 0 else {
        close(fd, isReset: true)
        return false
      }
      side.pointee.pipedCount -= sent
    }
    return true
  }

  private mutating func takePipe() -> Pipe? {
    if let pipe = freePipes.popLast() { return pipe }
    var ends: (Int32, Int32) = (-1, -1)
    let result = withUnsafeMutableBytes(of: &ends) {
      sy_pipe($0.baseAddress?.assumingMemoryBound(to: Int32.self), Int32(Self.pipeCount))
    }
    return result == 0 ? Pipe(reading: ends.0, writing: ends.1) : nil
  }

  private func close(_ pipe: Pipe) {
    sy_close(pipe.reading)
    sy_close(pipe.writing)
  }

  private mutating func keep(_ fd: Int32, from start: Int, _ end: Int) {
    let side = sides + Int(fd)
    let chunk = free.popLast() ?? .allocate(byteCount: Self.chunkCount, alignment: 4_096)
    chunk.copyMemory(from: scratch + start, byteCount: end - start)
    side.pointee.waiting = chunk
    side.pointee.waitingStart = 0
    side.pointee.waitingCount = end - start
    side.pointee.isOwed = true
  }

  /// Sends what waits, then lets the other side be read again. False when the side is gone.
  private mutating func flush(_ fd: Int32) -> Bool {
    let side = sides + Int(fd)
    if let chunk = side.pointee.waiting {
      let sent = sy_send(fd, chunk + side.pointee.waitingStart, side.pointee.waitingCount)
      if sent < 0, sent != -Int(EAGAIN) {
        close(fd, isReset: true)
        return false
      }
      side.pointee.waitingStart += max(0, sent)
      side.pointee.waitingCount -= max(0, sent)
      if side.pointee.waitingCount > 0 { return true }
      free.append(chunk)
      side.pointee.waiting = nil
    }
    guard empty(fd) else { return false }
    if side.pointee.pipedCount > 0 { return true }
    side.pointee.isOwed = false
    poller.again(side.pointee.other)
    return true
  }

  /// One side has sent all; the connection is over when both have.
  private mutating func end(_ fd: Int32) {
    let side = sides + Int(fd)
    side.pointee.isEnded = true
    if sides[Int(side.pointee.other)].isEnded {
      close(fd, isReset: false)
    } else {
      sy_shutdown_write(side.pointee.other)
    }
  }

  private mutating func close(_ fd: Int32, isReset: Bool) {
    for one in [fd, sides[Int(fd)].other] {
      if let chunk = sides[Int(one)].waiting { free.append(chunk) }
      if let pipe = sides[Int(one)].pipe {
        // What was not sent must not reach somebody else.
        if sides[Int(one)].pipedCount == 0 { freePipes.append(pipe) } else { close(pipe) }
      }
      sides[Int(one)] = Side()
      if isReset { sy_reset_on_close(one) }
      poller.close(one)
    }
  }
}
