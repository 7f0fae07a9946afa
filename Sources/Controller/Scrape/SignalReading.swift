// What one page says about one signal: a number, or why there is none. A missing number is never 0.

/// Why a page gave no number for a signal.
package enum Absence: String, Error, Sendable, CaseIterable {
  /// No sample has one of the names and matching labels.
  case missing
  /// The number is NaN or infinite, or what was computed from it is.
  case notFinite
  /// The number is so large that it means "not supported" (DCGM's 2^63 − 14 and the like).
  case sentinel
  /// A load or a counter is below 0.
  case negative
  /// A rate needs an earlier page.
  case needsSecondSample
  /// A counter was reset: its window is skipped.
  case counterReset
  /// The page shows that the process restarted: earlier pages do not count.
  case restarted
  /// The value is there but not a number (JSON).
  case wrongFormat
  /// The divisor of a ratio is 0.
  case divisionByZero
  /// Nothing was observed within the window, so that there is no mean and no quantile.
  case noObservations
  /// Fewer than two buckets, or none for `+Inf`.
  case badHistogram
  /// There are more than `PageReader.seriesMax` series.
  case tooManySeries

  /// The page has no number for the signal, and for no other reason than its absence: the
  /// operator's `absent` may replace it. Otherwise the number is unknown for now, or wrong.
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
  /// The signal's `absent` number, used for the given reason.
  case assumed(Double, Absence)
  case absent(Absence)

  /// The number; nil: there is none.
  package var value: Double? {
    switch self {
    case .value(let value), .assumed(let value, _): value
    case .absent: nil
    }
  }
}

/// The result of reading one page.
package struct PageReading: Sendable, Equatable {
  /// The readings of the source's signals, in the same order.
  package var readings: [SignalReading]
  /// The signals whose counters did not move since the previous page, while their last rate still
  /// holds.
  package var held: Set<Int> = []
  /// The number of malformed lines; the other lines count.
  package var parseErrorCount = 0
  /// The first error, such as `line 3, column 9: bad_number`.
  package var firstParseError: String?
  /// `process_start_time_seconds` changed since the previous page.
  package var didRestart = false
}
