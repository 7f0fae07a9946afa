// What one page says of one signal: a number, or why there is none. A missing number is never 0.

/// Why a page gave no number for a signal.
package enum Absence: String, Error, Sendable, CaseIterable {
  /// No sample has one of the names and the labels.
  case missing
  /// NaN or infinite, or what was computed is.
  case notFinite
  /// So large that it stands for "not supported" (DCGM's 2^63 − 14 and the like).
  case sentinel
  /// A load or a counter below 0.
  case negative
  /// A rate has no earlier page to be counted from.
  case needsSecondSample
  /// A counter fell: its window is skipped.
  case counterReset
  /// The page says that the process started anew: nothing of before counts.
  case restarted
  /// The name is there, but it is no number (JSON).
  case wrongFormat
  /// The other half of a ratio is 0.
  case divisionByZero
  /// Nothing was observed within the window: there is no mean and no quantile of nothing.
  case noObservations
  /// Fewer than two buckets, or none for `+Inf`.
  case badHistogram
  /// Over `PageReader.seriesMax`.
  case tooManySeries

  /// The page has no number for the signal, and that is all there is to it: the operator's `absent`
  /// may stand for it. Otherwise it is only not known yet, or wrong.
  var isNoNumber: Bool {
    switch self {
    case .missing, .notFinite, .sentinel, .divisionByZero, .noObservations: true
    case .negative, .needsSecondSample, .counterReset, .restarted, .wrongFormat, .badHistogram,
      .tooManySeries:
      false
    }
  }

  /// The value of a metric label, finite by construction.
  package var label: String {
    switch self {
    case .missing: "missing"
    case .notFinite: "not_finite"
    case .sentinel: "sentinel"
    case .negative: "negative"
    case .needsSecondSample: "needs_second_sample"
    case .counterReset: "counter_reset"
    case .restarted: "restarted"
    case .wrongFormat: "wrong_format"
    case .divisionByZero: "division_by_zero"
    case .noObservations: "no_observations"
    case .badHistogram: "bad_histogram"
    case .tooManySeries: "too_many_series"
    }
  }
}

extension Absence {
  /// For people.
  package var detail: String {
    switch self {
    case .missing: "not on the page"
    case .notFinite: "NaN or infinite"
    case .sentinel: "so large that it means \"not supported\""
    case .negative: "below 0"
    case .needsSecondSample: "a rate needs two pages that have it"
    case .counterReset: "a counter fell between the pages"
    case .restarted: "the process began anew between the pages"
    case .wrongFormat: "no number"
    case .divisionByZero: "a division by 0"
    case .noObservations: "nothing happened between the pages"
    case .badHistogram: "a histogram without all of its buckets"
    case .tooManySeries: "more than \(PageReader.seriesMax) series"
    }
  }
}

/// A signal on one page.
package enum SignalReading: Sendable, Equatable {
  /// Finite; after scale and complement.
  case value(Double)
  /// The signal's `absent` number stands for what the page lacks.
  case assumed(Double, Absence)
  case absent(Absence)

  /// The number, nil where there is none.
  package var value: Double? {
    switch self {
    case .value(let value), .assumed(let value, _): value
    case .absent: nil
    }
  }
}

/// All that a page said.
package struct PageReading: Sendable, Equatable {
  /// One for each signal of the source, in its order.
  package var readings: [SignalReading]
  /// Lines that were refused; the others count.
  package var parseErrorCount = 0
  /// Such as `line 3, column 9: bad_number`, of the first of them.
  package var firstParseError: String?
  /// `process_start_time_seconds` changed since the page before.
  package var didRestart = false
}
