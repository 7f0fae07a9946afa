// The way from samples to weights as data: everything that decides the weights of a pool, with the
// unit in each name. The content of GET /api/v1/pools/POOL/explain; `explain` prints it as text.
// Unknown values are absent.
import Fleet
package import Primitives

/// How the weights of a pool were computed.
package struct PoolExplanation: Sendable, Equatable, Encodable {
  /// An operator's change that is in force.
  package struct Order: Sendable, Equatable, Encodable {
    /// `freeze`, `pin`, `scale`, `drain`, or a parameter of the law.
    package var name: String
    package var value: String?
    /// Absent: until it is reset.
    package var remainingSeconds: Double?
    /// For a drain with a deadline: how long clients with the affinity cookie still return.
    package var sessionsRemainingSeconds: Double?
  }

  /// How endpoints slow down under load; docs/control.md defines the terms.
  package struct Shape: Sendable, Equatable, Encodable {
    /// Where the shape comes from: `configured`, `engine`, `pages`, `learnt`, or `none`.
    package var source: String
    /// The requests that an endpoint without a `concurrency` of its own serves at once.
    package var slots: Double?
    /// How much the delay of other requests counts in a pick.
    package var delayPrice: Double
  }

  package var pool: String
  package var law: String
  package var balance: String
  package var dryRun: Bool
  package var frozen: Bool
  /// Why weights are frozen, if they are.
  package var freezeReason: String?
  /// The lowest share of its configured weight that an endpoint keeps.
  package var floorRatio: Double
  /// In configured weights per second.
  package var slewPerSecond: Double
  package var slowStartSeconds: Double
  /// The median of the endpoints' mean response times.
  package var medianResponseSeconds: Double?
  /// The median of the endpoints' answers per second.
  package var medianAnswersPerSecond: Double?
  /// The decay time of the balancer's observations.
  package var evidenceDecaySeconds: Double
  /// Present if the law `capacity` steers.
  package var shape: Shape?
  /// The number of balancers that send requests to the endpoints, this one included.
  package var balancers: Double
  package var scrapeIntervalSeconds: Double
  /// The response time that others are compared with, if known.
  package var responseNormalSeconds: Double?
  package var responseAlarmSeconds: Double?
  package var p99AlarmSeconds: Double?
  package var orders: [Order]
  package var endpoints: [EndpointExplanation]
}

