// The policies of other balancers as their documentation describes them, for comparison.
// docs/control.md names the sources.
import Balancer
import Glibc
import Primitives

extension AttemptOutcome {
  /// Whether balancers that count every 5xx as a failure count this outcome: 503 too.
  var isServerError: Bool {
    switch self {
    case .failed, .overloaded: true
    case .completed, .rejected, .abandoned, .givenUp: false
    }
  }
}

/// Counts outstanding requests, as every proxy does.
class CountingPolicy: SimulatedPolicy {
  let count: Int
  var load: [Int]
  var random: RandomSource

  init(count: Int, seed: UInt64) {
    self.count = count
    load = [Int](repeating: 0, count: count)
    random = RandomSource(seed: seed)
  }

  /// Chooses an endpoint; `usable` is never empty.
  func choose(_ usable: [Int], now: Nanoseconds) -> Int { usable[0] }
  func isUsable(_ index: Int, now: Nanoseconds) -> Bool { true }
  func note(_ request: SimulatedRequest, _ outcome: AttemptOutcome, now: Nanoseconds) {}
  func take(_ order: ScrapeOrder, _ sample: EndpointSample?, now: Nanoseconds) {}
  func endpointDone(_ request: SimulatedRequest, now: Nanoseconds) {}
  var scrapeInterval: Nanoseconds? { nil }
  var isOracle: Bool { false }
  func reveal(_ world: [EndpointTruth]) {}
  var shares: [Double] { [Double](repeating: 1 / Double(count), count: count) }

  private var nextScrape = Nanoseconds.zero
  var nextControl: Nanoseconds { scrapeInterval == nil ? .distantFuture : nextScrape }

  func pick(_ request: SimulatedRequest, now: Nanoseconds) -> Int? {
    var usable = (0..<count).filter {
      !request.tried.contains($0) && isUsable($0, now: now)
    }
    if usable.isEmpty { usable = (0..<count).filter { !request.tried.contains($0) } }
    if usable.isEmpty { usable = Array(0..<count) }
    let index = choose(usable, now: now)
    load[index] += 1
    return index
  }

  func ended(_ request: SimulatedRequest, _ outcome: AttemptOutcome, now: Nanoseconds) {
    load[request.endpoint] -= 1
    note(request, outcome, now: now)
  }

  func control(now: Nanoseconds) -> [ScrapeOrder] {
    guard let scrapeInterval, now >= nextScrape else { return [] }
    nextScrape = now + scrapeInterval
    return (0..<count).map { ScrapeOrder(endpoint: $0, id: 0) }
  }

  func scraped(_ order: ScrapeOrder, _ sample: EndpointSample?, now: Nanoseconds) {
    take(order, sample, now: now)
  }

  /// The index with the lowest cost; ties are broken at random.
  func least(_ usable: [Int], _ cost: (Int) -> Double) -> Int {
    var best = usable[0]
    var bestCost = Double.infinity
    var ties = 0
    for index in usable {
      let mine = cost(index)
      if mine < bestCost {
        (best, bestCost, ties) = (index, mine, 1)
      } else if mine == bestCost {
        ties += 1
        if random.index(below: ties) == 0 { best = index }
      }
    }
    return best
  }
}

/// Least request with Envoy's outlier detection: 5 consecutive failures, 30 s × n up to 300 s, at
/// most a tenth of the endpoints but at least one.
final class OutlierPolicy: CountingPolicy {
  private var failsInRow: [Int]
  private var ejections: [Int]
  private var ejectedUntil: [Nanoseconds]

  override init(count: Int, seed: UInt64) {
    failsInRow = [Int](repeating: 0, count: count)
    ejections = failsInRow
    ejectedUntil = [Nanoseconds](repeating: .zero, count: count)
    super.init(count: count, seed: seed)
  }

  override func choose(_ usable: [Int], now: Nanoseconds) -> Int {
    least(usable) { Double(load[$0]) }
  }

  override func isUsable(_ index: Int, now: Nanoseconds) -> Bool { now >= ejectedUntil[index] }

  override func note(_ request: SimulatedRequest, _ outcome: AttemptOutcome, now: Nanoseconds) {
    let index = request.endpoint
    guard outcome.isServerError else {
      failsInRow[index] = 0
      return
    }
    failsInRow[index] += 1
    let ejected = ejectedUntil.count { $0 > now }
    guard failsInRow[index] >= 5, now >= ejectedUntil[index], ejected < max(1, count / 10) else {
      return
    }
    failsInRow[index] = 0
    ejections[index] += 1
    ejectedUntil[index] = now + .seconds(min(300, 30 * ejections[index]))
  }
}

