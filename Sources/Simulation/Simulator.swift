// Runs one scenario with one policy and one seed on a virtual clock. The same seed gives every
// policy the same arrivals, work and faults.
// Invariant: every request that arrives ends exactly once, in one of the result's counts.
import Balancer
import Glibc
import Primitives

struct Simulator {
  /// What is true of an endpoint beside its queue.
  struct Condition {
    var isDead = false
    var isHanging = false
    var failRatio = 0.0
    var rejectRatio = 0.0
    var coldUntil: Nanoseconds?
    var startedAt = 0.0
    var failedCount = 0
    var isNaN = false
    var isMissing = false
    var lie = 1.0
    var slowFactor = 1.0
    var antagonist: ClosedRange<Double>?
    var antagonistFactor = 1.0
    var coldStart: Nanoseconds?
    var coldSeconds = 0.0
  }

  static let refusalDelay = Nanoseconds.milliseconds(1)

  let scenario: Scenario
  var queue = EventQueue()
  var endpoints: [VirtualEndpoint]
  var conditions: [Condition]
  var policies: [any SimulatedPolicy]
  var traffic: RandomSource
  /// For everything that depends on what policies do.
  var chance: RandomSource
  var world: RandomSource
  var requests: [SimulatedRequest?] = []
  var generations: [UInt64] = []
  var freeRequests: [Int] = []
  var orders: [(balancer: Int, order: ScrapeOrder, sample: EndpointSample?)?] = []
  var freeOrders: [Int] = []
  var record: Record
  private let end: Nanoseconds

  init(_ scenario: Scenario, seed: UInt64, policy: (Int) -> any SimulatedPolicy) {
    self.scenario = scenario
    let groups = scenario.endpoints
    endpoints = groups.map { VirtualEndpoint($0) }
    conditions = groups.map { _ in Condition() }
    policies = (0..<scenario.balancers).map(policy)
    traffic = RandomSource(seed: seed)
    chance = RandomSource(seed: seed ^ 0x5DEE_CE66)
    world = RandomSource(seed: seed ^ 0xBB67_AE85)
    record = Record(scenario)
    end = .seconds(scenario.warmup + scenario.measured)
  }

  mutating func run() -> Record {
    schedule()
    while let event = queue.pop(), event.at <= end {
      record.advance(to: event.at)
      handle(event)
    }
    record.finish(end, unfinished: requests.compactMap(\.self))
    // Leases belong to requests that never end now.
    for index in requests.indices {
      guard let request = requests[index] else { continue }
      policies[request.balancer].ended(request, .abandoned, now: end)
    }
    return record
  }

  private mutating func schedule() {
    queue.push(Event(.arrival, at: nextArrival(after: .zero)))
    for index in policies.indices { queue.push(Event(.control, at: .zero, index: index)) }
    for (index, fault) in scenario.faults.enumerated() {
      queue.push(Event(.fault, at: .seconds(fault.at), index: index, stamp: 1))
      if let until = fault.until {
        queue.push(Event(.fault, at: .seconds(until), index: index, stamp: 0))
      }
    }
  }

  private mutating func handle(_ event: Event) {
    let now = event.at
    switch event.kind {
    case .arrival:
      arrive(now)
      queue.push(Event(.arrival, at: nextArrival(after: now)))
    case .completion: complete(event.index, event.stamp, now)
    case .timeout:
      guard generations[event.index] == event.stamp else { return }
      giveUp(event.index, now)
    case .refusal:
      guard generations[event.index] == event.stamp else { return }
      refused(event.index, now)
    case .control: control(event.index, now)
    case .scrape: measure(event.index, now)
    case .page: deliver(event.index, now)
    case .fault: apply(scenario.faults[event.index], isBegin: event.stamp == 1, now)
    case .antagonist: antagonise(event.index, now)
    case .warmth: warm(event.index, now)
    }
  }

  // MARK: Requests

  private mutating func nextArrival(after now: Nanoseconds) -> Nanoseconds {
    let rate = scenario.rate(at: now.seconds)
    return now + .seconds(-log(1 - traffic.unit()) / max(rate, 1e-9))
  }

  private mutating func drawWork() -> Double {
    let mean = scenario.work.mean
    switch scenario.work.shape {
    case .constant: return mean
    case .exponential: return -log(1 - traffic.unit()) * mean
    case .lognormal:
      let radius = (-2 * log(1 - traffic.unit())).squareRoot()
      return mean * exp(radius * cos(2 * .pi * traffic.unit()) - 0.5)
    case .bimodal: return mean / 1.9 * (traffic.unit() < 0.1 ? 10 : 1)
    }
  }

  private mutating func arrive(_ now: Nanoseconds) {
    let work = drawWork()
    let balancer = scenario.balancers == 1 ? 0 : traffic.index(below: scenario.balancers)
    let request = SimulatedRequest(
      arrivedAt: now, work: work, balancer: balancer, isRepeatable: scenario.isReplayable)
    let id: Int
    if let free = freeRequests.popLast() {
      id = free
      requests[id] = request
    } else {
      id = requests.count
      requests.append(request)
      generations.append(0)
    }
    record.arrived()
    queue.pushLast(
      Event(.timeout, at: now + .seconds(scenario.timeout), index: id, stamp: generations[id]))
    send(id, now)
  }

