// One running steelyard: boards, balancer, controller and admin server put together. Everything
// here happens on the control thread; the balancer's workers have threads of their own.
import Admin
import Balancer
import CLI
import Certificates
import Controller
import Discovery
import Events
import Fleet
import IO
import Metrics
import Primitives
import Shared
import Status
import Upgrade

/// Why a steelyard could not start, or a reload was refused.
struct StartError: Error {
  let exitCode: ExitCode
  let message: String

  init(_ error: IOError) { self.init(.internalError, "the system refused: \(error)") }

  init(_ exitCode: ExitCode, _ message: String) {
    self.exitCode = exitCode
    self.message = message
  }

  init(listen address: SocketAddress, _ error: IOError) {
    let hint =
      error.isAddressInUse ? " (is another steelyard or server running on that port?)" : ""
    self.init(.unavailable, "cannot listen on \(address): \(error.reason)\(hint)")
  }
}

final class Steelyard {
  private static let pollTag: UInt32 = 2
  /// How often weights are computed.
  private static let tickInterval = Nanoseconds.milliseconds(100)

  let board: WeightBoard
  let evidence: EvidenceBoard
  let pickBoard: PickBoard
  let balancer: Balancer
  let accessLog: AccessLogDriver
  /// The TLS contexts of workers and of this thread.
  let credentials: Credentials
  let store: CredentialStore
  /// TLS of the admin address; nil: it is in the clear.
  var adminContext: ServerContext?
  /// What the log has of certificates whose end comes near, by file, and when it is looked again.
  var toldExpiry: [String: CertificateExpiry] = [:]
  var expiryDue = Nanoseconds.zero
  /// Where the admin server listens, with the port that was chosen.
  var adminAddress: SocketAddress { adminSockets.address }
  let waker: Waker
  let log: LogDriver
  let hooks: HookDriver
  /// The errno of the last failure of the access log that is in the log; 0: none.
  var loggedFailure: Int32 = 0
  var watches = RoomWatches()
  var io: IOLoop
  var admin: AdminServer
  private let adminSockets: ListenSocketGroup
  private var agent = AgentServer()
  /// nil: agent checks are not answered.
  private var agentSockets: ListenSocketGroup?
  let adminCounts = AdminCounts()
  let api: AdminAPI
  var controller: Controller
  private var polls = ControllerDriver(tag: pollTag, userAgent: Version.userAgent)
  /// What is shared with other steelyards, and what it is reached with; nil: nothing is shared.
  var shared: SharedLimits
  var sharedSettings: SharedLimits.Settings?
  var observer = FleetObserver()
  var events = EventLog()
  var digest = WeightDigest()
  /// The number of changes of host names that are in the journal.
  var namesNoted: UInt64 = 0
  var failures = FailureLog()
  /// Which endpoints the pools have.
  var membership: Membership
  /// Indexes that were given up and that workers may still write to.
  var quarantine = IndexQuarantine()
  var discovery: DiscoveryDriver
  /// Endpoints that were added at run time.
  var runtime = RuntimeMembers()
  /// The content of the state file.
  var saved: SavedState
  /// When endpoints that were left out are tried again.
  var retryAt = Nanoseconds.zero
  /// By pool name: the number of endpoints left out that the log last named.
  var toldLeftOut: [String: Int] = [:]
  /// The path of the configuration file; nil: the configuration comes from no file.
  let path: String?
  /// All idle connections of polls are to be closed: they belong to another configuration.
  var mustClosePolls = false
  /// Endpoints whose idle connections of polls are to be closed.
  var goneEndpoints: Set<Int> = []
  /// Event streams are to be ended: they began under other tokens.
  var mustEndStreams = false
  private var nextTick: Nanoseconds
  var status = StatusHistory()
  /// The position up to which the status has read the journal.
  var statusCursor = Journal.Cursor()
  /// When the status takes its next reading.
  var statusDue: Nanoseconds
  let startedAt: Nanoseconds
  var lastReload: ReloadOutcome
  /// A graceful end was asked for.
  private(set) var isEnding = false
  /// Set once a graceful end has begun, by `beginStop` or with an upgrade.
  var stopsAt: Nanoseconds?
  /// Why new requests should go elsewhere; nil: they need not.
  var unreadiness: String? = "starting"
  let upgrades = UpgradeDriver()
  /// How this process was started, for one that replaces it; nil: nothing can replace it.
  var programStart: ProgramStart?
  /// The process that this one replaces, until it has ended.
  var predecessor: Predecessor?
  var previousProcess: UpgradeState.Process?
  /// The record that the predecessor sent last.
  var lastRecord: UpgradeRecord?
  /// When this process takes over even if it has not heard of all endpoints.
  var readyDue = Nanoseconds.zero
  /// Until then a process that was replaced does not end.
  var lingersUntil = Nanoseconds.zero
  /// A successor waits for `handOver`.
  var isSuccessorReady = false
  /// The process that has replaced this one.
  var successor: Successor?

