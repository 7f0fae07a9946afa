// Runs one scenario with one policy and one seed on a virtual clock. The same seed gives every
// policy the same arrivals, work and faults.
// Invariant: every request that arrives ends exactly once, in one of the result's counts.
import Balancer
import Glibc
import Primitives

struct Simulator {
  /// The state of an endpoint apart from its queue.
  struct Condition {
    var isDead = false
    var isHanging = false
    var failRatio = 0.0
    var rejectRatio = 0.0
    var rejectOutcome = AttemptOutcome.rejected
    var rejectDelay = Simulator.refusalDelay
    /// Added to the gauge of waiting requests.
    var queueLie = 0
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
  /// For everything that depends on the policy's decisions.
  var chance: RandomSource
  var world: RandomSource
  var requests: [SimulatedRequest?] = []
  var generations: [UInt64] = []
  var freeRequests: [Int] = []
  var orders: [(balancer: Int, order: ScrapeOrder, sample: EndpointSample?)?] = []
  var freeOrders: [Int] = []
  var record: Record
  /// For pages that several processes answer.
  var pages: [WorkerPages]
  private let end: Nanoseconds
  private let rates: [RateStep]
  let hasEngines: Bool

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
    pages = groups.map {
      WorkerPages(count: $0.pageWorkers, mean: scenario.meanWork / $0.speed)
    }
    rates = scenario.rateSteps
    hasEngines = scenario.hasEngines
    end = .seconds(scenario.warmup + scenario.measured)
  }

  mutating func run() -> Record {
    schedule()
    while let event = queue.pop(), event.at <= end {
      record.advance(to: event.at)
      handle(event)
    }
    record.finish(end, unfinished: requests.compactMap(\.self).filter { !$0.isRead })
    // Requests that never end now still have leases.
    for index in requests.indices {
      guard let request = requests[index] else { continue }
      policies[request.balancer].ended(request, .abandoned, now: end)
    }
    return record
  }

  private mutating func schedule() {
    if let first = nextArrival(after: .zero) { queue.push(Event(.arrival, at: first)) }
    for index in policies.indices { queue.push(Event(.control, at: .zero, index: index)) }
    for (index, fault) in scenario.faults.enumerated() {
      for shift in fault.shifts(until: end.seconds) {
        queue.push(Event(.fault, at: .seconds(fault.at + shift), index: index, stamp: 1))
        if let until = fault.until {
          queue.push(Event(.fault, at: .seconds(until + shift), index: index, stamp: 0))
        }
      }
    }
  }

  private mutating func handle(_ event: Event) {
    let now = event.at
    switch event.kind {
    case .arrival:
      arrive(now)
      if let next = nextArrival(after: now) { queue.push(Event(.arrival, at: next)) }
    case .completion: complete(event.index, event.stamp, now)
    case .timeout, .leave, .refusal, .answer, .read:
      guard generations[event.index] == event.stamp else { return }
      handle(event.kind, ofRequest: event.index, now)
    case .control: control(event.index, now)
    case .scrape: measure(event.index, now)
    case .page: deliver(event.index, now)
    case .fault: apply(scenario.faults[event.index], isBegin: event.stamp == 1, now)
    case .antagonist: antagonise(event.index, now)
    case .warmth: warm(event.index, now)
    }
  }

  private mutating func handle(_ kind: Event.Kind, ofRequest id: Int, _ now: Nanoseconds) {
    switch kind {
    case .timeout: giveUp(id, now)
    case .leave: leave(id, now)
    case .refusal: refused(id, now)
    case .answer: answered(id, now)
    case .read: readToTheEnd(id, now)
    default: break
    }
  }

  // MARK: Requests

  /// nil: no more arrive. A step of the rate takes effect exactly at its time, also from and to 0.
  private mutating func nextArrival(after now: Nanoseconds) -> Nanoseconds? {
    var left = -log(1 - traffic.unit())
    var at = now.seconds
    var index = rates.lastIndex { $0.at <= at } ?? 0
    while true {
      let rate = rates[index].rate
      let until = index + 1 < rates.count ? rates[index + 1].at : .infinity
      if rate > 0, at + left / rate <= until {
        return at == now.seconds ? now + .seconds(left / rate) : .seconds(at + left / rate)
      }
      guard until < .infinity else { return nil }
      left -= rate * (until - at)
      at = until
      index += 1
    }
  }

