// A worker's loop on a simulated network. It does with the network what `IOLoop` does with the
// kernel, and orders the events of a turn by the seed, because no order between connections is
// promised.
import CSystem
import Primitives

@testable import Balancer
@testable import IO

/// The state of a connection in the loop.
private final class Line {
  let wire: Wire
  let tag: UInt32
  var isConnecting: Bool
  var isRefused = false
  var output: [UInt8] = []
  var readLimit = IOLoop.readMax
  var isPaused = false
  var isHangupTold = false
  var isEnded = false
  var isFinishing = false
  var isDrainedDue = false
  var isConnectedDue = false
  /// The errno of a failed `send`.
  var failure: Int32 = 0
  var move: (target: ConnectionID, left: Int)?
  var isResetOnClose = false

  init(_ wire: Wire, tag: UInt32, isConnecting: Bool) {
    self.wire = wire
    self.tag = tag
    self.isConnecting = isConnecting
  }

  /// Whether the connection has an event to report.
  var isReady: Bool {
    if isDrainedDue || isConnectedDue || isRefused { return true }
    guard !isEnded, !isConnecting, wire.hasInput || failure != 0 else { return false }
    return isPaused
      ? !isHangupTold && (wire.isInputEnded || wire.error != 0 || failure != 0) : true
  }
}

final class SimulatedLoop: ConnectionLoop {
  let network: SimulatedNetwork
  let capacity: Int
  private let listenerTag: UInt32
  private var lines: [Line?]
  private var generations: [UInt32]
  private var free: [Int]
  private var timers: TimerWheel
  private var pausedTime = Nanoseconds.zero
  private let memory: UnsafeMutableRawPointer
  private var receivedCount = 0
  private var turn: [Int] = []
  private var isListening = false
  private var acceptsLeft = 0
  /// Whether the next event of the turn is a wake-up.
  var isWoken = false
  /// Called when no event is left; it has to cause one.
  var idle: () -> Void = {}
  private(set) var turnCount = 0
  /// The longest time between waiting and the first event of a turn.
  var turnTime = Nanoseconds.microseconds(80)

  private(set) var now: Nanoseconds
  private(set) var lastTurnLength: Nanoseconds?
  private(set) var lastPause = Nanoseconds.zero
  var acceptRoom = Int.max
  private(set) var isFull = false
  private(set) var shortageCount: UInt64 = 0
  private(set) var acceptedPeer: (address: IPAddress, port: UInt16) = (.none, 0)
  let canMoveContent = true
  /// The time for which the process is stopped at the next wait.
  var stop = Nanoseconds.zero

  init(_ network: SimulatedNetwork, connectionsMax: Int, timersMax: Int, listenerTag: UInt32) {
    self.network = network
    self.listenerTag = listenerTag
    capacity = connectionsMax
    lines = Array(repeating: nil, count: connectionsMax)
    generations = Array(repeating: 0, count: connectionsMax)
    free = Array((0..<connectionsMax).reversed())
    now = network.now
    timers = TimerWheel(capacity: connectionsMax + timersMax, now: network.now)
    memory = .allocate(
      byteCount: IOLoop.headroom + IOLoop.readMax + IOLoop.tailroom, alignment: 64)
  }

  deinit { memory.deallocate() }

  // MARK: The turn

  func wait(until deadline: Nanoseconds) {
    turnCount += 1
    lastPause = stop
    if stop > .zero {
      network.advance(to: network.now + stop)
      pausedTime = pausedTime + stop
      stop = .zero
    } else if !isWoken, !hasReady {
      let timer = timers.nextTick()
      let next = min(
        min(deadline, network.nextEventTime), timer == .distantFuture ? timer : timer + pausedTime)
      if next == .distantFuture { idle() } else { network.advance(to: next) }
    }
    network.advance(to: network.now + network.between(.zero, turnTime))
    lastTurnLength = network.now - now
    now = network.now
    turn = lines.indices.filter { lines[$0]?.isReady == true }.shuffled(using: &network.random)
    acceptsLeft = network.arrivals.count
  }

