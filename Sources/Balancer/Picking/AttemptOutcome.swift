// The outcome of an attempt, as evidence about its endpoint. Invariant: every end of an attempt has
// exactly one outcome.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Fleet
package import Primitives

/// The outcome of an attempt, as a success or a failure of the endpoint.
package enum AttemptOutcome: Sendable, Equatable {
  /// A complete answer with a status below 400.
  case completed
  /// 429 (RFC 6585 §4) or 503: the endpoint has more load than it wants. This is no failure of the
  /// endpoint, but no completed work either. The value is the wait that it asks for (Retry-After);
  /// zero: none.
  case overloaded(Nanoseconds)
  /// Another 4xx: the fault of the client, or of the endpoint if other endpoints give none. It is
  /// no completed work: a quick error says nothing about speed.
  case rejected
  case failed(AttemptFailure)
  /// The client left, or the endpoint was never reached: no evidence about the endpoint.
  case abandoned
  /// The client left before any byte of an answer, long after answers usually come. This counts
  /// like a timeout.
  case givenUp
}

extension AttemptOutcome {
  /// The outcome of a complete answer. `failures` are the statuses that count as failures of the
  /// endpoint.
  init(status: Int, failures: RetryStatuses, retryAfter: Nanoseconds = .zero) {
    if status < 400 {
      self = .completed
    } else if failures.contains(status) {
      self = .failed(.status)
    } else {
      self = status == 429 || status == 503 ? .overloaded(retryAfter) : .rejected
    }
  }
}

extension LocalReason {
  /// The outcome of an attempt that ended with this answer of steelyard.
  var outcome: AttemptOutcome {
    switch self {
    case .connectFailed: .failed(.unreachable)
    case .connectTimeout, .firstByteTimeout, .sendTimeout, .exchangeTimeout, .endpointDown:
      .failed(.timeout)
    case .badResponse: .failed(.malformed)
    default: .abandoned
    }
  }
}
