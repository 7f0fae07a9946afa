// One thread's proxy: its loop, its connections, its counters. Dispatches what the loop reports;
// the extensions hold what happens to downstream connections, upstream ones, and exchanges.
// Invariant: an exchange has exactly one lease from pick to end; a connection's index is used by
// one owner at a time.
// HOT PATH: no allocation, no lock, no existential.
import CSystem
import Exposition
import Fleet
import HTTP
import IO
import Primitives

/// What the workers of one balancer share. Immutable, or safe by its own means.
struct WorkerContext: Sendable {
  let board: WeightBoard
  let evidence: EvidenceBoard
  let pickBoard: PickBoard
  let metrics: TrafficMetrics
  let control: WorkerControl
  let accessLog: AccessLogDriver
  let limits: Limits
  let admission: AdmissionBoard
  /// What a worker's buffers may hold, bytes.
  let bufferedBytesMax: Int
}

/// One thread's proxy, on a loop of its own.
struct Worker<Loop: ConnectionLoop & ~Copyable>: ~Copyable {
  /// Tag of upstream connections; listeners' tags are below it.
  static var upstreamTag: UInt32 { .max }
  /// Bytes of a block: a head and the content that came with it, and what we add to the head.
  static var blockBytes: Int { 36_864 }
  /// The most that is read while a head is expected.
  static var headReadMax: Int { 16_384 }
  /// From here on content is moved by the kernel: less is as fast copied.
  static var moveMin: Int { 16_384 }
  /// Of a client whose listener is gone.
  static var idleTimeoutOfNone: Nanoseconds { .seconds(75) }
  /// After an answer to a request that is not whole: a client that sends nothing for so long is
  /// cut, and any client after so many times that.
  static var lingerTime: Nanoseconds { .seconds(2) }
  static var lingerCountMax: UInt8 { 15 }