/// How the weight of one endpoint was computed.
package struct EndpointExplanation: Sendable, Equatable, Encodable {
  /// The health checks.
  package struct Health: Sendable, Equatable, Encodable {
    package var state: String
    package var failure: String?
    package var detail: String?
  }

  /// The progress watchdog.
  package struct Watch: Sendable, Equatable, Encodable {
    /// `fine`, `stalled` or `trial`.
    package var state: String
    package var cause: String?
    /// How long it has had work without making progress.
    package var stillSeconds: Double
  }

  /// The balancer's counts since the endpoint was added.
  package struct Requests: Sendable, Equatable, Encodable {
    package var inFlight: UInt64
    package var started: UInt64
    package var completed: UInt64
    package var failed: UInt64
    /// Answered with 429, 503 or another error that does not count as the endpoint's failure.
    package var refused: UInt64
    package var ejections: UInt64
    package var readmissions: UInt64
    /// The age of the oldest request in flight.
    package var oldestSeconds: Double?
  }

  /// Why workers have ejected the endpoint.
  package struct Rest: Sendable, Equatable, Encodable {
    package var reason: String
    /// Consecutive attempts that failed with this reason.
    package var failures: Int
    /// The time since the ejection began.
    package var seconds: Double
    /// The time until a request may try the endpoint; 0: single requests try it now.
    package var nextTrialSeconds: Double
    package var text: String
  }

  /// The results of canaries.
  package struct Trials: Sendable, Equatable, Encodable {
    /// `good`, `late`, or the reason of the failure.
    package var last: String
    package var detail: String?
    package var ageSeconds: Double
    /// The duration of the last canary.
    package var seconds: Double
    /// Absent: none was good.
    package var lastGoodAgeSeconds: Double?
    package var goodInRow: Int
    package var goodNeeded: Int
    /// The usual duration of a good canary, if known.
    package var usualSeconds: Double?
  }

  /// Recent answers, as sums that decay.
  package struct Answers: Sendable, Equatable, Encodable {
    package var count: Double
    package var windowSeconds: Double?
    package var meanResponseSeconds: Double
  }

  /// The load of other balancers, from the endpoint's metrics page.
  package struct Others: Sendable, Equatable, Encodable {
    package var requests: Double
    package var meanRequests: Double
  }

  /// The terms of the law `capacity`; docs/control.md defines them.
  package struct Terms: Sendable, Equatable, Encodable {
    package var amount: Double
    package var seconds: Double
    package var unansweredSeconds: Double
    /// ln of the endpoint's speed relative to its base weight over minutes, and of its speed in the
    /// last seconds relative to that, less the dead bands.
    package var usual: Double
    package var lately: Double
    package var factor: Double
    /// The number of endpoints with the same weight, itself included, because their speeds cannot
    /// be told apart.
    package var likeCount: Int
  }

  /// The utilisation that lowers the weight.
  package struct Limit: Sendable, Equatable, Encodable {
    package var signal: String
    package var value: Double
    package var normal: Double
    package var alarm: Double
    /// The factor that the weight is multiplied by.
    package var ratio: Double
  }

  package struct Page: Sendable, Equatable, Encodable {
    package var url: String
    package var ageSeconds: Double?
    package var failure: String?
    package var detail: String?
    package var signals: [Signal]
  }

  package struct Signal: Sendable, Equatable, Encodable {
    package var name: String
    package var value: Double?
    package var freshness: String
    package var ageSeconds: Double?
    package var role: String?
    package var normal: Double?
    package var alarm: Double?
    /// The position between normal (0) and alarm (1).
    package var load: Double?
    /// Why the last page had no number.
    package var absence: String?
  }

  /// A recent change of the target weight.
  package struct Change: Sendable, Equatable, Encodable {
    package var ageSeconds: Double
    package var from: Double
    package var to: Double
    package var reason: String
    package var reasonText: String
  }

  package var address: String
  /// Absent if the configuration gives none.
  package var name: String?
  package var state: String
  package var backup: Bool
  package var baseWeight: Double
  package var targetWeight: Double
  package var effectiveWeight: Double
  /// Effective ÷ base weight; absent if the base weight is 0.
  package var factor: Double?
  package var reason: String
  package var reasonText: String
  package var health: Health?
  package var watchdog: Watch
  package var ejection: Rest?
  /// Absent without a canary, and before the first one.
  package var canary: Trials?
  package var requests: Requests
  /// Recent answers as the balancer saw them.
  package var answers: Answers?
  /// The same over minutes.
  package var usually: Answers?
  package var others: Others?
  package var terms: Terms?
  package var limit: Limit?
  package var pages: [Page]
  package var orders: [PoolExplanation.Order]
  /// At most three, the newest first.
  package var changes: [Change]
}

extension PoolExplanation {
  /// Explains the pool with that name; nil: there is none. Allocates.
  package init?(pool name: String, of controller: Controller, now: Nanoseconds) {
    guard let index = controller.fleet.pools.firstIndex(where: { $0.name == name }) else {
      return nil
    }
    let configured = controller.fleet.pools[index]
    let tuning = controller.tuning[index]
    let policy = controller.policy(ofPool: index)
    let state = controller.pools[index]
    pool = name
    law = policy.law.rawValue
    balance = configured.balance.rawValue
    dryRun = policy.isDryRun
    let freeze = controller.freeze(ofPool: index)
    frozen = freeze != nil
    freezeReason = freeze?.rawValue
    floorRatio = policy.floorRatio
    slewPerSecond = policy.slew
    slowStartSeconds = configured.slowStart.seconds
    medianResponseSeconds = state.fleetResponse > 0 ? state.fleetResponse : nil
    medianAnswersPerSecond = state.fleetRate > 0 ? state.fleetRate : nil
    evidenceDecaySeconds = state.tau
    if policy.law == .capacity, !policy.isDryRun {
      let hasSlots = state.shape.slots != nil || state.shape.source == .configured
      shape = Shape(
        source: state.shape.source.rawValue, slots: state.shape.slots,
        delayPrice: hasSlots ? state.shape.price : state.shape.shape.marginal)
    }
    balancers = state.balancers
    scrapeIntervalSeconds = controller.scrapeInterval(index).seconds
    func left<Value>(_ word: Until<Value>) -> Double? { word.expiresAt.map { ($0 - now).seconds } }
    orders = tuning.changes.map {
      Order(name: $0.value.name, value: $0.value.text, remainingSeconds: left($0))
    }
    if let freeze = tuning.freeze {
      orders.insert(Order(name: "freeze", remainingSeconds: left(freeze)), at: 0)
    }
    endpoints = configured.endpoints.compactMap {
      EndpointExplanation($0, pool: name, isCapacity: policy.law == .capacity, of: controller, now)
    }
  }
}