/// The peak EWMA of Finagle and Linkerd: two choices by EWMA × (pending + 1), decay 10 s; a failure
/// counts as 5 s.
final class PeakEWMAPolicy: CountingPolicy {
  private var cost: [Double]
  private var stamp: [Nanoseconds]

  override init(count: Int, seed: UInt64) {
    cost = [Double](repeating: 0, count: count)
    stamp = [Nanoseconds](repeating: .zero, count: count)
    super.init(count: count, seed: seed)
  }

  override func choose(_ usable: [Int], now: Nanoseconds) -> Int {
    let first = usable[random.index(below: usable.count)]
    var second = usable[random.index(below: usable.count)]
    if second == first, usable.count > 1 {
      let rest = usable.filter { $0 != first }
      second = rest[random.index(below: rest.count)]
    }
    return score(first, now) <= score(second, now) ? first : second
  }

  private func score(_ index: Int, _ now: Nanoseconds) -> Double {
    let decayed = cost[index] * exp(-(now - stamp[index]).seconds / 10)
    // Without a measurement, an endpoint with pending requests counts as slow.
    if decayed == 0, load[index] > 0 { return 1e6 + Double(load[index]) }
    return decayed * Double(load[index] + 1)
  }

  override func note(_ request: SimulatedRequest, _ outcome: AttemptOutcome, now: Nanoseconds) {
    let index = request.endpoint
    var latency = (now - request.sentAt).seconds
    if outcome.isServerError { latency = max(latency, 5) }
    let keep = exp(-(now - stamp[index]).seconds / 10)
    stamp[index] = now
    cost[index] = latency > cost[index] ? latency : cost[index] * keep + latency * (1 - keep)
  }
}

/// gRPC A58: weight = rate / utilisation from reports every second, smooth weighted round robin;
/// errors add to the utilisation; endpoints without a report get the mean.
final class GRPCWeightedPolicy: CountingPolicy {
  private var weight: [Double?]
  private var last: [EndpointSample?]
  private var lastAt: [Nanoseconds]
  private var current: [Double]

  override init(count: Int, seed: UInt64) {
    weight = [Double?](repeating: nil, count: count)
    last = [EndpointSample?](repeating: nil, count: count)
    lastAt = [Nanoseconds](repeating: .zero, count: count)
    current = [Double](repeating: 0, count: count)
    super.init(count: count, seed: seed)
  }

  override var scrapeInterval: Nanoseconds? { .seconds(1) }

  private var filled: [Double] {
    let known = weight.compactMap(\.self)
    guard known.count >= 2 else { return [Double](repeating: 1, count: count) }
    let mean = known.reduce(0, +) / Double(known.count)
    return weight.map { $0 ?? mean }
  }

  override func choose(_ usable: [Int], now: Nanoseconds) -> Int {
    let weights = filled
    var best = usable[0]
    var total = 0.0
    for index in usable {
      current[index] += weights[index]
      total += weights[index]
      if current[index] > current[best] { best = index }
    }
    current[best] -= total
    return best
  }

  override func take(_ order: ScrapeOrder, _ sample: EndpointSample?, now: Nanoseconds) {
    let index = order.endpoint
    // Blackout 10 s, expiry 180 s, as A58 has them.
    guard let sample else {
      if (now - lastAt[index]).seconds > 180 { weight[index] = nil }
      return
    }
    defer {
      last[index] = sample
      lastAt[index] = now
    }
    guard let before = last[index], let ended = sample.completed, let old = before.completed,
      let busy = sample.busySeconds, let oldBusy = before.busySeconds, ended >= old,
      busy >= oldBusy, now > .seconds(10)
    else { return }
    let seconds = (now - lastAt[index]).seconds
    let rate = (ended - old) / seconds
    let errors = ((sample.failed ?? 0) - (before.failed ?? 0)) / seconds
    let utilisation = (busy - oldBusy) / seconds + (rate > 0 ? errors / rate : 0)
    if rate > 0, utilisation > 0 { weight[index] = rate / utilisation }
  }

  override var shares: [Double] {
    let weights = filled
    let sum = weights.reduce(0, +)
    return weights.map { $0 / sum }
  }
}

