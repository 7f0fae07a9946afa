// Asks the servers and files that sources name, on a thread of its own: a long list is read there,
// and no scrape waits for it. The control thread gives it sources and takes reports.
// Invariant: every question of a source ends with one answer.
import Client
package import Fleet
import HTTP
package import IO
import Primitives
import Synchronization

/// What identifies a source of a configuration.
package struct SourceID: Hashable, Sendable {
  package let pool: String
  package let label: String

  package init(pool: String, label: String) {
    self.pool = pool
    self.label = label
  }
}

/// What has become of a source since the last report.
package struct SourceReport: Sendable {
  package let id: SourceID
  package let state: SourceState
  package let updates: [MemberUpdate]
  package let changes: [SourceChange]
  /// The number of the configuration that it belongs to.
  package let serial: UInt64
}

/// The boxes between the control thread and the thread of sources. Both threads.
package final class SourceExchange: Sendable {
  /// The TLS context of a description.
  package typealias Context = @Sendable (ClientTLS) -> ClientContext?

  struct Order: Sendable {
    var sources: [(pool: String, source: DiscoverySource)]
    var family: NameFamily
    /// The members that sources have already.
    var known: [SourceID: [Member]]
    var serial: UInt64
  }

  private struct Boxes: Sendable {
    var order: Order?
    var reports: [SourceReport] = []
    var isRunning = false
  }

  private let boxes = Mutex(Boxes())
  private let control: Waker
  private let waker: Waker
  private let userAgent: String
  private let context: Context

  /// Reports wake `control`. No thread runs before there are sources. Errors: those of eventfd.
  package init(
    control: Waker, userAgent: String, context: @escaping Context
  ) throws(IOError) {
    self.control = control
    self.userAgent = userAgent
    self.context = context
    waker = try Waker()
  }

  /// Puts these sources in place of the present ones. Sources that stay keep their state; `known`
  /// has what others were told before.
  func use(
    _ sources: [(pool: String, source: DiscoverySource)], family: NameFamily,
    known: [SourceID: [Member]], serial: UInt64
  ) {
    let needsThread = boxes.withLock { boxes in
      boxes.order = Order(sources: sources, family: family, known: known, serial: serial)
      guard !boxes.isRunning, !sources.isEmpty else { return false }
      boxes.isRunning = true
      return true
    }
    waker.wake()
    guard needsThread else { return }
    let (userAgent, context) = (userAgent, context)
    if (try? ThreadHandle.start(
      name: "discovery",
      { [self] in
        do throws(IOError) {
          var driver = SourceDriver(
            self, try IOLoop(connectionsMax: SourceDriver.connectionsMax, waker: waker),
            try LookupPool(asker: waker), userAgent: userAgent, context)
          while true { driver.turn() }
        } catch {
          boxes.withLock { $0.isRunning = false }
        }
      })) == nil
    {
      boxes.withLock { $0.isRunning = false }
    }
  }

  /// The reports since the last call.
  func takeReports() -> [SourceReport] {
    boxes.withLock { boxes in
      defer { boxes.reports = [] }
      return boxes.reports
    }
  }

  fileprivate func takeOrder() -> Order? {
    boxes.withLock { boxes in
      defer { boxes.order = nil }
      return boxes.order
    }
  }

  fileprivate func put(_ reports: [SourceReport]) {
    boxes.withLock { $0.reports += reports }
    control.wake()
  }
}

/// The thread's own state.
struct SourceDriver: ~Copyable {
  private struct Slot {
    let source: DiscoverySource
    let family: NameFamily
    var machine: any EndpointSource
    var book: SourceBook
    /// A question is open; its answers have this number.
    var openSerial: UInt64?
    let lane: UInt64
    /// The address that the server's name gave last.
    var address: SocketAddress?
    /// The request that waits for the server's address.
    var waiting: SourceRequest?
    var hasNews = true
    /// Updates that are not reported yet.
    var pending: [MemberUpdate] = []
  }

  private static let tag: UInt32 = 1
  static let connectionsMax = 4_096

  private let exchange: SourceExchange
  private let context: SourceExchange.Context
  private var io: IOLoop
  private var client: ClientDriver
  private let lookups: LookupPool
  private var slots: [SourceID: Slot] = [:]
  /// The source of each lane.
  private var owners: [UInt64: SourceID] = [:]
  private var laneCount: UInt64 = 0
  private var serial: UInt64 = 0
  private var orderSerial: UInt64 = 0
  /// Names that are looked up.
  private var asked: Set<String> = []

  init(
    _ exchange: SourceExchange, _ io: consuming IOLoop, _ lookups: LookupPool, userAgent: String,
    _ context: @escaping SourceExchange.Context
  ) {
    self.exchange = exchange
    self.context = context
    self.lookups = lookups
    self.io = io
    client = ClientDriver(tag: Self.tag, userAgent: userAgent)
  }