  /// Opens every address, with the sockets of `inherited` where these have it; nothing is accepted
  /// yet. `record` has what another process knew. Errors: an address in use, a fleet too large.
  init(
    _ file: Fleet, path: String? = nil, waker: Waker, log: LogDriver,
    inherited: InheritedSockets = InheritedSockets(), record: UpgradeRecord? = nil
  ) throws(StartError) {
    let configured = try Self.withSecrets(file, log)
    let sharedSettings = try Self.sharedSettings(file, log)
    self.log = log
    log.use(configured.log)
    hooks = HookDriver(
      waker: waker, userAgent: Version.userAgent, environment: Environment.lines)
    hooks.apply(configured.hooks, log)
    shared = SharedLimits(tag: Self.sharedTag, waker: waker, seed: Self.unpredictable)
    self.waker = waker
    self.path = path
    api = AdminAPI(access: try Self.access(configured, log))
    startedAt = Clock.now
    lastReload = ReloadOutcome(startedAt: Clock.wall)
    let workerCount = configured.workerCount ?? Machine.processorCount
    credentials = Credentials(workerCount: workerCount)
    store = CredentialStore(credentials)
    if let tickets = record?.part("tickets", TicketRecord.self) {
      store.restore(tickets, now: Clock.now)
    }
    try Self.load(configured, store, log, now: Clock.now)
    do throws(IOError) {
      discovery = try DiscoveryDriver(waker: waker, userAgent: Version.userAgent) {
        [credentials] in credentials.client($0, thread: credentials.controlThread)
      }
    } catch {
      throw StartError(error)
    }
    discovery.apply(
      configured, known: record?.part("discovered", DiscoveryRecord.self)?.table ?? [:],
      now: Clock.now)
    if configured.hasNamesOrSources { discovery.tryAll(atMost: configured.names.timeout) }
    saved = try Self.savedState(configured)
    if let endpoints = record?.part("endpoints", [SavedState.SavedEndpoint].self) {
      SavedState.restore(endpoints, &runtime, now: Clock.now)
    } else {
      saved.restore(&runtime, now: Clock.now)
    }
    membership = Membership(
      configured, discovery.table.merging(runtime.table) { first, _ in first })
    let fleet = membership.fleet
    let openFilesMax = Machine.raiseOpenFilesLimit()
    let budget = DescriptorBudget(
      fleet, workerCount: workerCount, openFilesMax: openFilesMax)
    admin = AdminServer(counts: adminCounts, connectionsMax: budget.adminConnectionsMax)
    board = WeightBoard(fleet: fleet, endpointLimit: membership.endpointLimit)
    evidence = EvidenceBoard(
      workerCount: workerCount, endpointLimit: membership.endpointLimit)
    pickBoard = PickBoard(endpointLimit: membership.endpointLimit)
    do throws(IOError) {
      io = try IOLoop(
        connectionsMax: budget.adminConnectionsMax + 4 * membership.endpointLimit + 1,
        unsentBytesMax: 64 << 20,
        waker: waker)
    } catch {
      throw StartError(error)
    }
    store.settle(configured, now: io.now)
    nextTick = io.now
    statusDue = io.now
    accessLog = try Self.openLog(fleet.accessLog, workerCount: evidence.workerCount)
    let seed = UInt64(truncatingIfNeeded: Clock.wall.rawValue)
    controller = Controller(
      fleet: fleet, evidence: evidence, pickBoard: pickBoard, random: RandomSource(seed: seed),
      now: io.now)
    do throws(Balancer.ListenError) {
      balancer = try Balancer(
        board: board, evidence: evidence, pickBoard: pickBoard, accessLog: accessLog,
        credentials: credentials, inherited: inherited,
        record: record?.part("limits", AdmissionRecord.self), connectionsMax: budget.connectionsMax)
    } catch {
      throw StartError(listen: error.address, error.error)
    }
    do throws(IOError) {
      adminSockets = try ListenSocket.open(
        fleet.admin, count: 1, adopting: inherited.take(.init(fleet.admin, isAdmin: true)))
    } catch {
      throw StartError(listen: fleet.admin, error)
    }
    try listenForAgentChecks(fleet.agentCheck, inherited)
    if record == nil { restoreOrders(now: io.now) }
    noteDescriptorBudget(budget, openFilesMax: openFilesMax)
    useCredentials()
    Self.prepareShared(sharedSettings, before: nil, balancer)
    applyShared(sharedSettings)
    if let record { restore(record, now: io.now) }
  }

