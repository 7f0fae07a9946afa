// What an attempt's end says of the endpoint that was asked.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Fleet
package import Primitives

/// The outcome of an attempt, as a success or a failure of the endpoint.
package enum AttemptOutcome: Sendable, Equatable {
  /// A complete answer below 400.
  case completed
  /// 429 (RFC 6585 §4) or 503: the endpoint has more load than it wants. Not a failure of the
  /// endpoint, but no completed work either. The value is the wait that it asks for (Retry-After);
  /// zero: none.
  case overloaded(Nanoseconds)
  /// Another 4xx: the client's fault, or the endpoint's if other endpoints give none. No completed
  /// work: a quick error says nothing about speed.
  case rejected
  case failed(AttemptFailure)
  /// The client went away, or the endpoint was never reached: says nothing about the endpoint.
  case abandoned
  /// The client went away before any byte of an answer, long after answers usually come: it counts
  /// like a time-out of our own.
  case givenUp
}

extension AttemptOutcome {
  /// The outcome of a complete answer. `failures` are the statuses that count as the endpoint's
  /// failure.
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
  /// What an answer of steelyard's own says about the endpoint.
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
