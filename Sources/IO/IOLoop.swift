// An event loop on epoll: reads into one buffer, sends at once, queues what the kernel refuses.
// Edge-triggered; each connection is registered once; a short read means drained (epoll(7)).
// Invariant: a connection is in the ready ring at most once; a closed one reports nothing more.
// HOT PATH: no allocation, no lock, no existential.
import CSystem
public import Primitives

public struct IOLoop: ~Copyable {
  /// Free bytes before the received bytes, in which a rewritten head can be put.
  public static let headroom = 8_192
  /// Free bytes after the received bytes.
  public static let tailroom = 16
  /// The most bytes of one read.
  public static let readMax = 65_536
  private static let eventsMax = 256
  /// If the process did not run for this long, it or its host was stopped. No turn takes that long.
  public static let pauseMin = Nanoseconds.seconds(1)
  /// The longest single wait while a timer is set: a longer one means that the process was stopped.
  private static let waitMilliseconds: Int32 = 1_000
  /// The most turns in a row in which timers wait for events that the kernel still has.
  private static let fullTurnsMax = 16
  private static let wakeData: UInt64 = .max
  private static let listenerBit: UInt64 = 1 << 63

  /// 40 bytes, in this order: there may be tens of thousands of idle ones.
  @usableFromInline struct Connection {
    var fd: Int32
    @usableFromInline var generation: UInt32
    @usableFromInline var tag: UInt32
    var readLimit: UInt32
    @usableFromInline var output: OutputQueue
    /// The errno of a failed send. `next` reports it after everything readable was read, which may
    /// include an early answer.
    var failure: Int16
    var isConnecting: Bool
    /// The kernel may have unread bytes.
    var isReadable: Bool
    var isPaused: Bool
    /// The peer's end is near: reading continues until it is seen.
    var hasHangup: Bool
    var isHangupTold: Bool
    var isInReady: Bool
    /// EOF or a failure was reported: there is nothing more to read.
    var isEnded: Bool
    /// Our side is to be closed after everything was sent.
    var isFinishing: Bool
    var isDrainedDue: Bool
    @usableFromInline var channel: Channel
  }

  /// What happens to a connection's bytes between the kernel and the owner.
  @usableFromInline enum Channel: UInt8 {
    case plain
    /// Received bytes go to another connection, which `moves` names.
    case moving
    /// TLS, whose state is in `sessions`.
    case secure
  }

  struct Listener {
    let fd: Int32
    let tag: UInt32
  }

  let epoll: Int32
  private let waker: Waker
  @usableFromInline let connections: UnsafeMutablePointer<Connection>
  /// By index; valid while the connection is moving.
  let moves: UnsafeMutablePointer<Move>
  let pipe: MovePipe
  /// By index; valid while the connection's channel is secure.
  let sessions: UnsafeMutablePointer<TLSSession>
  /// nil: no connection has used TLS yet.
  var tls: TLSRoom?
  /// The time that handshakes took in this turn.
  var handshakeTime = Nanoseconds.zero
  public let capacity: Int
  let freeStack: UnsafeMutablePointer<Int32>
  @usableFromInline var freeCount: Int
  @usableFromInline let scratch: UnsafeMutableRawPointer
  @usableFromInline var receivedCount = 0

  private let events: UnsafeMutablePointer<epoll_event>
  private var eventCount = 0
  private var eventIndex = 0
  private var fullTurns = 0
  /// Connections that have something to report without an event.
  private let ready: UnsafeMutablePointer<Int32>
  private var readyHead = 0
  private var readyCount = 0
  private var readyBudget = -1

  var listeners: [Listener] = []
  var acceptingListener = -1
  private var areListenersPaused = false
  /// The peer's address of the last `.accepted`.
  var acceptedAddress = sockaddr_storage()
  /// How many more connections are accepted until the owner sets this again; at 0 none is.
  public var acceptRoom = Int.max
  /// Accepting has stopped for lack of room or of descriptors. It is retried after a while, or by
  /// `resumeAccepting`.
  public internal(set) var isFull = false
  /// How often the system had no descriptor or no memory for a connection.
  public internal(set) var shortageCount: UInt64 = 0
  var listenersResumeAt = Nanoseconds.distantFuture

  var timers: TimerWheel
  var output: OutputPool
  /// The number of blocks with queued bytes; the pool counts them.
  @usableFromInline let queuedBlocks: UnsafeMutablePointer<Int>
  /// The monotonic clock, read once a turn, after waiting.
  public private(set) var now: Nanoseconds
  /// The length of the previous turn, from reading the clock to the next wait; nil: that wait
  /// needed no clock.
  public private(set) var lastTurnLength: Nanoseconds?
  /// How long the process was stopped before this turn, at least; usually 0. Deadlines of
  /// connections have already been moved by it.
  public private(set) var lastPause = Nanoseconds.zero
  /// The sum of all such pauses: the timers' clock is behind by this.
  private(set) var pausedTime = Nanoseconds.zero

