// The proxy of one thread: its loop, connections, exchanges and counters. This file dispatches the
// loop's events; the extensions handle client connections, endpoint connections and exchanges.
// Invariant: an exchange has exactly one lease from pick to end; a connection's index has one owner
// at a time.
// HOT PATH: no allocation, no lock, no existential.
import CSystem
import Certificates
import Exposition
import Fleet
import HTTP
import IO
import Primitives

/// The objects that the workers of one balancer share. Each is immutable or thread-safe.
struct WorkerContext: Sendable {
  let board: WeightBoard
  let evidence: EvidenceBoard
  let pickBoard: PickBoard
  let metrics: TrafficMetrics
  let control: WorkerControl
  let accessLog: AccessLogDriver
  let limits: Limits
  let admission: AdmissionBoard
  let credentials: Credentials
  /// The most bytes that the buffers of one worker may hold.
  let bufferedBytesMax: Int
}

/// The proxy of one thread, on its own loop.
struct Worker<Loop: ConnectionLoop & ~Copyable>: ~Copyable {
  /// The timers that the loop of a worker needs beside its connections' deadlines.
  static func timersMax(connectionsMax: Int) -> Int {
    exchangeTimersMax(connectionsMax: connectionsMax) + connectionsMax
  }

  /// An exchange runs on a connection or on a stream, of which there may be as many.
  private static func exchangeTimersMax(connectionsMax: Int) -> Int {
    ExchangeTimers.count(ofExchanges: 2 * connectionsMax)
  }

  /// The tag of endpoint connections. The tags of listeners are smaller.
  static var upstreamTag: UInt32 { .max }
  /// The most bytes that one event adds to the bytes that wait to be sent. The bound on all of them
  /// is looked at after each event.
  static var eventBytesMax: Int { 1 << 20 }
  /// The bytes of a block: a head, the content that came with it, and the fields added to the head.
  static var blockBytes: Int { 36_864 }
  /// The most bytes that one read takes while a head is expected.
  static var headReadMax: Int { 16_384 }
  /// The least content that the kernel moves, bytes. Less content is copied as fast.
  static var moveMin: Int { 16_384 }
  /// The idle timeout of a client whose listener was removed.
  static var idleTimeoutOfNone: Nanoseconds { .seconds(75) }
  /// The wait after an answer to an incomplete request. A client that sends nothing for this time
  /// is closed, and any client after `lingerCountMax` such waits.
  static var lingerTime: Nanoseconds { .seconds(2) }
  static var lingerCountMax: UInt8 { 15 }

  let workerIndex: Int
  let context: WorkerContext
  let bufferedBytesMax: Int
  /// The time of the next search for clients to cut, after a search that was expensive.
  var buffersDueAt = Nanoseconds.zero
  var io: StreamLoop<Loop>
  var requests: HeadParser
  var responses: HeadParser
  var slab: ConnectionSlab
  /// The clients whose connections can be closed to make room.
  var reusable: ReusableClients
  /// The number of client connections.
  var clientCount = 0
  /// The number of exchanges that wait for request content to buffer.
  var awaitedCount = 0
  /// The loop's count of descriptor shortages when they were last counted in the metrics.
  var shortagesSeen: UInt64 = 0
  /// Whether the present pause of accepting was counted. Clients wait in the kernel meanwhile.
  var isPauseCounted = false
  var exchanges: ExchangeSlab
  var idle: IdleStore
  /// The connections of HTTP/2 to endpoints, whether they are idle or not.
  var multiplexed: IdleStore
  /// What is known of endpoints whose protocol is chosen in the handshake, by endpoint index.
  var speaksHTTP1: [Bool]
  /// The streams that endpoints allow on a connection, as they said last, by endpoint index.
  var streamsAllowed: [Int]
  var leases: LeaseBook
  var connections: ConnectionBook
  var traffic: TrafficBook
  var timings: TimingBook
  var blocks: BlockPool
  var replays: ReplayStore
  var plan = WorkerPlan()
  var random: RandomSource
  var identifiers: IdentifierSource
  var revision: UInt64 = 0
  var turn: UInt64 = 0
  var date = HTTPDate()
  /// The memory in which heads are written before they are sent.
  let scratch: UnsafeMutableRawBufferPointer
  /// The connections whose next request is already in their input.
  var runnable: [ClientID] = []
  var listeningTags: [UInt32] = []
  /// The deadline of the graceful stop; nil: none has begun.
  var stopsAt: Nanoseconds?
  /// Whether the stop waits for clients that are idle.
  private(set) var sparesIdle = false
  let records: AccessRecordSlab
  var logTime = LogTime()
  /// The memory in which a line of the access log is written.
  let lineRoom: UnsafeMutableRawPointer
  // Queues.
  let wakeups: WorkerWakeups
  var waiting: WaitQueue
  /// The upload allowances of the admission board, in its order.
  var allowances: [UploadAllowance] = []
  /// The pool queues of the admission board, in its order.
  var queues: [PoolQueue] = []
  /// The plan's pool of each queue; −1: the pool was removed.
  var poolOfQueue: [Int] = []
  /// The queues that may be able to admit a request.
  var isDue: [Bool] = []
  var isAnyDue = false
  var recheckAt = Nanoseconds.distantFuture
  /// The number of exchanges that pause before an attempt.
  var pausingCount = 0
  var down: DownEndpoints
  /// The time of the next check of ejected endpoints; `.distantFuture`: no endpoint is ejected.
  var ejectionsDueAt = Nanoseconds.distantFuture

