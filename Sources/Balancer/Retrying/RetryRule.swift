// Decides which failed attempts are retried. Invariant: only if no byte of the request reached the
// endpoint or the request may be repeated (RFC 9110 §9.2.2, or by its route), and never after a
// byte of an answer was passed on. The budget is checked after this.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Primitives

/// The way in which an attempt failed before its answer began, as far as a retry depends on it.
package enum RetryCause: Int, CaseIterable, Sendable {
  /// No connection was established, so the endpoint received nothing.
  case unsent
  /// The connection was cut, or the answer malformed, before the answer's head was complete.
  case cut
  /// The answer has one of the retry statuses.
  case status
  /// The first byte of the answer did not come in time.
  case timeout
  /// The endpoint had already closed the kept connection; the request is sent again to the same
  /// endpoint on a new connection.
  case stale
  /// The endpoint was found down while it had the request.
  case down

  /// The label for metrics; a finite set.
  package var label: String {
    switch self {
    case .unsent: "unsent"
    case .cut: "cut"
    case .status: "status"
    case .timeout: "timeout"
    case .stale: "stale"
    case .down: "down"
    }
  }
}

/// The reason why a failed attempt was not retried.
package enum RetryRefusal: Int, CaseIterable, Sendable {
  /// The request may already have had its effect.
  case unsafe
  /// The request has more content than is kept.
  case tooLarge
  /// The exchange has made as many retries as its route or pool allows.
  case limit
  /// No other endpoint can take the request.
  case noEndpoint
  /// The retry budget is used up.
  case budget
  /// As many retries as the breaker allows are in flight.
  case breaker

  /// The label for metrics; a finite set.
  package var label: String {
    switch self {
    case .unsafe: "unsafe"
    case .tooLarge: "content_too_large"
    case .limit: "limit"
    case .noEndpoint: "no_endpoint"
    case .budget: "budget"
    case .breaker: "breaker"
    }
  }
}

/// The state of an exchange whose attempt failed.
package struct RetryCase: Sendable {
  /// The way in which the attempt failed.
  package var cause: RetryCause
  /// Whether the request may be repeated (RFC 9110 §9.2.2, or by its route).
  package var isIdempotent: Bool
  /// Every byte sent so far is kept and can be sent again.
  package var isKept: Bool
  /// The number of retries that the exchange may still make.
  package var retriesLeft: Int

  package init(_ cause: RetryCause, isIdempotent: Bool, isKept: Bool, retriesLeft: Int) {
    self.cause = cause
    self.isIdempotent = isIdempotent
    self.isKept = isKept
    self.retriesLeft = retriesLeft
  }

  /// The reason against a retry; nil: the attempt may be retried.
  package var refusal: RetryRefusal? {
    if cause != .unsent, !isIdempotent { return .unsafe }
    if !isKept { return .tooLarge }
    return retriesLeft > 0 ? nil : .limit
  }

  /// A retry of a request that no endpoint has worked on needs no budget.
  package var isCharged: Bool { cause != .unsent }

  /// Whether the retry may go to the endpoint that failed if there is no other.
  package var mayReturn: Bool { cause == .unsent || cause == .cut }
}

/// The wait before a retry at the endpoint that failed. The endpoint may recover meanwhile, and
/// requests that failed together do not return together.
package enum RetryPause {
  private static let first = 0.025

  /// 25 ms, doubled with each earlier pause up to 1.6 s, plus up to a half by chance. `count` is
  /// the number of earlier pauses; `chance` is uniform in 0..<1.
  package static func length(after count: Int, chance: Double) -> Nanoseconds {
    .seconds(first * Double(1 << min(max(count, 0), 6)) * (1 + chance / 2))
  }
}
