// A loop on which every stream of HTTP/2 is a connection: heads and content come and go on it as
// HTTP/1.1, which is how HAProxy's HTX joins both protocols. Connections that speak HTTP/1 pass
// through. An identifier whose index is at least `connectionCapacity` is that of a stream.
// Invariant: frames of all streams of a connection are joined until the end of the turn, so that
// one system call sends them.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem
import HTTP
import IO
import Primitives

struct StreamLoop<Base: ConnectionLoop & ~Copyable>: ~Copyable {
  /// What a peer may send on one stream before the other side takes it, bytes.
  static var streamWindow: Int { 65_535 }
  /// The longest frame that is received (RFC 9113 §4.2).
  static var frameMax: Int { 16_384 }
  /// The longest header block, compressed.
  static var blockMax: Int { 32_768 }
  /// The longest list of fields that is announced to peers, bytes.
  static var fieldListMax: Int { 32_768 }
  /// Room for a head as text.
  static var textMax: Int { 40_960 }
  /// The blocks of sessions: frames to send, and frames of which a part was received.
  static var roomBytes: Int { 65_536 }
  /// At so many bytes the joined frames are sent before the end of the turn.
  static var outputMax: Int { 48_000 }

  var base: Base
  let connectionCapacity: Int
  let sessions: UnsafeMutablePointer<Session>
  /// By index of the connection.
  let isSession: UnsafeMutablePointer<Bool>
  var sessionCount = 0
  /// The sessions of clients.
  var clientSessionCount = 0
  var slab: StreamSlab
  let memory: FieldMemory
  var requests = HeadParser(fieldsMax: 400)
  var responses = HeadParser(fieldsMax: 400)
  var rooms: BlockPool
  var queues: OutputPool
  /// Where heads and queued content are written before the worker gets them: `IOLoop.headroom`
  /// bytes, then the text.
  let text: UnsafeMutableRawPointer
  /// Where header blocks are written before they are put in frames.
  let blockRoom: UnsafeMutableRawBufferPointer
  /// The first bytes of a connection, which were received before it was known to be HTTP/2.
  let early: UnsafeMutableRawPointer
  /// The first timer of a stream's deadline.
  let timerStart: Int
  let metrics: StreamMetrics
  let workerIndex: Int

  // The event that the worker handles.
  /// `received` is that of a stream.
  private var isOwnReceived = false
  private var ownReceived: UnsafeMutableRawBufferPointer
  /// There are sessions or streams.
  var isInUse = false
  /// Something has to be done before the loop's next event.
  var isBusy = false
  /// The session whose frames are being read; −1: none.
  var parsing = -1
  var cursor: UnsafeMutableRawPointer
  var cursorEnd: UnsafeMutableRawPointer
  /// The stream that got bytes with the last event; −1: none.
  var delivered = -1
  var deliveredGeneration: UInt32 = 0
  /// The stream whose head follows; its length.
  var opened = -1
  var openedTextCount = 0
  /// The bytes after the delivered ones, which were overwritten.
  var savedAt: UnsafeMutableRawPointer?
  var saved: UInt64 = 0

  // Streams that have something to report without an event of their connection.
  private let ready: UnsafeMutablePointer<Int32>
  private var readyHead = 0
  private var readyCount = 0
  private var readyBudget = -1
  /// Connections with frames to send.
  var dirty: [Int32] = []

  /// `timerStart`: the loop's timers below it are the owner's.
  init(
    _ base: consuming Base, timerStart: Int, queuedBytesMax: Int, metrics: StreamMetrics,
    workerIndex: Int
  ) {
    let capacity = base.capacity
    self.metrics = metrics
    self.workerIndex = workerIndex
    self.base = base
    connectionCapacity = capacity
    self.timerStart = timerStart
    guard let memory = sy_map(capacity * MemoryLayout<Session>.stride) else {
      fatalError("out of memory for \(capacity) connections")
    }
    sessions = memory.bindMemory(to: Session.self, capacity: capacity)
    isSession = .allocate(capacity: capacity)
    isSession.initialize(repeating: false, count: capacity)
    slab = StreamSlab(capacity: capacity)
    self.memory = FieldMemory(byteCountMax: queuedBytesMax)
    rooms = BlockPool(byteCount: Self.roomBytes, countMax: 4 * capacity)
    queues = OutputPool(byteCountMax: queuedBytesMax)
    text = .allocate(byteCount: IOLoop.headroom + Self.textMax + IOLoop.tailroom, alignment: 64)
    early = .allocate(
      byteCount: IOLoop.headroom + IOLoop.readMax + IOLoop.tailroom, alignment: 64)
    blockRoom = .allocate(byteCount: Self.textMax, alignment: 64)
    ownReceived = UnsafeMutableRawBufferPointer(start: text, count: 0)
    cursor = text
    cursorEnd = text
    ready = .allocate(capacity: capacity)
    dirty.reserveCapacity(256)
  }

  deinit {
    for index in 0..<connectionCapacity where isSession[index] {
      sessions[index].coder.free()
    }
    sy_unmap(sessions, connectionCapacity * MemoryLayout<Session>.stride)
    isSession.deallocate()
    text.deallocate()
    early.deallocate()
    blockRoom.deallocate()
    ready.deallocate()
  }

  // MARK: The turn

