// The laws `steps` and `headroom` as pure functions: usable signals → a share of the base weight.
// `static` has no law. A signal without a usable number is left out of the signals.
package import Fleet

/// A signal with a usable number.
package struct LawSignal: Sendable, Equatable {
  package var name: String
  package var value: Double
  package var isStale: Bool
  package var thresholds: SignalSpec.Thresholds?
  package var isRatio: Bool

  /// Requires: a finite value.
  package init(
    name: String, value: Double, isStale: Bool = false, thresholds: SignalSpec.Thresholds? = nil,
    isRatio: Bool = false
  ) {
    self.name = name
    self.value = value
    self.isStale = isStale
    self.thresholds = thresholds
    self.isRatio = isRatio
  }
}

/// A law's result for one endpoint.
package struct LawVerdict: Sendable, Equatable {
  /// Target weight ÷ base weight.
  package var factor: Double
  /// Range 0...1.
  package var loadRatio: Double
  /// Whether a number that the verdict is based on is stale.
  package var isStale: Bool
  var basis: Basis

  /// What the verdict is based on.
  enum Basis: Sendable, Equatable {
    case nearest(LawSignal, SignalSpec.Thresholds)
    case mean([LawSignal])
  }
}

package enum ControlLaw {
  /// The load of a number: its position between normal (0) and alarm (1).
  package static func load(of value: Double, _ thresholds: SignalSpec.Thresholds) -> Double {
    guard thresholds.alarm > thresholds.normal else { return value >= thresholds.alarm ? 1 : 0 }
    let load = (value - thresholds.normal) / (thresholds.alarm - thresholds.normal)
    return min(max(load, 0), 1)
  }

  /// The highest load of the signals with thresholds decides; nil: there are none.
  /// factor = floor + (1 − floor)(1 − load): at floor 5 %, load 0 → 1, ½ → .525, 1 → .05.
  package static func headroom(_ signals: [LawSignal], floorRatio: Double) -> LawVerdict? {
    var decider: (signal: LawSignal, thresholds: SignalSpec.Thresholds, load: Double)?
    for signal in signals {
      guard let thresholds = signal.thresholds else { continue }
      let load = load(of: signal.value, thresholds)
      if let best = decider {
        // Among equal loads, the signal nearest to its alarm is reported.
        let isNearer =
          signal.value * best.thresholds.alarm > best.signal.value * thresholds.alarm
        guard load > best.load || load == best.load && isNearer else { continue }
      }
      decider = (signal, thresholds, load)
    }
    guard let decider else { return nil }
    return LawVerdict(
      factor: floorRatio + (1 - floorRatio) * (1 - decider.load), loadRatio: decider.load,
      isStale: signals.contains { $0.thresholds != nil && $0.isStale },
      basis: .nearest(decider.signal, decider.thresholds))
  }

  /// The mean of the utilisations, in percent, looked up in the table; nil: there are none.
  package static func steps(_ signals: [LawSignal], _ table: StepTable) -> LawVerdict? {
    let ratios = signals.filter(\.isRatio)
    guard !ratios.isEmpty else { return nil }
    let sum = ratios.reduce(0) { $0 + min(max($1.value, 0), 1) }
    let load = sum / Double(ratios.count)
    let weight = stepWeight(loadPercent: load * 100, table)
    return LawVerdict(
      factor: weight, loadRatio: load, isStale: ratios.contains(where: \.isStale),
      basis: .mean(ratios))
  }

  /// The weight of the first row whose bound the load is below.
  package static func stepWeight(loadPercent: Double, _ table: StepTable) -> Double {
    // 0.57 × 100 is 56.99…: the operator wrote 57.
    let load = (loadPercent * 1e9).rounded() / 1e9
    for row in table.rows where load < row.below { return row.weight }
    return table.otherwise
  }

  /// The mean of the middle two values if the count is even; nil: no values.
  package static func median(_ values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let sorted = values.sorted()
    let middle = sorted.count / 2
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}