  init(
    index: Int, loop: consuming Loop, context: WorkerContext, wakeups: WorkerWakeups,
    seed: UInt64, identifiers: IdentifierSource
  ) {
    workerIndex = index
    self.context = context
    bufferedBytesMax = context.bufferedBytesMax
    let limits = context.limits
    self.wakeups = wakeups
    let connectionsMax = loop.capacity
    io = StreamLoop(
      loop, timerStart: Self.exchangeTimersMax(connectionsMax: connectionsMax),
      queuedBytesMax: context.bufferedBytesMax + Self.eventBytesMax,
      metrics: context.metrics.streams,
      workerIndex: index)
    let capacity = io.capacity
    waiting = WaitQueue(capacity: capacity)
    requests = HeadParser(headBytesMax: limits.headBytesMax, fieldsMax: limits.fieldsMax)
    // Endpoints may send more fields than clients may.
    responses = HeadParser(fieldsMax: 200)
    slab = ConnectionSlab(capacity: capacity)
    reusable = ReusableClients(slab.downstream, capacity: capacity)
    exchanges = ExchangeSlab(capacity: capacity)
    idle = IdleStore(endpointLimit: context.evidence.endpointLimit)
    multiplexed = IdleStore(endpointLimit: context.evidence.endpointLimit)
    streamsAllowed = [Int](
      repeating: SessionLimits().peerStreamsMax, count: context.evidence.endpointLimit)
    speaksHTTP1 = [Bool](repeating: false, count: context.evidence.endpointLimit)
    down = DownEndpoints(endpointLimit: context.evidence.endpointLimit)
    leases = LeaseBook(
      evidence: context.evidence, pickBoard: context.pickBoard, workerIndex: index,
      capacity: capacity)
    connections = ConnectionBook(evidence: context.evidence, workerIndex: index)
    traffic = TrafficBook(context.metrics, workerIndex: index)
    timings = TimingBook(context.metrics.timing, workerIndex: index)
    replays = ReplayStore(byteCountMax: min(limits.replayBytesMax, context.bufferedBytesMax))
    blocks = BlockPool(byteCount: Self.blockBytes, countMax: 2 * capacity)
    random = RandomSource(seed: seed)
    self.identifiers = identifiers
    scratch = .allocate(byteCount: Self.blockBytes, alignment: 64)
    runnable.reserveCapacity(256)
    records = AccessRecordSlab(capacity: capacity)
    lineRoom = .allocate(byteCount: LogLine.byteCountMax, alignment: 64)
  }

  deinit {
    scratch.deallocate()
    lineRoom.deallocate()
  }

  /// Runs the loop until a graceful stop is complete.
  mutating func run() {
    adoptTable()
    adoptInheritedEjections()
    if !io.canMoveContent {
      context.control.report(
        "worker \(workerIndex): splice(2) is refused, so long content is copied")
    }
    while true {
      io.wait(
        until: min(min(stopsAt ?? .distantFuture, ejectionsDueAt), min(recheckAt, down.endsAt)))
      if turn > 0, let length = io.lastTurnLength { timings.observeTurn(length) }
      turn += 1
      if io.lastPause > .zero { postponeExchanges(io.lastPause) }
      if context.board.revision != revision { adoptTable() }
      dispatchTurn()
      if io.now >= down.endsAt { endAtDownEndpoints() }
      if leases.hasEjections, io.now >= ejectionsDueAt || ejectionsDueAt == .distantFuture {
        checkEjected()
      }
      finishTurn()
      context.metrics.publishOpenConnections(worker: workerIndex, io.connectionCount)
      if let deadline = stopsAt, isIdle() || io.now >= deadline { break }
    }
    endEverything()
  }

  private mutating func isIdle() -> Bool {
    if sparesIdle, clientCount > 0 { return false }
    return leases.count == 0 && waiting.count == 0 && pausingCount == 0 && awaitedCount == 0
      && !hasUnsent() && io.clientSessionCount == 0
  }

