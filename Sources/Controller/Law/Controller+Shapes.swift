// How the endpoints of a pool slow down under load: from the configuration, from the kind of
// server, from their pages or from durations; and the price of delaying others, which grows as the
// pool fills.
import Fleet
import Primitives

extension ServiceShape {
  /// An LLM engine with continuous batching. Measured on a published model of such an engine: with
  /// thirteen in flight a request takes twice as long as alone.
  static let engine = ServiceShape(knee: .infinity, slope: 12, marginal: 1)

  /// A server with this many slots. A slope of twice that costs little if slots do not slow each
  /// other down, and gains much if they do.
  static func slots(_ count: Double, marginal: Double) -> ServiceShape {
    ServiceShape(knee: max(1, count), slope: max(1, 2 * count), marginal: marginal)
  }
}

/// How the endpoints of a pool slow down under load.
struct PoolShape: Sendable, Equatable {
  /// Where the shape comes from. The raw value stands in `explain --json`.
  enum Source: String, Sendable, CaseIterable {
    case none, configured, engine, pages, learnt
  }
  /// The shape of endpoints without a `concurrency` of their own.
  var shape: ServiceShape
  var source: Source
  /// The price of delaying others, for endpoints with slots.
  var price: Double

  init(_ shape: ServiceShape, _ source: Source, price: Double = 1) {
    (self.shape, self.source, self.price) = (shape, source, price)
  }

  /// The slots of an endpoint, from pages or learned; nil: there are none, or the file configures
  /// them.
  var slots: Double? { shape.knee > 1 && shape.knee.isFinite ? shape.knee : nil }
}

extension Controller {
  /// The presets of servers with continuous batching.
  private static let engines: Set<String> = ["vllm", "sglang", "tgi", "trtllm", "lmdeploy"]
  /// The time between two updates, seconds.
  private static let shapeInterval = 1.0
  /// The fill from which the price of delay rises, and the range over which it doubles.
  private static let fillMin = 0.8
  private static let fillRange = 0.2

  /// Publishes to the workers how the pool's endpoints slow down, once a second. If the law does
  /// not steer, picks count requests and nothing else.
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

  /// Finds the shape of the endpoints without a `concurrency` of their own.
  private mutating func find(
    _ index: Int, _ pool: Pool, passed: Double, now: Nanoseconds
  ) -> PoolShape {
    let pages = sharedSlots(pool, now)
    takeFill(index, pool, pages ?? pools[index].shape.slots, now)
    // In steps, so that tables are not rebuilt every second.
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

  /// How much the length of a request's content counts in a pick, and the mean length. An engine
  /// that reads a long prompt delays all its other requests, so that a long prompt belongs where
  /// few are in flight. Content that takes time in proportion to its length is no prompt.
  private mutating func sizes(
    _ index: Int, _ pool: Pool, passed: Double
  ) -> (slope: Double, mean: Double) {
    pools[index].sizeFit.take(evidence, endpointIndexes: sample(of: pool), passed: passed)
    guard let mean = pools[index].sizeFit.meanSize, let slope = pools[index].sizeFit.slope else {
      return (0, 0)
    }
    // In steps, like the price of delay.
    let counted = (0.5 * max(0, 1 - 3 * slope) * 20).rounded() / 20
    return (counted, counted > 0 ? mean.rounded() : 0)
  }

  /// Endpoint indexes of at most `ShapeFit.endpointsMax` of the pool's endpoints.
  private func sample(of pool: Pool) -> [Int] {
    let step = max(1, (pool.endpoints.count + ShapeFit.endpointsMax - 1) / ShapeFit.endpointsMax)
    return stride(from: 0, to: pool.endpoints.count, by: step).map {
      pool.endpoints[$0].endpointIndex
    }
  }

  /// Takes durations by occupancy, from a sample of the endpoints if there are many.
  private mutating func learn(_ index: Int, _ pool: Pool, passed: Double) {
    pools[index].shapeFit.take(
      evidence, endpointIndexes: sample(of: pool), passed: passed,
      fleetResponse: pools[index].fleetResponse)
  }

  /// The number of slots that the endpoints' pages agree on within a tenth; nil: they do not.
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
  /// The number of slots that the endpoint's pages show.
  fileprivate func slotsOfPages(now: Nanoseconds) -> Double? {
    fullPages.slots(now: now)
  }

  /// The requests in flight, those of other balancers included; nil: the endpoint takes none.
  fileprivate func loadToServe(interval: Double, now: Nanoseconds) -> Double? {
    guard eligibility.takesNewExchanges else { return nil }
    return capacity.sums.inFlight + capacity.fadedOthersMean(now: now, interval: interval)
  }
}