  /// Waits for what comes, and does what is due.
  mutating func turn() {
    if let order = exchange.takeOrder() { apply(order) }
    ask()
    report()
    io.wait(until: nextDue)
    var answers: [(ClientTicket, SourceAnswer)] = []
    while case let event = io.next(), event.kind != .none {
      guard event.tag == Self.tag else { continue }
      client.handle(event, &io) { ticket, outcome in
        answers.append((ticket, SourceAnswer(outcome)))
        return true
      }
    }
    for (ticket, answer) in answers { take(ticket, answer) }
    for answer in lookups.take() { take(answer) }
    for id in slots.keys {
      let updates = slots[id]?.book.turn(now: io.now, wall: Clock.wall) ?? []
      note(updates, id)
    }
  }

  private var nextDue: Nanoseconds {
    slots.values.reduce(.distantFuture) { next, slot in
      var due = slot.book.nextDue ?? .distantFuture
      if slot.openSerial == nil, slot.waiting == nil { due = min(due, slot.machine.nextDue) }
      return min(next, due)
    }
  }

  // MARK: Sources

  private mutating func apply(_ order: SourceExchange.Order) {
    var next: [SourceID: Slot] = [:]
    for (pool, source) in order.sources {
      let id = SourceID(pool: pool, label: source.label)
      if var known = slots[id], known.source == source, known.family == order.family {
        known.hasNews = true
        next[id] = known
        continue
      }
      laneCount += 1
      owners[laneCount] = id
      var book = slots[id]?.book ?? SourceBook(source, pool: pool, family: order.family)
      book.use(source, family: order.family)
      book.adopt(order.known[id] ?? [])
      next[id] = Slot(
        source: source, family: order.family, machine: Self.machine(source), book: book,
        lane: laneCount, pending: slots[id]?.pending ?? [])
    }
    let lanes = Set(next.values.map(\.lane))
    for (id, slot) in slots where !lanes.contains(slot.lane) {
      owners[slot.lane] = nil
      if slots[id]?.openSerial != nil { client.stop(lane: slot.lane, &io) }
    }
    client.closeIdle(&io, lanes: { !lanes.contains($0) })
    slots = next
    orderSerial = order.serial
  }

  private static func machine(_ source: DiscoverySource) -> any EndpointSource {
    switch source.kind {
    case .file: FileSource(source)
    case .http: HTTPSource(source)
    case .srv: RecordSource(source)
    case .consul: ConsulSource(source)
    case .etcd: EtcdSource(source)
    case .kubernetes: KubernetesSource(source, namespace: PodEnvironment.namespace)
    }
  }

  private mutating func ask() {
    for id in Array(slots.keys) {
      guard let slot = slots[id], slot.openSerial == nil, slot.waiting == nil else { continue }
      guard let question = slots[id]?.machine.ask(now: io.now) else { continue }
      switch question {
      case .files(let pattern): finish(id, TargetFiles.read(pattern))
      case .records(let name):
        serial += 1
        slots[id]?.openSerial = serial
        let key = "srv:\(name)"
        if asked.insert(key).inserted { lookups.ask(service: name) }
      case .exchange(let request): send(request, id)
      }
    }
  }

  private mutating func send(_ request: SourceRequest, _ id: SourceID) {
    guard let slot = slots[id] else { return }
    guard let server = slot.source.server ?? PodEnvironment.server else {
      let text = "steelyard does not run in a cluster: name the `server`"
      return finish(id, .failed(SourceFailure(.missing, text)))
    }
    if let address = SocketAddress(bare: server.host, port: server.port) {
      return start(request, id, at: address, server)
    }
    slots[id]?.waiting = request
    if asked.insert(server.host).inserted { lookups.ask(server.host) }
  }

  private mutating func start(
    _ request: SourceRequest, _ id: SourceID, at address: SocketAddress,
    _ server: DiscoverySource.Server
  ) {
    guard let slot = slots[id] else { return }
    var wanted = ClientRequest(
      request.content == nil ? .get : .post, request.path, at: address,
      timeout: request.timeout ?? slot.source.timeout,
      contentBytesMax: SourceRequest.contentBytesMax)
    wanted.host = server.authority
    wanted.accept = "application/json"
    wanted.isStream = request.isStream
    wanted.keptFields = request.keptFields
    wanted.decodesGzip = !request.isStream
    if let content = request.content {
      wanted.content = Array(content.utf8)
      wanted.fields.append(.init("Content-Type", "application/json"))
    }
    wanted.fields += slot.source.fields.map { .init($0.name, $0.value) }
    do throws(SourceFailure) {
      if let field = try SourceToken.field(slot.source) { wanted.fields.append(field) }
      if let tls = slot.source.tls {
        guard let found = context(tls) else {
          throw SourceFailure(.tls, "no certificates are loaded for its `tls`")
        }
        wanted.security = ClientSecurity(found, name: tls.serverName ?? server.host)
      }
    } catch {
      return finish(id, .failed(error))
    }
    serial += 1
    slots[id]?.openSerial = serial
    slots[id]?.address = address
    var answers: [(ClientTicket, SourceAnswer)] = []
    client.start(wanted, ClientTicket(lane: slot.lane, serial: serial), &io) { ticket, outcome in
      answers.append((ticket, SourceAnswer(outcome)))
      return true
    }
    for (ticket, answer) in answers { take(ticket, answer) }
  }