  /// Sends the frames of the turn, then waits.
  mutating func wait(until deadline: Nanoseconds) {
    if !dirty.isEmpty { flushAll() }
    base.wait(until: readyCount > 0 ? .zero : deadline)
    readyBudget = -1
  }

  @inline(__always)
  mutating func next() -> IOEvent { isInUse ? nextInUse() : base.next() }

  @inline(never)
  private mutating func nextInUse() -> IOEvent {
    isOwnReceived = false
    if isBusy, let event = goOn() { return event }
    if sessionCount == 0, slab.openCount == 0 { isInUse = false }
    return route(base.next())
  }

  /// The bytes of the last `.received`, as in `IOLoop`.
  var received: UnsafeMutableRawBufferPointer {
    @inline(__always) get { isOwnReceived ? ownReceived : base.received }
  }

  /// Goes on after the worker has handled an event of a stream.
  private mutating func goOn() -> IOEvent? {
    settle()
    if opened >= 0 {
      let index = opened
      opened = -1
      if slab.streams[index].generation == deliveredGeneration,
        let event = deliverText(index, openedTextCount)
      {
        return event
      }
    }
    if parsing >= 0, let event = parse() { return event }
    isBusy = false
    return nil
  }

  private mutating func route(_ first: IOEvent) -> IOEvent {
    var event = first
    while true {
      switch event.kind {
      case .none: return nextReady() ?? event
      case .timer:
        guard event.value >= timerStart else { return event }
        let index = event.value - timerStart
        if slab.streams[index].generation & 1 == 1 {
          slab.streams[index].deadline = .distantFuture
          return report(.timeout, index)
        }
      default:
        let index = Int(event.id.index)
        guard index >= 0, isSession[index] else { return event }
        if let result = sessionEvent(index, event) { return result }
      }
      event = base.next()
    }
  }

  // MARK: Events of streams

  /// The next event of a stream that has something to report; nil: none has.
  private mutating func nextReady() -> IOEvent? {
    if readyBudget < 0 { readyBudget = readyCount }
    while readyBudget > 0 {
      readyBudget -= 1
      let index = Int(ready[readyHead])
      readyHead = readyHead + 1 == slab.capacity ? 0 : readyHead + 1
      readyCount -= 1
      slab.streams[index].isInReady = false
      if slab.streams[index].generation & 1 == 1, let event = pending(index) { return event }
    }
    return nil
  }

  private mutating func pending(_ index: Int) -> IOEvent? {
    let stream = slab.streams + index
    if stream.pointee.isConnectedDue {
      stream.pointee.isConnectedDue = false
      enqueue(index)
      return report(.connected, index)
    }
    if stream.pointee.failure != 0, !stream.pointee.isFailureTold,
      !stream.pointee.isOfEndpoint
        || !stream.pointee.isPaused && stream.pointee.input.byteCount == 0
    {
      stream.pointee.isFailureTold = true
      return report(.failed, index, value: Int(stream.pointee.failure))
    }
    if stream.pointee.isDrainedDue {
      stream.pointee.isDrainedDue = false
      enqueue(index)
      return report(.drained, index)
    }
    guard stream.pointee.input.byteCount == 0 else {
      return stream.pointee.isPaused ? nil : deliverQueued(index)
    }
    if stream.pointee.isFinishing, stream.pointee.hasInputEnded, stream.pointee.hasOutputEnded,
      stream.pointee.failure == 0, !stream.pointee.isEndTold
    {
      stream.pointee.isEndTold = true
      return report(.eof, index)
    }
    return nil
  }

  /// Notes that the stream has something to report.
  mutating func enqueue(_ index: Int) {
    guard !slab.streams[index].isInReady else { return }
    slab.streams[index].isInReady = true
    var tail = readyHead + readyCount
    if tail >= slab.capacity { tail -= slab.capacity }
    ready[tail] = Int32(truncatingIfNeeded: index)
    readyCount += 1
  }

  func id(_ index: Int) -> ConnectionID {
    ConnectionID(
      index: Int32(truncatingIfNeeded: connectionCapacity + index),
      generation: slab.streams[index].generation)
  }

  func report(_ kind: IOEvent.Kind, _ index: Int, value: Int = 0) -> IOEvent {
    IOEvent(kind, id(index), tag: slab.streams[index].tag, value: value)
  }

  /// Reports bytes of a stream.
  mutating func reportReceived(
    _ index: Int, _ bytes: UnsafeMutableRawBufferPointer
  ) -> IOEvent {
    isOwnReceived = true
    ownReceived = bytes
    delivered = index
    deliveredGeneration = slab.streams[index].generation
    isBusy = true
    return report(.received, index, value: bytes.count)
  }

  /// Ends the handling of delivered bytes: gives back what was overwritten, and tells the peer that
  /// the bytes were taken unless the worker has paused the stream meanwhile.
  private mutating func settle() {
    if let place = savedAt {
      place.storeBytes(of: saved, as: UInt64.self)
      savedAt = nil
    }
    guard delivered >= 0 else { return }
    let stream = slab.streams + delivered
    defer { delivered = -1 }
    guard stream.pointee.generation == deliveredGeneration, !stream.pointee.isPaused else {
      return
    }
    if stream.pointee.input.byteCount == 0 {
      creditHeld(delivered)
      if stream.pointee.failure != 0 || stream.pointee.isFinishing { enqueue(delivered) }
    } else {
      enqueue(delivered)
    }
  }
}