  /// Requires: 1...1_000_000 connections. `timersMax`: timers beside the connections' deadlines.
  /// `unsentBytesMax` limits the queued bytes of all connections together.
  public init(
    connectionsMax: Int, timersMax: Int = 0, unsentBytesMax: Int = 256 << 20, waker: Waker
  ) throws(IOError) {
    let created = sy_epoll_create()
    guard created >= 0 else { throw IOError("epoll_create1", -created) }
    epoll = Int32(created)
    self.waker = waker
    capacity = connectionsMax
    now = Clock.now
    timers = TimerWheel(capacity: connectionsMax + timersMax, now: now)
    output = OutputPool(byteCountMax: unsentBytesMax)
    queuedBlocks = output.usedCount
    guard let memory = sy_map(connectionsMax * MemoryLayout<Connection>.stride) else {
      fatalError("out of memory for \(connectionsMax) connections")
    }
    connections = memory.bindMemory(to: Connection.self, capacity: connectionsMax)
    guard let room = sy_map(connectionsMax * MemoryLayout<Move>.stride) else {
      fatalError("out of memory for \(connectionsMax) connections")
    }
    moves = room.bindMemory(to: Move.self, capacity: connectionsMax)
    pipe = MovePipe()
    guard let sessionRoom = sy_map(connectionsMax * MemoryLayout<TLSSession>.stride) else {
      fatalError("out of memory for \(connectionsMax) connections")
    }
    sessions = sessionRoom.bindMemory(to: TLSSession.self, capacity: connectionsMax)
    freeStack = .allocate(capacity: connectionsMax)
    for index in 0..<connectionsMax { freeStack[index] = Int32(connectionsMax - 1 - index) }
    freeCount = connectionsMax
    ready = .allocate(capacity: connectionsMax)
    events = .allocate(capacity: Self.eventsMax)
    scratch = .allocate(
      byteCount: Self.headroom + Self.readMax + Self.tailroom, alignment: 4096)
    _ = sy_epoll_add(epoll, waker.fd, EPOLLIN.rawValue, Self.wakeData)
  }

  deinit {
    for index in 0..<capacity where connections[index].generation & 1 == 1 {
      if connections[index].channel == .secure {
        output.discard(sessions[index].raw)
        sessions[index].free()
      }
      sy_close(connections[index].fd)
      output.discard(connections[index].output)
    }
    for listener in listeners { sy_close(listener.fd) }
    sy_close(epoll)
    sy_unmap(connections, capacity * MemoryLayout<Connection>.stride)
    sy_unmap(moves, capacity * MemoryLayout<Move>.stride)
    sy_unmap(sessions, capacity * MemoryLayout<TLSSession>.stride)
    freeStack.deallocate()
    ready.deallocate()
    events.deallocate()
    scratch.deallocate()
  }

  /// The size of a block for queued bytes.
  public static let outputBlockBytes = 16_384

  /// Memory that holds the queued bytes of all connections, in whole blocks.
  @inlinable public var queuedByteCount: Int {
    queuedBlocks.pointee * Self.outputBlockBytes
  }

  /// The number of connections that can still be opened.
  @inlinable public var freeConnectionCount: Int { freeCount }

  /// The number of open connections.
  public var connectionCount: Int { capacity - freeCount }

  // MARK: Listeners

  /// Accepts connections on the socket from now on; they get the tag `tag`. Allocates.
  public mutating func listen(_ socket: consuming ListenSocket, tag: UInt32) throws(IOError) {
    let fd = socket.release()
    listeners.append(Listener(fd: fd, tag: tag))
    if areListenersPaused { return }
    let data = Self.listenerBit | UInt64(listeners.count - 1)
    let result = sy_epoll_add(epoll, fd, EPOLLIN.rawValue, data)
    if result < 0 { throw IOError("epoll_ctl", -result) }
  }

  /// Closes the listeners whose tag is not wanted. Their connections stay open.
  public mutating func keepListeners(where isWanted: (UInt32) -> Bool) {
    pauseListeners()
    for listener in listeners where !isWanted(listener.tag) { sy_close(listener.fd) }
    listeners.removeAll { !isWanted($0.tag) }
    acceptingListener = -1
    resumeListeners()
  }

  mutating func pauseListeners() {
    for listener in listeners { _ = sy_epoll_remove(epoll, listener.fd) }
    areListenersPaused = true
    acceptingListener = -1
  }

