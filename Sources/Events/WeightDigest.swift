// The changes of weights that the log has at `info`: a factor of two within a minute, and a floor
// that is reached or left. Pure: the caller passes the present weights once a second.
package import Primitives

/// The weights of the last minute. Bounded by the fleet's size.
package struct WeightDigest {
  /// The present state of an endpoint.
  package struct View {
    package var endpointIndex: Int
    package var address: SocketAddress
    /// The effective weight.
    package var weight: Double
    /// The law keeps the weight at its floor.
    package var isAtFloor: Bool

    package init(endpointIndex: Int, address: SocketAddress, weight: Double, isAtFloor: Bool) {
      (self.endpointIndex, self.address) = (endpointIndex, address)
      (self.weight, self.isAtFloor) = (weight, isAtFloor)
    }
  }

  /// Weights of one pool that moved by a factor of two or more.
  package struct Moved: Equatable {
    package var count: Int
    /// The endpoint whose weight moved most.
    package var endpointIndex: Int
    package var address: SocketAddress
    package var from: Double
    package var to: Double
  }

  /// A floor that was reached or left.
  package struct Floor: Equatable {
    package var endpointIndex: Int
    package var address: SocketAddress
    package var weight: Double
    package var isReached: Bool
  }

  private struct Memory {
    var pool: String
    var address: SocketAddress
    /// The last `count` weights, `step` apart, the oldest first.
    var samples = SIMD8<Double>(repeating: 0)
    var count = 0
    var isAtFloor: Bool
    /// The time when the weight reached or left its floor.
    var floorSince: Nanoseconds

    mutating func append(_ weight: Double) {
      if count == samples.scalarCount - 2 {
        for index in 0..<(count - 1) { samples[index] = samples[index + 1] }
        count -= 1
      }
      samples[count] = weight
      count += 1
    }
  }

  /// The time between two samples; six of them are a minute.
  private static let step = Nanoseconds.seconds(10)
  private static let factorMin = 2.0
  /// The shortest time at the floor, or off it, that is logged.
  private static let floorMin = Nanoseconds.seconds(5)

  /// By endpoint index.
  private var endpoints: [Memory?] = []
  private var toldAt: [String: Nanoseconds] = [:]
  private var sampledAt: [String: Nanoseconds] = [:]
  private var lookedAt: Nanoseconds?

  package init() {}

  /// Whether a second has passed since the last `true`.
  package mutating func isDue(_ now: Nanoseconds) -> Bool {
    if let lookedAt, now - lookedAt < .seconds(1) { return false }
    lookedAt = now
    return true
  }

  /// Forgets pools that no longer exist. To be called after a reload.
  package mutating func keep(pools names: Set<String>) {
    for index in endpoints.indices where !names.contains(endpoints[index]?.pool ?? "") {
      endpoints[index] = nil
    }
    toldAt = toldAt.filter { names.contains($0.key) }
    sampledAt = sampledAt.filter { names.contains($0.key) }
  }

  /// The changes of a pool. Moved weights are logged once in ten seconds at most; after that they
  /// are compared with their weight at that time.
  package mutating func look(
    at pool: String, count: Int, now: Nanoseconds, _ view: (Int) -> View
  ) -> (moved: Moved?, floors: [Floor]) {
    let isSample = sampledAt[pool].map { now - $0 >= Self.step } ?? true
    if isSample { sampledAt[pool] = now }
    let mayTell = toldAt[pool].map { now - $0 >= Self.step } ?? true
    var moved: Moved?
    var best = Self.factorMin
    var floors: [Floor] = []
    for index in 0..<count {
      let view = view(index)
      while endpoints.count <= view.endpointIndex { endpoints.append(nil) }
      var memory = Memory(
        pool: pool, address: view.address, isAtFloor: view.isAtFloor, floorSince: now)
      if let known = endpoints[view.endpointIndex], known.address == view.address,
        known.pool == pool
      {
        memory = known
      }
      if mayTell, let from = Self.reference(memory, view.weight) {
        let factor = max(view.weight / from, from / view.weight)
        let count = (moved?.count ?? 0) + 1
        if factor >= best || moved == nil {
          best = factor
          moved = Moved(
            count: count, endpointIndex: view.endpointIndex, address: view.address, from: from,
            to: view.weight)
        } else {
          moved?.count = count
        }
        memory.count = 0
      }
      if isSample || memory.count == 0, view.weight > 0 { memory.append(view.weight) }
      if memory.isAtFloor == view.isAtFloor {
        memory.floorSince = now
      } else if now - memory.floorSince >= Self.floorMin {
        memory.isAtFloor = view.isAtFloor
        floors.append(
          Floor(
            endpointIndex: view.endpointIndex, address: view.address, weight: view.weight,
            isReached: view.isAtFloor))
      }
      endpoints[view.endpointIndex] = memory
    }
    if moved != nil { toldAt[pool] = now }
    return (moved, floors)
  }

  /// The weight within the last minute that differs most from `weight`, by a factor of two or more.
  private static func reference(_ memory: Memory, _ weight: Double) -> Double? {
    guard weight > 0 else { return nil }
    var found: Double?
    var best = factorMin
    for index in 0..<memory.count {
      let from = memory.samples[index]
      let factor = max(weight / from, from / weight)
      if factor >= best { (best, found) = (factor, from) }
    }
    return found
  }
}