  private static var unpredictable: UInt64 {
    var generator = SystemRandomNumberGenerator()
    return generator.next()
  }

  private func listenForAgentChecks(
    _ address: SocketAddress?, _ inherited: InheritedSockets
  ) throws(StartError) {
    guard let address else { return }
    do throws(IOError) {
      let group = try ListenSocket.open(
        address, count: 1, adopting: inherited.take(.init(address)))
      agentSockets = group
      log.write(.info, "agent checks listening", ["address": "\(group.address)"])
    } catch {
      throw StartError(listen: address, error)
    }
  }

  /// Starts the workers and logs the listening addresses. The admin address is answered at once
  /// unless this process replaces another one.
  func start() throws(StartError) {
    do throws(IOError) {
      try balancer.start(seed: UInt64(truncatingIfNeeded: Clock.wall.rawValue))
      if predecessor == nil { try openAdmin() }
    } catch {
      throw StartError(error)
    }
    for address in balancer.addresses {
      log.write(.info, "listening", ["listener": "\(address)"], isLimited: false)
    }
    log.write(.info, "admin listening", ["address": "\(adminAddress)"])
    noteReadiness()
  }

  /// Accepts connections at the admin address, and agent checks.
  func openAdmin() throws(IOError) {
    while let socket = adminSockets.take(0) { try io.listen(socket, tag: AdminServer.tag) }
    while let socket = agentSockets?.take(0) { try io.listen(socket, tag: AgentServer.tag) }
  }

  /// The sockets of all listeners, the admin address included, by their configured addresses.
  var listeningSockets: [(owner: InheritedSockets.Owner, descriptors: [Int32])] {
    var sockets = balancer.listeningSockets.map {
      (owner: InheritedSockets.Owner($0.listener), descriptors: $0.descriptors)
    }
    if let agentSockets, let address = configured.agentCheck {
      sockets.append((.init(address), agentSockets.descriptors))
    }
    return sockets + [(.init(configured.admin, isAdmin: true), adminSockets.descriptors)]
  }