  private mutating func dispatchTurn() {
    while true {
      let event = io.next()
      switch event.kind {
      case .none: return
      case .accepted: accepted(ClientID(event.id))
      case .woken:
        // A table may have been published since the turn began; this wake-up announced it.
        if context.board.revision != revision { adoptTable() }
        if context.credentials.revision != plan.credentialsRevision {
          plan.adoptCredentials(context.credentials, thread: workerIndex, context.board.table)
        }
        if wakeups.take(workerIndex) { noteRoomEverywhere() }
        if let stop = context.control.stop { beginStop(stop) }
      case .timer: exchangeTimer(event.value)
      default:
        if event.tag == Self.upstreamTag { upstreamEvent(event) } else { downstreamEvent(event) }
        boundQueues()
      }
    }
  }

  private mutating func downstreamEvent(_ event: IOEvent) {
    let id = ClientID(event.id)
    switch event.kind {
    case .received: downstreamReceived(id, event.tag)
    case .moved: downstreamMoved(id, event.value)
    case .eof where slab.downstream[id.index].phase == .multiplexed: closeDownstream(id)
    case .hangup where slab.downstream[id.index].phase == .tunnel: break
    case .connected: downstreamSecured(id)
    case .failed where io.isSecure(id.connection): downstreamFailed(id)
    case .eof, .hangup, .failed: downstreamGone(id, isCut: event.kind == .failed)
    case .drained: downstreamDrained(id)
    case .timeout: downstreamTimeout(id)
    case .none, .accepted, .woken, .timer: break
    }
  }

  private mutating func upstreamEvent(_ event: IOEvent) {
    let id = EndpointConnectionID(event.id)
    if slab.upstream[id.index].phase == .multiplexed {
      multiplexedEvent(id, event)
      return
    }
    switch event.kind {
    case .connected: upstreamConnected(id)
    case .received: upstreamReceived(id)
    case .moved: upstreamMoved(id, event.value)
    // TLS that ends without saying so may have been cut on the way.
    case .eof: upstreamGone(id, errno: nil, isCut: event.value != 0)
    case .failed: upstreamGone(id, errno: event.value)
    case .drained: upstreamDrained(id)
    case .timeout: upstreamTimeout(id)
    // A paused endpoint connection that was closed may still have unread bytes. They are read on.
    case .hangup, .none, .accepted, .woken, .timer: break
    }
  }

  /// Ends a turn: continues with requests that are already received, and admits waiting requests.
  mutating func finishTurn() {
    admitWhereDue()
    if io.isFull { acceptAgain() }
    boundBuffers()
    guard waiting.count > 0 else {
      recheckAt = .distantFuture
      return
    }
    if io.now >= recheckAt {
      recheckAt = .distantFuture
      recheckQueues()
      admitWhereDue()
    }
    if recheckAt == .distantFuture { recheckAt = io.now + Self.recheckInterval }
  }

  // MARK: Identifiers

  /// The client connection of the exchange.
  @inline(__always)
  mutating func clientID(_ id: ExchangeID) -> ClientID { exchanges[id].pointee.client.connection }

  /// The exchange that runs on the client connection. Requires: one runs.
  @inline(__always)
  mutating func exchangeID(_ id: ClientID) -> ExchangeID {
    let exchange = slab.downstream[id.index].exchange
    precondition(exchange != .none, "no exchange runs")
    return exchange
  }

  /// The client connection with the index; nil: the index belongs to no client connection.
  mutating func client(at index: Int) -> ClientID? {
    guard let id = io.openID(at: Int32(index)), io.tag(id) != Self.upstreamTag else { return nil }
    return ClientID(id)
  }

  /// The exchange of the client connection with the index; nil: no exchange runs there.
  mutating func exchange(at index: Int) -> ExchangeID? {
    guard let client = client(at: index), slab.downstream[client.index].exchange != .none
    else { return nil }
    return slab.downstream[client.index].exchange
  }

  // MARK: Stopping

  private mutating func beginStop(_ stop: WorkerStop) {
    if stopsAt == stop.deadline, sparesIdle == stop.sparesIdle { return }
    stopsAt = stop.deadline
    sparesIdle = stop.sparesIdle
    io.keepListeners { _ in false }
    endConnections { _ in true }
  }

  private mutating func hasUnsent() -> Bool {
    for index in 0..<Int32(io.capacity) {
      if let id = io.openID(at: index), io.unsentByteCount(id) > 0 { return true }
    }
    return false
  }

  /// Ends every connection and exchange that is left, so that every lease is returned.
  private mutating func endEverything() {
    for index in 0..<io.capacity {
      guard let id = client(at: index) else { continue }
      switch slab.downstream[index].phase {
      case .exchange: abortExchange(exchangeID(id), .abandoned, code: .canceled)
      case .tunnel: cutTunnel(exchangeID(id))
      default: closeDownstream(id)
      }
    }
    context.metrics.publishOpenConnections(worker: workerIndex, 0)
  }
}