  private var hasReady: Bool {
    isListening && acceptRoom > 0 && !free.isEmpty && !network.arrivals.isEmpty
      || lines.contains { $0?.isReady == true }
  }

  func next() -> IOEvent {
    if isWoken {
      isWoken = false
      return IOEvent(.woken)
    }
    if isListening, acceptsLeft > 0 {
      acceptsLeft -= 1
      if let event = accept() { return event }
    }
    while let index = turn.popLast() {
      if let line = lines[index], line.isReady, let event = pending(index, line) {
        network.note(UInt64(event.kind.rawValue) << 32 | UInt64(index) << 40 | UInt64(event.value))
        return event
      }
    }
    let expired = timers.expired(now: now - pausedTime)
    if expired >= capacity { return IOEvent(.timer, value: expired - capacity) }
    if expired >= 0 { return report(.timeout, expired) }
    return IOEvent(.none)
  }

  private func accept() -> IOEvent? {
    guard acceptRoom > 0, !free.isEmpty else {
      isFull = true
      return nil
    }
    guard !network.arrivals.isEmpty else { return nil }
    let wire = network.arrivals.removeFirst()
    acceptedPeer = (wire.address, 40_000)
    if acceptRoom != .max { acceptRoom -= 1 }
    let id = open(Line(wire, tag: listenerTag, isConnecting: false))
    return IOEvent(.accepted, id, tag: listenerTag)
  }

  private func report(_ kind: IOEvent.Kind, _ index: Int, value: Int = 0) -> IOEvent {
    IOEvent(
      kind, ConnectionID(index: Int32(index), generation: generations[index]),
      tag: lines[index]?.tag ?? 0, value: value)
  }

  private func pending(_ index: Int, _ line: Line) -> IOEvent? {
    if line.isRefused {
      line.isRefused = false
      line.isEnded = true
      return report(.failed, index, value: Int(ECONNREFUSED))
    }
    if line.isConnectedDue {
      line.isConnectedDue = false
      line.isConnecting = false
      if flush(index, line) { line.isDrainedDue = true }
      return report(.connected, index)
    }
    if line.isDrainedDue {
      line.isDrainedDue = false
      return report(.drained, index)
    }
    if line.isPaused {
      line.isHangupTold = true
      return report(.hangup, index)
    }
    return receive(index, line)
  }

  private func receive(_ index: Int, _ line: Line) -> IOEvent {
    guard line.wire.input.isEmpty else {
      if let move = line.move, let target = movable(move.target) {
        return moved(index, line, min(move.left, line.wire.input.count), to: target)
      }
      line.move = nil
      let bytes = line.wire.read(line.readLimit)
      (memory + IOLoop.headroom).copyMemory(from: bytes, byteCount: bytes.count)
      receivedCount = bytes.count
      return report(.received, index, value: bytes.count)
    }
    line.isEnded = true
    let code = line.failure != 0 ? line.failure : line.wire.error
    return code == 0 ? report(.eof, index) : report(.failed, index, value: Int(code))
  }

  private func movable(_ id: ConnectionID) -> Int? {
    guard isOpen(id), let line = lines[Int(id.index)], line.failure == 0, !line.isConnecting,
      line.output.isEmpty
    else { return nil }
    return Int(id.index)
  }

  private func moved(_ index: Int, _ line: Line, _ count: Int, to target: Int) -> IOEvent {
    let bytes = line.wire.read(count)
    if let left = line.move?.left {
      line.move = left == count ? nil : (line.move!.target, left - count)
    }
    bytes.withUnsafeBytes { _ = send(id(target), $0) }
    return report(.moved, index, value: count)
  }