  /// One turn of the control loop: waits for at most `deadline`, then does what is due.
  func turn(until deadline: Nanoseconds) {
    let members = min(discovery.nextDue, runtime.nextDue)
    let own = min(controller.nextDue, min(members, shared.nextDue))
    let due = min(min(deadline, upgradeDue), min(nextTick, own))
    io.wait(until: admin.hasWork(io) ? io.now : due)
    if io.lastPause > .zero { notePause(io.lastPause) }
    let wall = Clock.wall
    while true {
      let event = io.next()
      if event.kind == .none { break }
      switch event.tag {
      case AdminServer.tag: serveAdmin(event)
      case AgentServer.tag: answerAgent(event)
      case Self.pollTag: polls.handle(event, &io, &controller, wall: wall)
      case Self.sharedTag: shared.handle(event, &io) { clientContext($0) }
      default: break
      }
    }
    let now = io.now
    admin.work(&io) { api.answer($0, self, log, now: now) }
    if mustEndStreams {
      mustEndStreams = false
      admin.endStreams(&io)
    }
    discover()
    if mustClosePolls {
      polls.closeIdle(&io)
    } else if !goneEndpoints.isEmpty {
      polls.closeIdle(endpointIndexes: goneEndpoints, &io)
    }
    (mustClosePolls, goneEndpoints) = (false, [])
    if stopsAt == nil { startPolls(wall: wall) }
    shared.turn(&io) { clientContext($0) }
    if io.now >= nextTick {
      nextTick = io.now + Self.tickInterval
      tick()
    }
    turnUpgrade(now: now)
    hooks.turn(log) { clientContext($0) }
  }

  private func clientContext(_ tls: ClientTLS) -> ClientContext? {
    credentials.client(tls, thread: credentials.controlThread)
  }

  private func startPolls(wall: Nanoseconds) {
    polls.start(&controller, &io, wall: wall) {
      credentials.client($0, $1, thread: credentials.controlThread)
    }
  }

  /// Accounts for a time in which the process was stopped: nothing times out because of it.
  private func notePause(_ pause: Nanoseconds) {
    controller.postpone(by: pause)
    log.write(.warning, "process was stopped", ["seconds": NumberWords.fixed(pause.seconds, 3)])
  }

  private func serveAdmin(_ event: IOEvent) {
    // Answers read and tune the controller and read the boards; they never touch the loop.
    let now = io.now
    if event.kind == .received { tellSuccessorNow() }
    admin.handle(event, &io, adminContext) { api.answer($0, self, log, now: now) }
  }

  private func answerAgent(_ event: IOEvent) {
    let now = io.now
    agent.handle(event, &io) { .all(controller, now: now) }
  }

  private func tick() {
    observeIndexes(now: io.now)
    if let rows = controller.tick(now: io.now) { board.publish(rows: rows) }
    if unreadiness != nil { noteReadiness() }
    for report in balancer.takeReports() { log.write(.error, "worker says", ["report": report]) }
    noteLogFailure()
    let now = io.now
    noteRoom(now: now)
    noteCertificates(now: now)
    noteTransitions(now: now)
    logFailures(now: now)
    noteShared()
    if let event = observeStatus(now: io.now, isWatched: admin.hasStreams) {
      admin.push(event, &io)
    }
    log.turn(now: now)
  }

  /// Notes whether the program is ready: the first round of scrapes of each pool must be over. A
  /// later reload does not take readiness back.
  func noteReadiness() {
    guard stopsAt == nil else { return }
    unreadiness = controller.poolWithoutFirstRound(since: startedAt, now: Clock.now).map {
      "pool \($0) waits for its first metrics"
    }
  }

  /// Begins a graceful end, or ends one earlier that began with an upgrade.
  func beginStop() {
    isEnding = true
    let deadline = min(stopsAt ?? .distantFuture, io.now + board.table.fleet.shutdownTimeout)
    stopsAt = deadline
    upgrades.abandon()
    predecessor?.tellEnding(within: deadline - io.now)
    unreadiness = "ending"
    balancer.beginStop(deadline: deadline)
    hooks.stop(log)
  }
}