  private mutating func arrive(_ now: Nanoseconds) {
    let request = drawRequest(now)
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
    let stamp = generations[id]
    queue.pushLast(
      Event(.timeout, at: now + .seconds(scenario.timeout), index: id, stamp: stamp))
    if let patience = scenario.patience {
      let leaves = now + .seconds(-log(1 - traffic.unit()) * patience)
      queue.push(Event(.leave, at: leaves, index: id, stamp: stamp))
    }
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
    var delay = Self.refusalDelay
    if let refusal = refusal(index) {
      request.refusal = refusal
      if refusal == conditions[index].rejectOutcome { delay = conditions[index].rejectDelay }
    } else if take(id, request, index, now) {
      return
    } else {
      // The queue is full.
      request.refusal = .overloaded(.seconds(endpoints[index].group.retryAfter ?? 0))
    }
    if !conditions[index].isDead { conditions[index].failedCount += 1 }
    queue.push(Event(.refusal, at: now + delay, index: id, stamp: generations[id]))
  }

  /// The endpoint takes the request, unless it is full.
  private mutating func take(
    _ id: Int, _ request: SimulatedRequest, _ index: Int, _ now: Nanoseconds
  ) -> Bool {
    guard request.takesSlot else {
      expectAnswer(id, index, now)
      return true
    }
    let isTaken =
      endpoints[index].group.service == .engine
      ? endpoints[index].arrive(
        id, prompt: request.promptTokens, output: request.outputTokens, now: now)
      : endpoints[index].arrive(id, work: request.work, now: now)
    if isTaken { expectCompletion(index, now) }
    return isTaken
  }

  /// A request that takes no slot is answered after its own time, or when a stopped endpoint
  /// continues.
  private mutating func expectAnswer(_ id: Int, _ index: Int, _ now: Nanoseconds) {
    guard let request = requests[id] else { return }
    let speed = endpoints[index].currentSpeed
    let seconds = speed > 0 ? request.work / speed : 0.1
    request.isHeldUp = speed == 0
    queue.push(
      Event(.answer, at: now + .seconds(seconds), index: id, stamp: generations[id]))
  }

  private mutating func answered(_ id: Int, _ now: Nanoseconds) {
    guard let request = requests[id] else { return }
    if request.isHeldUp {
      expectAnswer(id, request.endpoint, now)
    } else {
      endpoints[request.endpoint].countAnswer(now - request.sentAt)
      pages[request.endpoint].count(now - request.sentAt, &chance)
      complete(id, now)
    }
  }

  private func truth(of index: Int) -> EndpointTruth {
    let condition = conditions[index]
    let endpoint = endpoints[index]
    return EndpointTruth(
      group: endpoint.group, requests: endpoint.totalCount, speed: endpoint.currentSpeed,
      isFaulty: condition.isDead || condition.isHanging || condition.failRatio > 0
        || condition.rejectRatio > 0,
      engine: endpoint.engine.map(EngineTruth.init))
  }

  /// The outcome if a fault refuses the request; nil: the endpoint takes it.
  private mutating func refusal(_ index: Int) -> AttemptOutcome? {
    let condition = conditions[index]
    if condition.isDead { return .failed(.refused) }
    if condition.failRatio > 0, chance.unit() < condition.failRatio { return .failed(.status) }
    if condition.rejectRatio > 0, chance.unit() < condition.rejectRatio {
      return condition.rejectOutcome
    }
    return nil
  }

  private mutating func expectCompletion(_ index: Int, _ now: Nanoseconds) {
    guard let at = endpoints[index].nextCompletion(now: now) else { return }
    queue.push(Event(.completion, at: at, index: index, stamp: endpoints[index].generation))
  }

  private mutating func complete(_ index: Int, _ stamp: UInt64, _ now: Nanoseconds) {
    guard endpoints[index].generation == stamp else { return }
    if endpoints[index].group.service == .engine {
      step(index, now)
    } else if let job = endpoints[index].complete(now: now) {
      pages[index].count(now - job.arrivedAt, &chance)
      complete(job.id, now)
    }
    expectCompletion(index, now)
  }