/// The scorers of llm-d and the inference extension: queue × 2 and 1 − KV × 2 from scrapes every 50
/// ms; the best score wins, ties are broken at random.
final class QueueCachePolicy: CountingPolicy {
  private var queue: [Double]
  private var cache: [Double]

  override init(count: Int, seed: UInt64) {
    queue = [Double](repeating: 0, count: count)
    cache = queue
    super.init(count: count, seed: seed)
  }

  override var scrapeInterval: Nanoseconds? { .milliseconds(50) }

  override func choose(_ usable: [Int], now: Nanoseconds) -> Int {
    var (low, high) = (Double.infinity, 0.0)
    for index in usable {
      low = min(low, queue[index])
      high = max(high, queue[index])
    }
    return least(usable) { index in
      let score = high > low ? (high - queue[index]) / (high - low) : 1
      return -(2 * score + 2 * (1 - cache[index]))
    }
  }

  override func take(_ order: ScrapeOrder, _ sample: EndpointSample?, now: Nanoseconds) {
    guard let sample else { return }
    if let waiting = sample.waiting, waiting.isFinite { queue[order.endpoint] = waiting }
    if let ratio = sample.cacheRatio { cache[order.endpoint] = ratio }
  }
}

/// HAProxy's agent-check: every 2 s the server reports its idle share in percent, which scales its
/// weight; the choice is `leastconn`. If the agent cannot be reached, the old value stays.
final class AgentPolicy: CountingPolicy {
  private var percent: [Double]
  private var lastBusy: [Double?]
  private var lastAt: [Nanoseconds]

  override init(count: Int, seed: UInt64) {
    percent = [Double](repeating: 100, count: count)
    lastBusy = [Double?](repeating: nil, count: count)
    lastAt = [Nanoseconds](repeating: .zero, count: count)
    super.init(count: count, seed: seed)
  }

  override var scrapeInterval: Nanoseconds? { .seconds(2) }

  override func choose(_ usable: [Int], now: Nanoseconds) -> Int {
    least(usable) { Double(load[$0] + 1) / percent[$0] }
  }

  override func take(_ order: ScrapeOrder, _ sample: EndpointSample?, now: Nanoseconds) {
    let index = order.endpoint
    guard let busy = sample?.busySeconds, busy.isFinite else { return }
    if let before = lastBusy[index], busy >= before {
      let used = (busy - before) / max((now - lastAt[index]).seconds, 1e-3)
      percent[index] = max(1, (100 * (1 - min(used, 1))).rounded())
    }
    lastBusy[index] = busy
    lastAt[index] = now
  }

  override var shares: [Double] {
    let sum = percent.reduce(0, +)
    return percent.map { $0 / sum }
  }
}

/// nginx's `least_conn` with its defaults `max_fails=1 fail_timeout=10s`: the fewest in flight
/// relative to the weight; ties take turns by weight. A refused or cut connection is a failure; an
/// error that an endpoint answers is none, nor is a client that gives up.
final class NginxPolicy: CountingPolicy {
  private let weights: [Double]
  private var current: [Double]
  private var downUntil: [Nanoseconds]

  init(weights: [Double], seed: UInt64) {
    self.weights = weights
    current = weights.map { _ in 0 }
    downUntil = weights.map { _ in .zero }
    super.init(count: weights.count, seed: seed)
  }

  override func isUsable(_ index: Int, now: Nanoseconds) -> Bool { now >= downUntil[index] }

  override func choose(_ usable: [Int], now: Nanoseconds) -> Int {
    func cost(_ index: Int) -> Double { Double(load[index]) / weights[index] }
    let least = usable.lazy.map(cost).min() ?? 0
    let ties = usable.filter { cost($0) == least }
    guard ties.count > 1 else { return ties[0] }
    var (best, total) = (ties[0], 0.0)
    for index in ties {
      current[index] += weights[index]
      total += weights[index]
      if current[index] > current[best] { best = index }
    }
    current[best] -= total
    return best
  }

  override func note(_ request: SimulatedRequest, _ outcome: AttemptOutcome, now: Nanoseconds) {
    switch outcome {
    case .failed(.refused), .failed(.unreachable):
      downUntil[request.endpoint] = now + .seconds(10)
    default: break
    }
  }

  override var shares: [Double] {
    let sum = weights.reduce(0, +)
    return weights.map { $0 / sum }
  }
}
