// Which of its two sides steelyard has a connection with.

/// The other end of a connection.
package enum ConnectionSide: Int, CaseIterable, Sendable {
  case client, endpoint

  /// The label for metrics.
  package var label: String { "\(self)" }
}
