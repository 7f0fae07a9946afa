// Why passive health ejected an endpoint, as workers publish it for the other threads.

import Primitives

/// Why an endpoint was ejected. The set is finite; its labels stand in the log and in metrics.
public enum EjectionReason: Int, CaseIterable, Sendable {
  /// It refused connections.
  case refused = 1
  /// It closed or reset connections before the head of an answer was complete, or it was
  /// unreachable.
  case unreachable
  /// It cut answers after clients had received a part of them.
  case truncated
  /// It answered with failure statuses, by default 5xx except 503.
  case status
  /// Its answers were not valid HTTP.
  case malformed
  /// Requests to it timed out.
  case timeout
  /// Its answers take far longer than those of the other endpoints.
  case slow
  /// It completed no request and answered 429 or 503, while other endpoints completed requests.
  case overloaded
  /// It answered with client errors (4xx) where other endpoints do not.
  case clientErrors
  /// Scrapes of its metrics page failed shortly after a request.
  case scrapes
  /// It was stalled, and is now on trial.
  case stalled

  /// For the log, metrics and JSON: snake_case, stable.
  public var label: String {
    switch self {
    case .refused: "connection_refused"
    case .unreachable: "connection_cut"
    case .truncated: "answer_cut"
    case .status: "status"
    case .malformed: "bad_response"
    case .timeout: "timeout"
    case .slow: "slow"
    case .overloaded: "overloaded"
    case .clientErrors: "client_errors"
    case .scrapes: "scrapes"
    case .stalled: "stalled"
    }
  }
}

extension EjectionReason {
  /// A phrase for people.
  package var words: String {
    switch self {
    case .refused: "connection refused"
    case .unreachable: "connection cut before an answer"
    case .truncated: "answer cut"
    case .status: "failure status"
    case .malformed: "bad response"
    case .timeout: "timeout"
    case .slow: "far slower than the others"
    case .overloaded: "completes nothing and answers 429 or 503"
    case .clientErrors: "client errors that the others do not give"
    case .scrapes: "scrapes and a request failed"
    case .stalled: "stood still"
    }
  }
}
