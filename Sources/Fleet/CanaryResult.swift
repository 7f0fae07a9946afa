// The result of a canary, the operator's request that tries an endpoint.

/// The result of a canary.
package enum CanaryResult: Sendable, Equatable {
  case good
  /// A good answer that took much longer than usual.
  case late
  case failed(PollFailure.Kind)

  /// The label for metrics, log and JSON: finite, stable.
  package var label: String {
    switch self {
    case .good: "good"
    case .late: "late"
    case .failed(let kind): kind.label
    }
  }

  /// All possible results.
  package static let all: [CanaryResult] = [
    .good, .late, .failed(.status), .failed(.timeout), .failed(.refused), .failed(.unreachable),
    .failed(.cut), .failed(.tls), .failed(.badHTTP), .failed(.tooLarge), .failed(.local),
  ]

  /// Whether the result is definite evidence against the endpoint. A redirect, a client error and
  /// an answer that is too long may be caused by the operator's request, and a local failure says
  /// nothing about the endpoint.
  package func isDefinite(status: Int) -> Bool {
    switch self {
    case .good, .failed(.local), .failed(.tooLarge): false
    case .failed(.status): status >= 500
    case .late, .failed: true
    }
  }
}
