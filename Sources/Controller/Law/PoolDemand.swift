// A pool's demand relative to its capacity: the forecast of its requests over the capacity of its
// eligible endpoints, for those who decide how many endpoints there are. A pure value.
import Primitives

package struct PoolDemand: Sendable {
  package internal(set) var forecast = Forecast()
  /// Requests per second that the eligible endpoints can serve; nil: no endpoint's capacity is
  /// known.
  package private(set) var capacity: Double?
  package private(set) var basis = CapacityBasis.busy

  package init() {}

  /// The expected rate in five minutes (the present rate without a forecast) ÷ capacity; 1 is full.
  /// nil if either is unknown or no endpoint is eligible.
  package var ratio: Double? {
    guard let capacity, capacity > 0 else { return nil }
    guard let rate = forecast.expected(.fiveMinutes) ?? forecast.rate else { return nil }
    return rate / capacity
  }

  /// One line for people. Allocates.
  package var text: String {
    guard let rate = forecast.rate else { return "no request rate yet" }
    var parts = ["\(NumberWords.threeDigits(rate)) requests/s"]
    let expected = ForecastHorizon.allCases.compactMap { horizon in
      forecast.expected(horizon).map { "\(NumberWords.threeDigits($0)) in \(horizon.label)" }
    }
    parts.append(
      expected.isEmpty ? "no forecast yet" : "expected " + expected.joined(separator: ", "))
    if let upper = forecast.upper(.fiveMinutes) {
      parts.append("nine times of ten not above \(NumberWords.threeDigits(upper)) in 5m")
    }
    if let capacity {
      parts.append("capacity \(NumberWords.threeDigits(capacity)) by \(basis.rawValue)")
      if let ratio { parts.append("demand \(NumberWords.fixed(ratio))") }
    } else {
      parts.append("capacity not known yet")
    }
    return parts.joined(separator: "; ")
  }

  /// Adds up a pool's capacity. Endpoints of unknown capacity count like the others, in proportion
  /// to the law's weights.
  struct Sum {
    private var capacity: (slots: Double, busy: Double) = (0, 0)
    private var worth: (slots: Double, busy: Double, all: Double) = (0, 0, 0)

    /// Adds an endpoint that takes new exchanges. `worth` is relative to the others; it counts only
    /// above 0.
    mutating func add(_ found: Double?, hasSlots: Bool, worth each: Double) {
      guard each > 0 else { return }
      worth.all += each
      guard let found else { return }
      if hasSlots {
        capacity.slots += found
        worth.slots += each
      } else {
        capacity.busy += found
        worth.busy += each
      }
    }

    var total: (capacity: Double, basis: CapacityBasis)? {
      if worth.slots > 0, worth.slots * 2 >= worth.all {
        return (capacity.slots / worth.slots * worth.all, .slots)
      }
      let known = worth.slots + worth.busy
      guard known > 0 else { return nil }
      return ((capacity.slots + capacity.busy) / known * worth.all, .busy)
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