  var received: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: memory + IOLoop.headroom, count: receivedCount)
  }

  // MARK: Listeners

  func listen(_ socket: consuming ListenSocket, tag: UInt32) throws(IOError) { isListening = true }

  func keepListeners(where isWanted: (UInt32) -> Bool) {
    if !isWanted(listenerTag) { isListening = false }
  }

  func resumeAccepting() { isFull = false }

  // MARK: Connections

  var connectionCount: Int { capacity - free.count }
  var freeConnectionCount: Int { free.count }
  var queuedByteCount: Int { lines.reduce(0) { $0 + ($1?.output.count ?? 0) } }

  private func id(_ index: Int) -> ConnectionID {
    ConnectionID(index: Int32(index), generation: generations[index])
  }

  private func line(_ id: ConnectionID) -> Line {
    precondition(isOpen(id), "a closed connection is used")
    return lines[Int(id.index)]!
  }

  private func open(_ line: Line) -> ConnectionID {
    let index = free.removeLast()
    generations[index] += 1
    lines[index] = line
    line.wire.changed = { [weak self, weak line] in
      guard let self, let line, self.lines[index] === line, !line.isConnecting else { return }
      if line.wire.error != 0, !line.output.isEmpty { self.fail(line, line.wire.error) }
      if !line.output.isEmpty, self.flush(index, line) { line.isDrainedDue = true }
    }
    return id(index)
  }

  func isOpen(_ id: ConnectionID) -> Bool {
    id.index >= 0 && generations[Int(id.index)] == id.generation && lines[Int(id.index)] != nil
  }

  func openID(at index: Int32) -> ConnectionID? {
    lines[Int(index)] == nil ? nil : id(Int(index))
  }

  func tag(_ id: ConnectionID) -> UInt32 { line(id).tag }

  func localAddress(_ id: ConnectionID) -> (address: IPAddress, port: UInt16)? { nil }

  func connect(to address: KernelAddress, tag: UInt32) throws(IOError) -> ConnectionID {
    guard !free.isEmpty else { throw IOError("connect", Int(EMFILE)) }
    var (storage, bytes, port) = (address.storage, (UInt64(0), UInt64(0)), UInt16(0))
    withUnsafeMutableBytes(of: &bytes) {
      _ = sy_address_parts(&storage, $0.bindMemory(to: UInt8.self).baseAddress, &port)
    }
    let reception = network.reception(port)
    if case .shortage = reception {
      shortageCount += 1
      throw IOError("socket", Int(EMFILE))
    }
    var peer: any SimulatedPeer = Nobody()
    if case .accepted(let accepting) = reception { peer = accepting }
    let wire = Wire(network, peer: peer, address: .none)
    let line = Line(wire, tag: tag, isConnecting: true)
    let id = open(line)
    network.after(wire.delay + wire.delay) {
      guard self.isOpen(id) else { return }
      switch reception {
      case .accepted:
        line.isConnectedDue = true
        peer.opened(wire)
      case .refused: line.isRefused = true
      case .silent, .shortage: break
      }
    }
    return id
  }

  func close(_ id: ConnectionID) {
    let line = line(id)
    if !line.isConnecting { line.wire.closeWorker(isReset: line.isResetOnClose) }
    line.wire.changed = {}
    let index = Int(id.index)
    lines[index] = nil
    generations[index] += 1
    timers.cancel(index)
    free.append(index)
  }

  func finish(_ id: ConnectionID) {
    let line = line(id)
    if line.output.isEmpty { line.wire.finishWorker() } else { line.isFinishing = true }
  }

  func resetOnClose(_ id: ConnectionID) { line(id).isResetOnClose = true }

  // MARK: Reading

  func setPaused(_ id: ConnectionID, _ isPaused: Bool) { line(id).isPaused = isPaused }

  func setReadLimit(_ id: ConnectionID, _ byteCount: Int) {
    line(id).readLimit = max(1, min(byteCount, IOLoop.readMax))
  }

  func hasInput(_ id: ConnectionID) -> Bool {
    let line = line(id)
    return line.failure != 0 || line.wire.hasInput
  }

  func hasUnread(_ id: ConnectionID) -> Bool { line(id).wire.hasInput }

  // MARK: Sending

  @discardableResult
  func send(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer) -> Bool {
    let line = line(id)
    if line.failure != 0 || line.isEnded && line.isConnecting { return true }
    var rest = bytes
    if line.output.isEmpty, !line.isConnecting {
      if line.wire.error != 0 {
        fail(line, line.wire.error)
        return true
      }
      let count = line.wire.take(bytes)
      if count == bytes.count { return true }
      rest = UnsafeRawBufferPointer(rebasing: bytes[count...])
    }
    line.output += rest
    return false
  }

  private func fail(_ line: Line, _ code: Int32) {
    line.failure = code
    line.output = []
  }

  private func flush(_ index: Int, _ line: Line) -> Bool {
    guard !line.output.isEmpty else { return false }
    if line.wire.error != 0 {
      fail(line, line.wire.error)
      return false
    }
    let count = line.output.withUnsafeBytes { line.wire.take($0) }
    line.output.removeFirst(count)
    guard line.output.isEmpty else { return false }
    if line.isFinishing { line.wire.finishWorker() }
    return true
  }

  func move(_ id: ConnectionID, to target: ConnectionID, byteCount: Int) {
    let line = line(id)
    if byteCount > 0 { line.move = (target, byteCount) }
  }

  func unsentByteCount(_ id: ConnectionID) -> Int { line(id).output.count }

  func untakenByteCount(_ id: ConnectionID) -> Int {
    line(id).output.count + line(id).wire.unacknowledged
  }

  func hasFailed(_ id: ConnectionID) -> Bool { line(id).failure != 0 }

  func wasEndedFirst(_ id: ConnectionID) -> Bool { line(id).failure == EPIPE }

  // MARK: Timeouts

  func deadline(_ id: ConnectionID) -> Nanoseconds { timers.deadline(Int(id.index)) }

  func setDeadline(_ id: ConnectionID, _ deadline: Nanoseconds?) {
    precondition(isOpen(id), "a closed connection is used")
    set(Int(id.index), deadline)
  }

  func setTimer(_ index: Int, _ deadline: Nanoseconds?) { set(capacity + index, deadline) }

  private func set(_ index: Int, _ deadline: Nanoseconds?) {
    if let deadline {
      timers.set(index, at: deadline - pausedTime)
    } else {
      timers.cancel(index)
    }
  }

  // MARK: TLS: the simulated network has none

  func startTLS(
    _ id: ConnectionID, _ context: ServerContext, received: UnsafeRawBufferPointer
  ) { preconditionFailure("no TLS here") }
  func startTLS(_ id: ConnectionID, _ peer: TLSPeer) { preconditionFailure("no TLS here") }
  func leaveTLS(_ id: ConnectionID) { preconditionFailure("no TLS here") }
  func isSecure(_ id: ConnectionID) -> Bool { false }
  func isHandshaking(_ id: ConnectionID) -> Bool { false }
  func isHTTP2(_ id: ConnectionID) -> Bool { false }
  func hasPeer(_ id: ConnectionID, like peer: TLSPeer?) -> Bool { false }
  func isResumed(_ id: ConnectionID) -> Bool { false }
  func tlsFailure(_ id: ConnectionID) -> TLSFailure? { nil }
  func servesHost(_ id: ConnectionID, _ host: UnsafeRawBufferPointer) -> Bool { true }
  func clientCertificate(
    _ id: ConnectionID
  ) -> (subject: UnsafeRawBufferPointer, names: UnsafeRawBufferPointer)? { nil }
}

/// The peer of a connection to an address on which nothing listens.
private final class Nobody: SimulatedPeer {
  func received(_ bytes: [UInt8], on wire: Wire) {}
  func ended(_ wire: Wire) {}
  func failed(_ wire: Wire) {}
}