  /// A step of an engine has ended.
  private mutating func step(_ index: Int, _ now: Nanoseconds) {
    endpoints[index].endStep(now: now)
    guard let engine = endpoints[index].engine else { return }
    for id in engine.tokens {
      guard let request = requests[id] else { continue }
      policies[request.balancer].pieceCame(request, now: now)
      if request.hasAnswer { continue }
      request.hasAnswer = true
      record.firstToken(request, now)
    }
    for sequence in engine.ended {
      pages[index].count(now - sequence.arrivedAt, &chance)
      complete(sequence.request, now)
    }
  }

  /// The endpoint gave the whole answer; the client may take long to read it.
  private mutating func complete(_ id: Int, _ now: Nanoseconds) {
    guard let request = requests[id] else { return }
    let policy = policies[request.balancer]
    policy.endpointDone(request, now: now)
    guard request.readingSeconds > 0 else {
      policy.ended(request, .completed, now: now)
      finish(id, .completed, now)
      return
    }
    record.ended(request, .completed, now)
    request.isRead = true
    queue.push(
      Event(
        .read, at: now + .seconds(request.readingSeconds), index: id, stamp: generations[id]))
  }

  private mutating func readToTheEnd(_ id: Int, _ now: Nanoseconds) {
    guard let request = requests[id] else { return }
    policies[request.balancer].ended(request, .completed, now: now)
    release(id)
  }

  /// The endpoint refused or failed the request.
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

  /// The endpoint died while it had the request.
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

  /// The balancer gives up.
  private mutating func giveUp(_ id: Int, _ now: Nanoseconds) {
    guard let request = requests[id], !request.isRead else { return }
    withdraw(id, .failed(.timeout), now)
  }

  /// The client gives up.
  private mutating func leave(_ id: Int, _ now: Nanoseconds) {
    guard let request = requests[id], !request.isRead else { return }
    withdraw(id, policies[request.balancer].outcomeOfLeaving(request, now: now), now)
  }

  private mutating func withdraw(_ id: Int, _ outcome: AttemptOutcome, _ now: Nanoseconds) {
    guard let request = requests[id] else { return }
    endpoints[request.endpoint].cancel(id, now: now)
    expectCompletion(request.endpoint, now)
    policies[request.balancer].ended(request, outcome, now: now)
    finish(id, .timedOut, now)
  }

  private mutating func finish(_ id: Int, _ outcome: Record.Outcome, _ now: Nanoseconds) {
    guard let request = requests[id] else { return }
    record.ended(request, outcome, now)
    release(id)
  }

  private mutating func release(_ id: Int) {
    requests[id] = nil
    generations[id] += 1
    freeRequests.append(id)
  }

  // MARK: Timers and scrapes of balancers

  private mutating func control(_ index: Int, _ now: Nanoseconds) {
    for order in policies[index].control(now: now) {
      let orderIndex = freeOrders.popLast() ?? orders.count
      if orderIndex == orders.count { orders.append(nil) }
      orders[orderIndex] = (index, order, nil)
      let delay = Nanoseconds.seconds(0.0005 + 0.002 * chance.unit())
      queue.push(Event(.scrape, at: now + delay, index: orderIndex))
    }
    record.noteShares(policies, now)
    let next = max(policies[index].nextControl, now + .milliseconds(1))
    if next < .distantFuture { queue.push(Event(.control, at: next, index: index)) }
  }

  private mutating func measure(_ orderIndex: Int, _ now: Nanoseconds) {
    guard let order = orders[orderIndex] else { return }
    let endpoint = order.order.endpoint
    let isLost = chance.unit() < scenario.scrapeLoss || conditions[endpoint].isDead
    let found = isLost ? nil : sample(endpoint, now)
    orders[orderIndex]?.sample = found
    let delay =
      isLost && !conditions[endpoint].isDead
      ? Nanoseconds.seconds(0.8 * min(scenario.scrapeInterval, 1))
      : .seconds(0.0005 + 0.002 * chance.unit())
    queue.push(Event(.page, at: now + delay, index: orderIndex))
  }

  private mutating func deliver(_ orderIndex: Int, _ now: Nanoseconds) {
    guard let order = orders[orderIndex] else { return }
    orders[orderIndex] = nil
    freeOrders.append(orderIndex)
    policies[order.balancer].scraped(order.order, order.sample, now: now)
  }
}
