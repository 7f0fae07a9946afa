// Why the watchdog takes an endpoint out.

/// Why an endpoint counts as stalled.
package enum StallCause: UInt8, Sendable, CaseIterable {
  /// Its page shows work, but its work counter does not move.
  case noProgress
  /// It has requests of ours and sends no content, while others do.
  case noContent
  /// It has work and answers neither scrapes nor checks.
  case noAnswer

  /// The value of a metric label, finite by construction.
  package var label: String {
    switch self {
    case .noProgress: "no_progress"
    case .noContent: "no_content"
    case .noAnswer: "no_answer"
    }
  }
}