extension EndpointExplanation {
  fileprivate init?(
    _ endpoint: Endpoint, pool: String, isCapacity: Bool, of controller: Controller,
    _ now: Nanoseconds
  ) {
    guard let state = controller.endpoints[endpoint.endpointIndex],
      let row = controller.explainedRow(endpoint.endpointIndex, now: now)
    else { return nil }
    let board = controller.evidence
    address = "\(endpoint.address)"
    name = endpoint.name
    self.state = row.eligibility.shown(isEjected: board.isEjected(endpoint.endpointIndex)).label
    backup = endpoint.isBackup
    (baseWeight, targetWeight, effectiveWeight) = (row.base, row.target, row.effective)
    factor = row.base > 0 ? row.effective / row.base : nil
    reason = row.reason.kind.label
    reasonText = row.reasonText
    health = state.health.map {
      let failure = $0.statistics.failure
      return Health(
        state: $0.state.eligibility.label, failure: failure?.kind.label, detail: failure?.detail)
    }
    watchdog = Watch(state.watchdog)
    ejection = board.ejection(endpoint.endpointIndex).map {
      var ejection = $0
      ejection.hasCanary = state.canary != nil
      return Rest(ejection, now)
    }
    canary = state.canary.flatMap { Trials($0, now) }
    requests = Requests(board, endpoint.endpointIndex, now)
    let sums = state.capacity.sums
    if let mean = sums.short.meanResponse {
      answers = Answers(
        count: sums.short.completions, windowSeconds: sums.elapsed, meanResponseSeconds: mean)
    }
    if let mean = sums.long.meanResponse {
      usually = Answers(count: sums.long.completions, meanResponseSeconds: mean)
    }
    if state.capacity.othersAt != nil {
      others = Others(requests: state.capacity.others, meanRequests: state.capacity.othersMean)
    }
    if isCapacity, let verdict = state.verdict {
      terms = Terms(
        amount: verdict.amount, seconds: verdict.seconds, unansweredSeconds: verdict.stuckSeconds,
        usual: verdict.usual, lately: verdict.lately, factor: verdict.factor,
        likeCount: verdict.likeCount)
    }
    if case .answers(let answers) = row.reason.evidence, let signal = answers.limit {
      limit = Limit(
        signal: signal.name, value: signal.value, normal: signal.normal ?? 0,
        alarm: signal.alarm ?? 0, ratio: answers.limitRatio)
    }
    pages = state.scrapes.enumerated().map {
      Page($1, endpoint.pageAddress($1.source, index: $0), now)
    }
    orders = Self.orders(state.tuning, now)
    let all = controller.journal[.weights].compactMap { entry -> Change? in
      guard case .weight(let change) = entry.transition, change.pool == pool,
        change.endpoint == endpoint.address
      else { return nil }
      return Change(
        ageSeconds: (now - entry.at).seconds, from: change.old, to: change.new,
        reason: change.row.reason.kind.label, reasonText: change.row.reasonText)
    }
    changes = all.suffix(3).reversed()
  }

