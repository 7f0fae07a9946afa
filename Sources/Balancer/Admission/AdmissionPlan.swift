// The rate limits and the queue of a plan. Invariant: names become bytes and indexes once for each
// fleet, so that no request looks up a name.
import Fleet
import HTTP
import Primitives

/// One rate limit as a worker applies it.
struct PlannedLimit {
  let key: RateKey
  /// The field's name in lower case; empty: the key is no field.
  let header: [UInt8]
  let rule: RateRule
  let buckets: RateBuckets
  /// The hash of the keys.
  let hash: SipHash

  init(_ limit: RateLimit, _ buckets: RateBuckets, _ hash: SipHash) {
    key = limit.key
    if case .header(let name) = limit.key {
      header = Array(name.utf8)
    } else {
      header = []
    }
    rule = RateRule(limit)
    self.buckets = buckets
    self.hash = hash
  }
}

/// A pool's queue as a worker uses it.
struct PlannedQueue {
  /// The index of the pool's queue; −1: requests of the pool never wait.
  var index = -1
  var concurrency = QueuePolicy.Concurrency.unlimited
  var lengthMax = 0
  var timeout = Nanoseconds.zero
  /// The exchanges that each endpoint takes at once, by position; empty unless slots are counted.
  var capacities: [Int] = []
  /// The name of the priority field in lower case; empty: the pool has none.
  var header: [UInt8] = []
  var values: [(text: [UInt8], level: Int)] = []

  init(_ pool: Pool, queues: [PoolQueue]) {
    let policy = pool.queue
    index = queues.firstIndex { $0.name == pool.name } ?? -1
    concurrency = policy.concurrency
    lengthMax = policy.lengthMax
    timeout = policy.timeout
    if policy.concurrency == .slots { capacities = pool.endpoints.map(Self.capacity) }
    guard let priority = policy.priority else { return }
    header = Array(priority.header.utf8)
    values = priority.values.map { (Array($0.text.lowercased().utf8), $0.priority.level) }
  }

  private static func capacity(_ endpoint: Endpoint) -> Int { Int(endpoint.concurrency ?? 100_000) }

  /// Appends the capacity of an endpoint that is added at the last position.
  mutating func appendCapacity(_ endpoint: Endpoint) {
    if concurrency == .slots { capacities.append(Self.capacity(endpoint)) }
  }

  /// Removes the capacity at the position. The last endpoint takes over that position.
  mutating func removeCapacity(at position: Int) {
    guard concurrency == .slots else { return }
    capacities.swapAt(position, capacities.count - 1)
    capacities.removeLast()
  }

  mutating func setCapacity(_ endpoint: Endpoint, at position: Int) {
    if concurrency == .slots { capacities[position] = Self.capacity(endpoint) }
  }

  /// The priority level of a field value; unknown values have the normal level.
  func level(_ value: UnsafeRawBufferPointer) -> Int {
    for known in values where ASCII.isEqual(value, known.text) { return known.level }
    return QueuePriority.normal.level
  }
}

/// The ranges of each scope's limits in a plan.
struct PlannedScopes {
  var ranges: [(owner: RateScope.Owner, range: Range<Int>)] = []

  func range(of owner: RateScope.Owner) -> Range<Int> {
    ranges.first { $0.owner == owner }?.range ?? 0..<0
  }
}
