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

extension Controller {
  /// The presets of servers that batch continuously.
  private static let engines: Set<String> = ["vllm", "sglang", "tgi", "trtllm", "lmdeploy"]
  /// Between two looks, seconds.
  private static let shapeInterval = 1.0
  /// The fullness from which on the delay of others becomes dearer, and over what it doubles.
  private static let fillMin = 0.8
  private static let fillRange = 0.2

  /// Tells the workers how the pool's endpoints slow down. Once a second.
  mutating func shape(_ index: Int, _ pool: Pool, passed: Double, now: Nanoseconds) {
    pools[index].sinceShape += passed
    guard pools[index].sinceShape >= Self.shapeInterval else { return }
    let waited = pools[index].sinceShape
    pools[index].sinceShape = 0
    let shared = sharedSlots(pool, now)
    let isEngine =
      pool.weights.scrapes.contains { Self.engines.contains($0.preset ?? "") }
    let knowsAll = pool.endpoints.allSatisfy { $0.concurrency != nil }
    let isLearnt = !knowsAll && !isEngine && shared == nil
    if isLearnt { learn(index, pool, passed: waited) }
    takeFill(index, pool, shared ?? pools[index].learntSlots, now)
    let marginal = (1 + min(max((pools[index].fill - Self.fillMin) / Self.fillRange, 0), 1))
    // In steps, so that tables are not made anew each second.
    let price = (marginal * 10).rounded() / 10
    let learnt = isLearnt ? pools[index].shapeFit.shape(marginal: price) : .unknown
    pools[index].learntSlots =
      learnt.knee > 1 && learnt.knee.isFinite ? learnt.knee : nil
    let (sizeSlope, sizeMean) = isEngine ? sizes(index, pool, passed: waited) : (0, 0)
    for place in pool.endpoints.indices {
      let endpoint = pool.endpoints[place]
      let shape: ServiceShape
      if let slots = endpoint.concurrency {
        shape = .slots(slots, marginal: price)
      } else if isEngine {
        shape = .engine
      } else if let shared {
        shape = .slots(shared, marginal: price)
      } else {
        shape = learnt
      }
      hints.setShape(endpoint.slot, shape, sizeSlope: sizeSlope, sizeMean: sizeMean)
    }
  }

  /// How much the length of a request's content is to count in a pick, and what its mean is. An
  /// engine decodes for everybody while it reads a long prompt: a long one belongs where few are
  /// delayed. Where a request takes as long as it is long, that is no prompt.
  private mutating func sizes(
    _ index: Int, _ pool: Pool, passed: Double
  ) -> (slope: Double, mean: Double) {
    pools[index].sizeFit.take(evidence, slots: sample(of: pool), passed: passed)
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
    return stride(from: 0, to: pool.endpoints.count, by: step).map { pool.endpoints[$0].slot }
  }

  /// Takes what requests took by what was in flight, of some endpoints if there are many.
  private mutating func learn(_ index: Int, _ pool: Pool, passed: Double) {
    pools[index].shapeFit.take(
      evidence, slots: sample(of: pool), passed: passed, fleetResponse: pools[index].fleetResponse)
  }

  /// The slots that the endpoints' pages agree on within a tenth; nil: they do not.
  private mutating func sharedSlots(_ pool: Pool, _ now: Nanoseconds) -> Double? {
    var known: [Double] = []
    for place in pool.endpoints.indices {
      if let slots = endpoints[pool.endpoints[place].slot]?.slotsOfPages(now: now) {
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
    for place in pool.endpoints.indices {
      let endpoint = pool.endpoints[place]
      guard let own = endpoint.concurrency ?? shared, !evidence.isEjected(endpoint.slot),
        let load = endpoints[endpoint.slot]?.loadToServe(
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
    return capacity.sums.inFlight + capacity.fadedForeignMean(now: now, interval: interval)
  }
}