  private mutating func send(_ id: Int, _ now: Nanoseconds) {
    guard let request = requests[id] else { return }
    if policies[request.balancer].isOracle {
      policies[request.balancer].reveal(endpoints.indices.map { truth(of: $0) })
    }
    guard let index = policies[request.balancer].pick(request, now: now) else {
      finish(id, .failed, now)
      return
    }
    request.endpoint = index
    request.sentAt = now
    request.tried.insert(index)
    record.sent(index, now)
    if let refusal = refusal(index) {
      request.refusal = refusal
    } else if endpoints[index].arrive(id, work: request.work, now: now) {
      expectCompletion(index, now)
      return
    } else {
      // 503: no more may wait.
      request.refusal = .overloaded(.zero)
    }
    if !conditions[index].isDead { conditions[index].failedCount += 1 }
    queue.push(Event(.refusal, at: now + Self.refusalDelay, index: id, stamp: generations[id]))
  }

  private func truth(of index: Int) -> EndpointTruth {
    let condition = conditions[index]
    let endpoint = endpoints[index]
    return EndpointTruth(
      group: endpoint.group, requests: endpoint.totalCount, speed: endpoint.currentSpeed,
      isFaulty: condition.isDead || condition.isHanging || condition.failRatio > 0
        || condition.rejectRatio > 0)
  }

  /// What a fault makes of a request; nil where the endpoint takes it.
  private mutating func refusal(_ index: Int) -> AttemptOutcome? {
    let condition = conditions[index]
    if condition.isDead { return .failed(.refused) }
    if condition.failRatio > 0, chance.unit() < condition.failRatio { return .failed(.status) }
    if condition.rejectRatio > 0, chance.unit() < condition.rejectRatio { return .rejected }
    return nil
  }

  private mutating func expectCompletion(_ index: Int, _ now: Nanoseconds) {
    guard let at = endpoints[index].nextCompletion(now: now) else { return }
    queue.push(Event(.completion, at: at, index: index, stamp: endpoints[index].generation))
  }

  private mutating func complete(_ index: Int, _ stamp: UInt64, _ now: Nanoseconds) {
    guard endpoints[index].generation == stamp else { return }
    if let job = endpoints[index].complete(now: now), let request = requests[job.request] {
      policies[request.balancer].ended(request, .completed, now: now)
      finish(job.request, .completed, now)
    }
    expectCompletion(index, now)
  }

  /// The endpoint refused it or failed it.
  private mutating func refused(_ id: Int, _ now: Nanoseconds) {
    guard let request = requests[id] else { return }
    let isDead = request.refusal == .failed(.refused)
    let policy = policies[request.balancer]
    let isTrial = !isDead && scenario.isReplayable && policy.repeatsTrial(request)
    policy.ended(request, request.refusal, now: now)
    if isDead || isTrial, request.retriesLeft > 0 {
      request.retriesLeft -= 1
      send(id, now)
    } else {
      finish(id, .failed, now)
    }
  }

  /// The endpoint died with it.
  mutating func cut(_ id: Int, _ now: Nanoseconds) {
    guard let request = requests[id] else { return }
    policies[request.balancer].ended(request, .failed(.unreachable), now: now)
    if scenario.isReplayable, request.retriesLeft > 0 {
      request.retriesLeft -= 1
      send(id, now)
    } else {
      finish(id, .failed, now)
    }
  }

  private mutating func giveUp(_ id: Int, _ now: Nanoseconds) {
    guard let request = requests[id] else { return }
    let index = request.endpoint
    endpoints[index].cancel(id, now: now)
    expectCompletion(index, now)
    policies[request.balancer].ended(request, .failed(.timeout), now: now)
    finish(id, .timedOut, now)
  }

  private mutating func finish(_ id: Int, _ outcome: Record.Outcome, _ now: Nanoseconds) {
    guard let request = requests[id] else { return }
    record.ended(request, outcome, now)
    requests[id] = nil
    generations[id] += 1
    freeRequests.append(id)
  }

  // MARK: Balancers' clocks and scrapes

  private mutating func control(_ index: Int, _ now: Nanoseconds) {
    for order in policies[index].control(now: now) {
      let place = freeOrders.popLast() ?? orders.count
      if place == orders.count { orders.append(nil) }
      orders[place] = (index, order, nil)
      let delay = Nanoseconds.seconds(0.0005 + 0.002 * chance.unit())
      queue.push(Event(.scrape, at: now + delay, index: place))
    }
    record.noteShares(policies, now)
    let next = max(policies[index].nextControl, now + .milliseconds(1))
    if next < .distantFuture { queue.push(Event(.control, at: next, index: index)) }
  }

  private mutating func measure(_ place: Int, _ now: Nanoseconds) {
    guard let order = orders[place] else { return }
    let endpoint = order.order.endpoint
    let isLost = chance.unit() < scenario.scrapeLoss || conditions[endpoint].isDead
    let found = isLost ? nil : sample(endpoint, now)
    orders[place]?.sample = found
    let delay =
      isLost && !conditions[endpoint].isDead
      ? Nanoseconds.seconds(0.8 * min(scenario.scrapeInterval, 1))
      : .seconds(0.0005 + 0.002 * chance.unit())
    queue.push(Event(.page, at: now + delay, index: place))
  }

  private mutating func deliver(_ place: Int, _ now: Nanoseconds) {
    guard let order = orders[place] else { return }
    orders[place] = nil
    freeOrders.append(place)
    policies[order.balancer].scraped(order.order, order.sample, now: now)
  }
}
