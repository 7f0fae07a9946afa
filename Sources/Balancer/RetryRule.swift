// Which failed attempts are made again: only where nothing of the request reached the endpoint, or
// where it may be repeated (RFC 9110 §9.2.2, or the route says so), and never once a byte of an
// answer was passed on. The budget is asked after this.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Primitives

/// How an attempt failed before its answer began, as far as a repeat is concerned.
package enum RetryCause: Int, CaseIterable, Sendable {
  /// No connection: the endpoint has seen nothing.
  case unsent
  /// Cut, or no HTTP, before the answer's head was complete.
  case cut
  /// An answer with a status of the list.
  case status
  /// No first byte in time.
  case timeout
  /// A kept connection that the endpoint had closed already: sent again on a new one, to it.
  case stale
  /// The endpoint was found to be down while it had the request.
  case down

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

/// Why an attempt was not made again although it failed.
package enum RetryRefusal: Int, CaseIterable, Sendable {
  /// The request may have had its effect already.
  case unsafe
  /// More content than is kept.
  case tooLarge
  /// As often as the pool allows.
  case limit
  /// No other endpoint would take it.
  case noEndpoint
  /// The budget is used up.
  case budget
  /// As many repeats as the breaker allows run now.
  case breaker

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

/// What is known of an exchange whose attempt failed.
package struct RetryCase: Sendable {
  package var cause: RetryCause
  package var isIdempotent: Bool
  /// What was sent so far is still there to be sent again.
  package var isKept: Bool
  package var retriesLeft: Int

  package init(_ cause: RetryCause, isIdempotent: Bool, isKept: Bool, retriesLeft: Int) {
    self.cause = cause
    self.isIdempotent = isIdempotent
    self.isKept = isKept
    self.retriesLeft = retriesLeft
  }

  /// nil where the attempt may be made again.
  package var refusal: RetryRefusal? {
    if cause != .unsent, !isIdempotent { return .unsafe }
    if !isKept { return .tooLarge }
    return retriesLeft > 0 ? nil : .limit
  }

  /// A retry that costs no endpoint any work needs no budget.
  package var isCharged: Bool { cause != .unsent }

  /// Whether it may go to the endpoint that failed where there is no other.
  package var mayReturn: Bool { cause == .unsent || cause == .cut }
}

/// How long a repeat at the endpoint that failed waits: it may be better by then, and the requests
/// that failed together do not come back together.
package enum RetryPause {
  private static let first = 0.025

  /// 25 ms, doubled with each pause before, 1.6 s at most, and up to a half more by chance.
  /// `count` is how many there were; `chance` is uniform in 0..<1.
  package static func length(after count: Int, chance: Double) -> Nanoseconds {
    .seconds(first * Double(1 << min(max(count, 0), 6)) * (1 + chance / 2))
  }
}