  mutating func resumeListeners() {
    areListenersPaused = false
    isFull = false
    listenersResumeAt = .distantFuture
    for (index, listener) in listeners.enumerated() {
      _ = sy_epoll_add(epoll, listener.fd, EPOLLIN.rawValue, Self.listenerBit | UInt64(index))
    }
  }

  // MARK: The turn

  /// Waits for events, at most until `deadline` or the next timer. Reads the clock.
  public mutating func wait(until deadline: Nanoseconds = .distantFuture) {
    var milliseconds: Int32 = -1
    let before = now
    var end: Nanoseconds?
    if readyCount > 0 {
      milliseconds = 0
      end = Clock.now
    } else {
      let next = min(deadline, min(nextTimer, listenersResumeAt))
      if next != .distantFuture {
        let present = Clock.now
        end = present
        let gap = max(0, next.rawValue - present.rawValue)
        milliseconds = Int32(min(Int64(Self.waitMilliseconds), (gap + 999_999) / 1_000_000))
      }
    }
    lastTurnLength = end.map { $0 - before }
    eventCount = poll(milliseconds)
    eventIndex = 0
    readyBudget = -1
    now = Clock.now
    handshakeTime = .zero
    lastPause = .zero
    if let end { notePause(turn: end - before, wait: now - end, asked: milliseconds) }
    if now >= listenersResumeAt { resumeListeners() }
    noteBatch()
  }

  /// Marks the connections with input before the first event of the turn is reported: the owner may
  /// then ask for any other connection (`hasInput`).
  private mutating func noteBatch() {
    for position in 0..<eventCount {
      let data = sy_event_data(events + position)
      guard data & Self.listenerBit == 0 else { continue }
      let index = Int(truncatingIfNeeded: data & 0xFFFF_FFFF)
      guard connections[index].generation == UInt32(truncatingIfNeeded: data >> 32),
        !connections[index].isConnecting
      else { continue }
      noteReadable(index, sy_event_bits(events + position))
    }
  }

  private mutating func poll(_ milliseconds: Int32) -> Int {
    let count = sy_epoll_wait(epoll, events, Int32(Self.eventsMax), milliseconds)
    precondition(count >= 0, "epoll_wait fails only on a bad descriptor")
    return count
  }

  /// When the first timer is due; `.distantFuture`: none is set.
  private var nextTimer: Nanoseconds {
    let tick = timers.nextTick()
    return tick == .distantFuture ? tick : tick + pausedTime
  }

  /// A turn or a wait that took far too long means that the process was stopped. That time counts
  /// for no deadline, and input that arrived meanwhile is handled first. A stop interrupts the wait
  /// (signal(7)), which then reports nothing even if there are events.
  private mutating func notePause(turn: Nanoseconds, wait: Nanoseconds, asked: Int32) {
    if turn >= Self.pauseMin { lastPause = turn }
    let late = wait - .milliseconds(Int(asked))
    if late >= Self.pauseMin { lastPause = lastPause + late }
    guard lastPause > .zero else { return }
    pausedTime = pausedTime + lastPause
    if eventCount == 0 { eventCount = poll(0) }
  }

  /// The next event of this turn; `.none` when the turn is over.
  public mutating func next() -> IOEvent {
    while true {
      if acceptingListener >= 0, let event = accept() { return event }
      guard eventIndex < eventCount else { break }
      let event = events + eventIndex
      eventIndex += 1
      if let report = dispatch(sy_event_bits(event), data: sy_event_data(event)) { return report }
    }
    if readyBudget < 0 { readyBudget = readyCount }
    while readyBudget > 0 {
      readyBudget -= 1
      let index = Int(ready[readyHead])
      readyHead = readyHead + 1 == capacity ? 0 : readyHead + 1
      readyCount -= 1
      connections[index].isInReady = false
      if connections[index].generation & 1 == 1, let report = pending(index) { return report }
    }
    // The kernel may have more events: an answer that has come is handled before its time-out.
    if eventCount == Self.eventsMax, fullTurns < Self.fullTurnsMax {
      fullTurns += 1
      return IOEvent(.none)
    }
    let expired = timers.expired(now: now - pausedTime)
    if expired >= capacity { return IOEvent(.timer, value: expired - capacity) }
    if expired >= 0 { return report(.timeout, expired) }
    fullTurns = 0
    return IOEvent(.none)
  }

