// What a pool is asked for against what it can do: the forecast of its requests over the capacity
// of its eligible endpoints, for whoever decides how many endpoints there shall be. A pure value.
import Primitives

package struct PoolDemand: Sendable {
  package internal(set) var forecast = Forecast()
  /// Requests a second that the eligible endpoints can do; nil while none of them is known.
  package private(set) var capacity: Double?
  package private(set) var basis = CapacityBasis.sharing

  package init() {}

  /// Expected rate in five minutes (the rate now while there is no forecast) ÷ capacity: 1 is full.
  /// nil while either is unknown, and where no endpoint is eligible.
  package var ratio: Double? {
    guard let capacity, capacity > 0 else { return nil }
    guard let rate = forecast.expected(.fiveMinutes) ?? forecast.rate else { return nil }
    return rate / capacity
  }

  /// Adds up a pool's capacity, endpoint by endpoint.
  struct Sum {
    private var known = 0.0
    private var knownBases = 0.0
    private var bases = 0.0
    private var isSharing = false

    /// An endpoint that takes new exchanges, with its base weight. Unknown ones count like the
    /// known ones, by their base weights.
    mutating func add(_ capacity: Double?, base: Double, hasSlots: Bool) {
      guard base > 0 else { return }
      bases += base
      guard let capacity else { return }
      known += capacity
      knownBases += base
      if !hasSlots { isSharing = true }
    }

    var total: (capacity: Double, basis: CapacityBasis)? {
      guard knownBases > 0 else { return nil }
      return (known / knownBases * bases, isSharing ? .sharing : .slots)
    }
  }

  mutating func set(_ sum: Sum) {
    guard let total = sum.total else {
      capacity = nil
      return
    }
    (capacity, basis) = total
  }
}
