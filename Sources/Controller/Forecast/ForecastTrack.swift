// One horizon of a forecast: the forecast of each candidate, its error, and the weighted result. A
// candidate's weight is (smallest error ÷ own error)^8, with errors that decay: the best one
// dominates, near equals are averaged, and a bad one has no influence.

/// The forecasts of the candidates: the present rate, steady, with a trend, with a season.
typealias ForecastCandidates = SIMD4<Double>

struct ForecastTrack: Sendable {
  /// The number of errors kept, one a minute: six hours.
  static let errorCount = 360
  static let errorStride = 6
  /// A forecast that has not been compared yet.
  private struct Pending {
    var index = -1
    var candidates = ForecastCandidates.zero
    var expected = 0.0
  }

  let horizon: ForecastHorizon
  private var pending: [Pending]
  /// The mean absolute error of each candidate.
  private var candidateErrors = ForecastCandidates.zero
  private var comparisons = 0
  private var errors = [Float](repeating: 0, count: errorCount)
  private var errorsTaken = 0
  /// The last forecast; nil before one could be compared.
  private(set) var expected: Double?

  init(_ horizon: ForecastHorizon) {
    self.horizon = horizon
    pending = [Pending](repeating: Pending(), count: horizon.binCount)
  }

  /// The decay time of the candidates' errors, in bins.
  private var memory: Double { horizon == .quarterHour ? 720 : 360 }

  /// Drops pending forecasts, which would be compared with a time in which nothing was counted.
  mutating func forget() {
    for each in pending.indices { pending[each].index = -1 }
    expected = nil
  }

  /// Compares forecasts with the rate of the minute that ends with bin `index`.
  mutating func compare(_ actual: Double, index: Int) {
    let issued = pending[index % pending.count]
    guard issued.index >= 0, issued.index == index - horizon.binCount else { return }
    comparisons += 1
    let gain = max(1 / memory, 1 / Double(comparisons))
    let distance = issued.candidates - ForecastCandidates(repeating: actual)
    var wrong = ForecastCandidates.zero
    for each in wrong.indices { wrong[each] = abs(distance[each]) }
    candidateErrors += gain * (wrong - candidateErrors)
    guard comparisons % Self.errorStride == 0 else { return }
    errors[errorsTaken % Self.errorCount] = Float(actual - issued.expected)
    errorsTaken += 1
  }

  /// Takes the candidates' forecasts at the end of bin `index`.
  mutating func forecast(_ candidates: ForecastCandidates, index: Int) {
    // Before the first comparison: the present rate.
    let value = comparisons == 0 ? candidates[0] : weighed(candidates)
    pending[index % pending.count] = Pending(
      index: index, candidates: candidates, expected: value)
    expected = comparisons == 0 ? nil : value
  }

  private func weighed(_ candidates: ForecastCandidates) -> Double {
    let least = candidateErrors.min() + 1e-9
    var (sum, weights) = (0.0, 0.0)
    for each in candidates.indices {
      let ratio = least / (candidateErrors[each] + 1e-9)
      let square = ratio * ratio
      // The eighth power.
      let weight = square * square * (square * square)
      weights += weight
      sum += weight * candidates[each]
    }
    return sum / weights
  }

  /// The errors kept. Allocates.
  var error: ForecastError? {
    let count = min(errorsTaken, Self.errorCount)
    guard count >= Forecast.errorsMin else { return nil }
    let sorted = errors.prefix(count).sorted()
    let mean = sorted.reduce(0.0) { $0 + Double(abs($1)) } / Double(count)
    let rank = Int((0.9 * Double(count)).rounded(.up)) - 1
    return ForecastError(mean: mean, upper: Double(sorted[rank]), count: count)
  }
}