  private static func orders(
    _ tuning: EndpointTuning, _ now: Nanoseconds
  ) -> [PoolExplanation.Order] {
    var orders: [PoolExplanation.Order] = []
    func left<Value>(_ word: Until<Value>) -> Double? { word.expiresAt.map { ($0 - now).seconds } }
    if let pin = tuning.pin {
      orders.append(.init(name: "pin", value: "\(pin.value)", remainingSeconds: left(pin)))
    }
    if let scale = tuning.scale {
      orders.append(.init(name: "scale", value: "\(scale.value)", remainingSeconds: left(scale)))
    }
    if let drain = tuning.drain {
      let sessions = tuning.drainDeadline.map { max(0, ($0 - now).seconds) }
      orders.append(
        .init(
          name: "drain", remainingSeconds: left(drain), sessionsRemainingSeconds: sessions))
    }
    return orders
  }
}

extension EndpointExplanation.Watch {
  fileprivate init(_ watchdog: Watchdog) {
    stillSeconds = watchdog.stillness
    switch watchdog.phase {
    case .fine: state = "fine"
    case .trial: state = "trial"
    case .stalled(let why): (state, cause) = ("stalled", why.label)
    }
  }
}

extension EndpointExplanation.Rest {
  fileprivate init(_ ejection: Ejection, _ now: Nanoseconds) {
    reason = ejection.reason.label
    failures = ejection.failures
    seconds = max(0, (now - ejection.since).seconds)
    nextTrialSeconds = max(0, (ejection.nextTrial - now).seconds)
    text = ejection.text(now: now)
  }
}

extension EndpointExplanation.Trials {
  fileprivate init?(_ canary: Canary, _ now: Nanoseconds) {
    guard let end = canary.last else { return nil }
    last = end.result.label
    detail = end.detail.isEmpty ? nil : end.detail
    ageSeconds = (now - end.at).seconds
    seconds = end.seconds
    lastGoodAgeSeconds = canary.lastGoodAt.map { (now - $0).seconds }
    (goodInRow, goodNeeded) = (min(canary.goodInRow, Canary.goodNeeded), Canary.goodNeeded)
    usualSeconds = canary.usualSeconds > 0 ? canary.usualSeconds : nil
  }
}

extension EndpointExplanation.Requests {
  fileprivate init(_ board: EvidenceBoard, _ endpointIndex: Int, _ now: Nanoseconds) {
    inFlight = board.sum(.inFlight, endpointIndex)
    started = board.sum(.started, endpointIndex)
    completed = board.sum(.completed, endpointIndex)
    failed = board.sum(.failed, endpointIndex)
    refused = board.sum(.refused, endpointIndex)
    ejections = board.sum(.ejections, endpointIndex)
    readmissions = board.sum(.readmissions, endpointIndex)
    oldestSeconds = board.oldestStart(endpointIndex).map { max(0, (now - $0).seconds) }
  }
}

extension EndpointExplanation.Page {
  fileprivate init(_ scrape: ScrapeState, _ address: SocketAddress, _ now: Nanoseconds) {
    url = SecretText.masked(text: "\(scrape.source.scheme)://\(address)\(scrape.source.path)")
    ageSeconds = scrape.pageSentAt.map { (now - $0).seconds }
    failure = scrape.statistics.failure?.kind.label
    detail = scrape.statistics.failure?.detail
    signals = scrape.source.signals.enumerated().map { index, spec in
      EndpointExplanation.Signal(
        spec, scrape.signals[index], scrape.freshness(index, now: now), now)
    }
  }
}

extension EndpointExplanation.Signal {
  fileprivate init(
    _ spec: SignalSpec, _ signal: SignalState, _ freshness: Freshness, _ now: Nanoseconds
  ) {
    name = spec.name
    value = signal.value
    self.freshness = freshness.label
    if signal.value != nil { ageSeconds = (now - signal.valueAt).seconds }
    role = spec.role?.rawValue
    (normal, alarm) = (spec.thresholds?.normal, spec.thresholds?.alarm)
    if let thresholds = spec.thresholds, let value = signal.value {
      load = ControlLaw.load(of: value, thresholds)
    }
    if case .absent(let why)? = signal.reading { absence = why.label }
  }
}