  let workerIndex: Int
  let context: WorkerContext
  let bufferedBytesMax: Int
  /// When buffers are looked at again where that is dear.
  var buffersDueAt = Nanoseconds.zero
  var io: Loop
  var requests: HeadParser
  var responses: HeadParser
  var slab: ConnectionSlab
  /// Clients that can be closed to make room.
  var reusable: ReusableClients
  /// Connections of clients.
  var clientCount = 0
  /// Exchanges whose content is waited for.
  var awaitedCount = 0
  /// Of those that the loop counts.
  var shortagesSeen: UInt64 = 0
  /// Clients wait in the kernel, and that was counted.
  var isPauseCounted = false
  var exchanges: ExchangeSlab
  var idle: IdleStore
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
  /// Heads are written here before they are sent.
  let scratch: UnsafeMutableRawBufferPointer
  /// Connections whose next request is already in their input.
  var runnable: [ClientID] = []
  var listeningTags: [UInt32] = []
  var stopsAt: Nanoseconds?
  let records: AccessRecordSlab
  var logTime = LogTime()
  /// A line of the access log is written here.
  let lineRoom: UnsafeMutableRawPointer
  // The queues.
  let wakeups: WorkerWakeups
  var waiting: WaitQueue
  /// As the board has them, by index.
  var allowances: [UploadAllowance] = []
  /// As the board has them, by index.
  var queues: [PoolQueue] = []
  /// The pool of each queue in the plan, −1 where it is gone.
  var poolOfQueue: [Int] = []
  /// Queues at which there may be room.
  var isDue: [Bool] = []
  var isAnyDue = false
  var recheckAt = Nanoseconds.distantFuture
  /// Exchanges that pause before an attempt.
  var pausingCount = 0
  var down: DownEndpoints
  /// When ejected endpoints are looked after; `.distantFuture` where there are none.
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
    waiting = WaitQueue(capacity: limits.connectionsMax)
    io = loop
    requests = HeadParser(headBytesMax: limits.headBytesMax, fieldsMax: limits.fieldsMax)
    // Endpoints may send more than clients are allowed to.
    responses = HeadParser(fieldsMax: 200)
    slab = ConnectionSlab(capacity: limits.connectionsMax)
    reusable = ReusableClients(slab.downstream, capacity: limits.connectionsMax)
    exchanges = ExchangeSlab(capacity: limits.connectionsMax)
    idle = IdleStore(endpointLimit: context.evidence.endpointLimit)
    down = DownEndpoints(endpointLimit: context.evidence.endpointLimit)
    leases = LeaseBook(
      evidence: context.evidence, pickBoard: context.pickBoard, workerIndex: index,
      capacity: limits.connectionsMax)
    connections = ConnectionBook(evidence: context.evidence, workerIndex: index)
    traffic = TrafficBook(context.metrics, workerIndex: index)
    timings = TimingBook(context.metrics.timing, workerIndex: index)
    replays = ReplayStore(byteCountMax: min(limits.replayBytesMax, context.bufferedBytesMax))
    blocks = BlockPool(byteCount: Self.blockBytes, countMax: 2 * limits.connectionsMax)
    random = RandomSource(seed: seed)
    self.identifiers = identifiers
    scratch = .allocate(byteCount: Self.blockBytes, alignment: 64)
    runnable.reserveCapacity(256)
    records = AccessRecordSlab(capacity: limits.connectionsMax)
    lineRoom = .allocate(byteCount: LogLine.byteCountMax, alignment: 64)
  }

  deinit {
    scratch.deallocate()
    lineRoom.deallocate()
  }

  /// Runs until a graceful end is complete.
  mutating func run() {
    adoptTable()
    if !io.canMoveContent {
      context.control.report(
        "worker \(workerIndex): splice(2) is refused, so long content is copied")
    }
    while true {
      io.wait(
        until: min(min(stopsAt ?? .distantFuture, ejectionsDueAt), min(recheckAt, down.endsAt)))
      if turn > 0, let length = io.lastTurnLength { timings.observeTurn(length) }
      turn += 1
      if io.lastPause > .zero { excusePause(io.lastPause) }
      if context.board.revision != revision { adoptTable() }
      dispatchTurn()
      if io.now >= down.endsAt { endAtDownEndpoints() }
      if leases.hasEjections, io.now >= ejectionsDueAt || ejectionsDueAt == .distantFuture {
        lookAfterEjected()
      }
      finishTurn()
      context.metrics.publishOpenConnections(worker: workerIndex, io.connectionCount)
      if let deadline = stopsAt, isIdle() || io.now >= deadline { break }
    }
    endEverything()
  }

  private mutating func isIdle() -> Bool {
    leases.count == 0 && waiting.count == 0 && pausingCount == 0 && awaitedCount == 0
      && !hasUnsent()
  }

  private mutating func dispatchTurn() {
    while true {
      let event = io.next()
      switch event.kind {
      case .none: return
      case .accepted: accepted(ClientID(event.id))
      case .woken:
        // What was published since the turn began: this wake-up was the one for it.
        if context.board.revision != revision { adoptTable() }
        if wakeups.take(workerIndex) { noteRoomEverywhere() }
        if stopsAt == nil, let stop = context.control.stopsAt { beginStop(stop) }
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
    case .hangup where slab.downstream[id.index].phase == .tunnel: break
    case .eof, .hangup, .failed: downstreamGone(id, isCut: event.kind == .failed)
    case .drained: downstreamDrained(id)
    case .timeout: downstreamTimeout(id)
    case .none, .accepted, .connected, .woken, .timer: break
    }
  }

  private mutating func upstreamEvent(_ event: IOEvent) {
    let id = EndpointConnectionID(event.id)
    switch event.kind {
    case .connected: upstreamConnected(id)
    case .received: upstreamReceived(id)
    case .moved: upstreamMoved(id, event.value)
    case .eof: upstreamGone(id, errno: nil)
    case .failed: upstreamGone(id, errno: event.value)
    case .drained: upstreamDrained(id)
    case .timeout: upstreamTimeout(id)
    // A paused upstream that has hung up still has bytes for us: they are read on.
    case .hangup, .none, .accepted, .woken, .timer: break
    }
  }

  /// The end of a turn: goes on with requests that are there already, and lets in who may begin.
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

  /// Where the exchange's request comes from.
  @inline(__always)
  mutating func clientID(_ id: ExchangeID) -> ClientID { exchanges[id].pointee.client.connection }

  /// The exchange that runs on the client's connection. Requires: one does.
  @inline(__always)
  mutating func exchangeID(_ id: ClientID) -> ExchangeID {
    let exchange = slab.downstream[id.index].exchange
    precondition(exchange != .none, "no exchange runs")
    return exchange
  }

  /// The client whose connection has the index; nil where none has.
  mutating func client(at index: Int) -> ClientID? {
    guard let id = io.openID(at: Int32(index)), io.tag(id) != Self.upstreamTag else { return nil }
    return ClientID(id)
  }

  /// The exchange that runs on the connection with the index; nil where none does.
  mutating func exchange(at index: Int) -> ExchangeID? {
    guard let client = client(at: index), slab.downstream[client.index].exchange != .none
    else { return nil }
    return slab.downstream[client.index].exchange
  }

  // MARK: The end

  private mutating func beginStop(_ deadline: Nanoseconds) {
    stopsAt = deadline
    io.keepListeners { _ in false }
    endConnections { _ in true }
  }

  private mutating func hasUnsent() -> Bool {
    for index in 0..<Int32(io.capacity) {
      if let id = io.openID(at: index), io.unsentByteCount(id) > 0 { return true }
    }
    return false
  }

  /// Ends what is still running, so that every lease is given back.
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