  /// The bytes of the last `.received`; valid until `next` is called. Writable, with `headroom`
  /// free bytes before them and `tailroom` after them.
  @inlinable public var received: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: scratch + Self.headroom, count: receivedCount)
  }

  private mutating func dispatch(_ bits: UInt32, data: UInt64) -> IOEvent? {
    if data == Self.wakeData {
      var count: UInt64 = 0
      _ = sy_read(waker.fd, &count, 8)
      return IOEvent(.woken)
    }
    if data & Self.listenerBit != 0 {
      // An event of this batch may be older than `keepListeners`.
      let listener = Int(data & ~Self.listenerBit)
      if listener < listeners.count, !areListenersPaused { acceptingListener = listener }
      return nil
    }
    let index = Int(truncatingIfNeeded: data & 0xFFFF_FFFF)
    guard connections[index].generation == UInt32(truncatingIfNeeded: data >> 32) else {
      return nil
    }
    if connections[index].isConnecting {
      if connections[index].channel == .secure { return dispatchHandshake(index, bits) }
      if bits & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 {
        let code = sy_socket_error(connections[index].fd)
        connections[index].isEnded = true
        return report(.failed, index, value: Int(code == 0 ? ECONNREFUSED : code))
      }
      guard bits & EPOLLOUT.rawValue != 0 else { return nil }
      connections[index].isConnecting = false
      noteReadable(index, bits)
      if flush(index) { connections[index].isDrainedDue = true }
      enqueue(index)
      return report(.connected, index)
    }
    if bits & EPOLLOUT.rawValue != 0, connections[index].output.byteCount > 0, flush(index) {
      connections[index].isDrainedDue = true
    }
    return pending(index)
  }

  mutating func noteReadable(_ index: Int, _ bits: UInt32) {
    let closing = EPOLLRDHUP.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue
    if bits & (EPOLLIN.rawValue | closing) != 0 { connections[index].isReadable = true }
    if bits & closing != 0 { connections[index].hasHangup = true }
  }

  /// The next event of a connection; one at a time.
  mutating func pending(_ index: Int) -> IOEvent? {
    let connection = connections + index
    if connection.pointee.isDrainedDue {
      connection.pointee.isDrainedDue = false
      if connection.pointee.isReadable { enqueue(index) }
      return report(.drained, index)
    }
    guard connection.pointee.isReadable, !connection.pointee.isEnded else { return nil }
    if connection.pointee.isPaused {
      guard connection.pointee.hasHangup, !connection.pointee.isHangupTold else { return nil }
      connection.pointee.isHangupTold = true
      return report(.hangup, index)
    }
    return receive(index)
  }

  private mutating func receive(_ index: Int) -> IOEvent? {
    let connection = connections + index
    if connection.pointee.channel != .plain {
      if connection.pointee.channel == .secure { return receiveSecure(index) }
      if canMove(index) { return receiveMoved(index) }
    }
    let limit = Int(connection.pointee.readLimit)
    let count = sy_recv(connection.pointee.fd, scratch + Self.headroom, limit)
    if count > 0 {
      if count < limit, !connection.pointee.hasHangup {
        connection.pointee.isReadable = false
      } else {
        enqueue(index)
      }
      receivedCount = count
      return report(.received, index, value: count)
    }
    if count == -Int(EAGAIN), connection.pointee.failure == 0 {
      connection.pointee.isReadable = false
      return nil
    }
    return ended(index, count)
  }

  /// Nothing more can be read: `count` is 0 at the end, else -errno.
  mutating func ended(_ index: Int, _ count: Int) -> IOEvent {
    let connection = connections + index
    connection.pointee.isEnded = true
    return count == 0
      ? report(.eof, index)
      : report(
        .failed, index,
        value: connection.pointee.failure != 0 ? Int(connection.pointee.failure) : -count)
  }

  // MARK: Helpers

  /// Sends queued bytes. Returns true if none are left.
  mutating func flush(_ index: Int) -> Bool {
    let connection = connections + index
    guard connection.pointee.output.byteCount > 0 else { return false }
    let code = output.flush(&connection.pointee.output, to: connection.pointee.fd)
    if code != 0 {
      fail(index, Int32(code))
      return false
    }
    guard connection.pointee.output.byteCount == 0 else { return false }
    if connection.pointee.isFinishing { sy_shutdown_write(connection.pointee.fd) }
    return true
  }

  mutating func fail(_ index: Int, _ code: Int32) {
    connections[index].failure = Int16(truncatingIfNeeded: code)
    connections[index].isReadable = true
    connections[index].hasHangup = true
    output.clear(&connections[index].output)
    enqueue(index)
  }

  mutating func enqueue(_ index: Int) {
    guard !connections[index].isInReady else { return }
    connections[index].isInReady = true
    var tail = readyHead + readyCount
    if tail >= capacity { tail -= capacity }
    ready[tail] = Int32(index)
    readyCount += 1
  }

  @inline(__always)
  func report(_ kind: IOEvent.Kind, _ index: Int, value: Int = 0) -> IOEvent {
    IOEvent(
      kind, ConnectionID(index: Int32(index), generation: connections[index].generation),
      tag: connections[index].tag, value: value)
  }
}