  // MARK: Answers

  private mutating func take(_ ticket: ClientTicket, _ answer: SourceAnswer) {
    guard let id = owners[ticket.lane], slots[id]?.openSerial == ticket.serial else { return }
    if case .part = answer {
      let verdict = slots[id]?.machine.take(answer, now: io.now) ?? .nothing
      note(verdict, id)
      // A stream that cannot be read, or is of no more use, ends.
      switch verdict {
      case .failed, .again:
        client.stop(lane: ticket.lane, &io)
        slots[id]?.openSerial = nil
      case .nothing, .unchanged, .members, .partly: break
      }
      return
    }
    finish(id, answer)
  }

  private mutating func take(_ answer: LookupPool.Answer) {
    asked.remove(answer.isService ? "srv:\(answer.host)" : answer.host)
    for id in Array(slots.keys) {
      guard let slot = slots[id] else { continue }
      if answer.isService {
        guard slot.source.kind == .srv, slot.source.target == answer.host, slot.openSerial != nil
        else { continue }
        finish(id, SourceAnswer(answer))
      } else if let request = slot.waiting, let server = slot.source.server,
        server.host == answer.host
      {
        slots[id]?.waiting = nil
        guard let bytes = answer.addresses?.first else {
          finish(id, .failed(SourceFailure(.unreachable, "\(server.host): \(answer.failure)")))
          continue
        }
        start(request, id, at: SocketAddress(bytes: bytes, port: server.port), server)
      }
    }
  }

  private mutating func finish(_ id: SourceID, _ answer: SourceAnswer) {
    slots[id]?.openSerial = nil
    guard let verdict = slots[id]?.machine.take(answer, now: io.now) else { return }
    note(verdict, id)
  }

  private mutating func note(_ verdict: SourceVerdict, _ id: SourceID) {
    if verdict == .nothing { return }
    slots[id]?.hasNews = true
    let updates = slots[id]?.book.take(verdict, now: io.now, wall: Clock.wall) ?? []
    note(updates, id)
  }

  private mutating func note(_ updates: [MemberUpdate], _ id: SourceID) {
    if updates.isEmpty { return }
    slots[id]?.hasNews = true
    slots[id]?.pending += updates
  }

  private mutating func report() {
    var reports: [SourceReport] = []
    for id in Array(slots.keys) {
      guard let slot = slots[id], slot.hasNews else { continue }
      reports.append(
        SourceReport(
          id: id, state: slot.book.state, updates: slot.pending,
          changes: slots[id]?.book.takeChanges() ?? [], serial: orderSerial))
      slots[id]?.hasNews = false
      slots[id]?.pending = []
    }
    if !reports.isEmpty { exchange.put(reports) }
  }
}

extension SourceRequest {
  /// The most bytes of an answer.
  static var contentBytesMax: Int { 32 << 20 }
}

extension SourceAnswer {
  fileprivate init(_ outcome: ClientOutcome) {
    switch outcome {
    case .part(let bytes): self = .part(Array(bytes))
    case .answered(let answer):
      self = .answer(
        status: answer.status, fields: answer.keptFields, content: Array(answer.content))
    case .failed(let failure): self = .failed(SourceFailure(failure))
    case .connected: preconditionFailure("more than a connection was asked for")
    }
  }

  fileprivate init(_ answer: LookupPool.Answer) {
    guard let services = answer.services else {
      let reason: SourceFailure.Reason = answer.isMissing ? .missing : .unreachable
      self = .failed(SourceFailure(reason, answer.failure))
      return
    }
    self = .records(
      services.map { service in
        ServiceRecord(
          target: service.target, addresses: service.addresses.map(HostAddress.init),
          port: service.port, priority: service.priority, weight: service.weight,
          timeToLive: service.timeToLive)
      })
  }
}

extension SourceFailure {
  init(_ failure: ClientFailure) {
    let reason: Reason =
      switch failure.kind {
      case .refused, .unreachable, .cut, .local, .stopped: .unreachable
      case .timeout: .timeout
      case .tls: .tls
      case .tooLarge: .tooLarge
      case .badHTTP, .badContent: .malformed
      }
    self.init(reason, failure.detail)
  }
}
