// How the endpoints of a pool slow down: from the operator's word, from what kind of server they
// are, from their pages; and how dear it is to delay others, which grows as the pool fills.
import Fleet
import Primitives

extension ServiceShape {
  /// An LLM engine that batches continuously: measured on a published model of one, a request in
  /// thirteen takes twice as long as alone.
  static let engine = ServiceShape(knee: .infinity, slope: 12, marginal: 1)

  /// So many slots; a slope twice as long is nearly as good where slots do not slow each other
  /// down, and far better where they do.
  static func slots(_ count: Double, marginal: Double) -> ServiceShape {
    ServiceShape(knee: max(1, count), slope: max(1, 2 * count), marginal: marginal)
  }
}

/// What is known of how the endpoints of a pool slow down.
struct PoolShape: Sendable, Equatable {
  /// Where it is known from. The raw value stands in `explain --json`.
  enum Source: String, Sendable, CaseIterable {
    case none, configured, engine, pages, learnt
  }
  /// Of endpoints without a `concurrency` of their own.
  var shape: ServiceShape
  var source: Source
  /// Of the delay of others, where there are slots.
  var price: Double

  init(_ shape: ServiceShape, _ source: Source, price: Double = 1) {
    (self.shape, self.source, self.price) = (shape, source, price)
  }

  /// Of pages, or learnt; nil: there are none, or the file has them.
  var slots: Double? { shape.knee > 1 && shape.knee.isFinite ? shape.knee : nil }
}

extension Controller {
  /// The presets of servers that batch continuously.
  private static let engines: Set<String> = ["vllm", "sglang", "tgi", "trtllm", "lmdeploy"]
  /// Between two looks, seconds.
  private static let shapeInterval = 1.0
  /// The fullness from which on the delay of others becomes dearer, and over what it doubles.
  private static let fillMin = 0.8
  private static let fillRange = 0.2

  /// Tells the workers how the pool's endpoints slow down. Once a second. Where the law does not
  /// steer, picks count requests and nothing else.
  mutating func shape(
    _ index: Int, _ pool: Pool, isSteering: Bool, passed: Double, now: Nanoseconds
  ) {
    pools[index].sinceShape += passed
    guard pools[index].sinceShape >= Self.shapeInterval || !isSteering else { return }
    let waited = pools[index].sinceShape
    pools[index].sinceShape = 0
    guard isSteering else {
      pools[index].shape = PoolShape(.plain, .none)
      for endpoint in pool.endpoints { pickBoard.setShape(endpoint.endpointIndex, .plain) }
      return
    }
    let found = find(index, pool, passed: waited, now: now)
    pools[index].shape = found
    let (sizeSlope, sizeMean) =
      found.source == .engine ? sizes(index, pool, passed: waited) : (0, 0)
    for endpoint in pool.endpoints {
      let own = endpoint.concurrency.map { ServiceShape.slots($0, marginal: found.price) }
      pickBoard.setShape(
        endpoint.endpointIndex, own ?? found.shape, sizeSlope: sizeSlope, sizeMean: sizeMean)
    }
  }

  /// The shape of the endpoints that have no `concurrency` of their own.
  private mutating func find(
    _ index: Int, _ pool: Pool, passed: Double, now: Nanoseconds
  ) -> PoolShape {
    let pages = sharedSlots(pool, now)
    takeFill(index, pool, pages ?? pools[index].shape.slots, now)
    // In steps, so that tables are not made anew each second.
    let excess = min(max((pools[index].fill - Self.fillMin) / Self.fillRange, 0), 1)
    let price = ((1 + excess) * 10).rounded() / 10
    if pool.weights.scrapes.contains(where: { Self.engines.contains($0.preset ?? "") }) {
      return PoolShape(.engine, .engine, price: price)
    }
    if let pages { return PoolShape(.slots(pages, marginal: price), .pages, price: price) }
    if pool.endpoints.allSatisfy({ $0.concurrency != nil }) {
      return PoolShape(.unknown, .configured, price: price)
    }
    learn(index, pool, passed: passed)
    let learnt = pools[index].shapeFit.shape(marginal: price)
    return PoolShape(learnt, learnt == .unknown ? .none : .learnt, price: price)
  }

  /// How much the length of a request's content is to count in a pick, and what its mean is. An
  /// engine decodes for everybody while it reads a long prompt: a long one belongs where few are
  /// delayed. Where a request takes as long as it is long, that is no prompt.
  private mutating func sizes(
    _ index: Int, _ pool: Pool, passed: Double
  ) -> (slope: Double, mean: Double) {
    pools[index].sizeFit.take(evidence, endpointIndexes: sample(of: pool), passed: passed)
    guard let mean = pools[index].sizeFit.meanSize, let slope = pools[index].sizeFit.slope else {
      return (0, 0)
    }
    // In steps, as the price of delay.
    let counted = (0.5 * max(0, 1 - 3 * slope) * 20).rounded() / 20
    return (counted, counted > 0 ? mean.rounded() : 0)
  }

  /// Slots of at most `ShapeFit.endpointsMax` endpoints.
  private func sample(of pool: Pool) -> [Int] {
    let step = max(1, (pool.endpoints.count + ShapeFit.endpointsMax - 1) / ShapeFit.endpointsMax)
    return stride(from: 0, to: pool.endpoints.count, by: step).map {
      pool.endpoints[$0].endpointIndex
    }
  }

  /// Takes what requests took by what was in flight, of some endpoints if there are many.
  private mutating func learn(_ index: Int, _ pool: Pool, passed: Double) {
    pools[index].shapeFit.take(
      evidence, endpointIndexes: sample(of: pool), passed: passed,
      fleetResponse: pools[index].fleetResponse)
  }

  /// The slots that the endpoints' pages agree on within a tenth; nil: they do not.
  private mutating func sharedSlots(_ pool: Pool, _ now: Nanoseconds) -> Double? {
    var known: [Double] = []
    for position in pool.endpoints.indices {
      if let slots = endpoints[pool.endpoints[position].endpointIndex]?.slotsOfPages(now: now) {
        known.append(slots)
      }
    }
    guard let median = CapacityLaw.medianInPlace(&known),
      known.allSatisfy({ abs($0 - median) <= 0.1 * median })
    else { return nil }
    return median
  }

  private mutating func takeFill(
    _ index: Int, _ pool: Pool, _ shared: Double?, _ now: Nanoseconds
  ) {
    var (count, slots) = (0.0, 0.0)
    for position in pool.endpoints.indices {
      let endpoint = pool.endpoints[position]
      guard let own = endpoint.concurrency ?? shared, !evidence.isEjected(endpoint.endpointIndex),
        let load = endpoints[endpoint.endpointIndex]?.loadToServe(
          interval: pool.weights.interval.seconds, now: now)
      else { continue }
      count += load
      slots += own
    }
    let fill = slots > 0 ? count / slots : 0
    pools[index].fill = pools[index].fill * 0.9 + fill * 0.1
  }
}

extension EndpointState {
  /// In place, as the next: a copy of the state would cost more than all the rest.
  fileprivate mutating func slotsOfPages(now: Nanoseconds) -> Double? {
    fullPages.slots(now: now)
  }

  /// Requests in flight, those of others included; nil where it takes none.
  fileprivate mutating func loadToServe(interval: Double, now: Nanoseconds) -> Double? {
    guard eligibility.takesNewExchanges else { return nil }
    return capacity.sums.inFlight + capacity.fadedOthersMean(now: now, interval: interval)
  }
}
