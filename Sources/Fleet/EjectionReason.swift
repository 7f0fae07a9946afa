// Why passive health took an endpoint out, as workers tell everybody else.

import Primitives

/// Why an endpoint was ejected. A finite set: the label stands in the log and in metrics.
public enum EjectionReason: Int, CaseIterable, Sendable {
  /// It refused connections.
  case refused = 1
  /// It closed or reset connections before an answer's head was complete, or could not be reached.
  case unreachable
  /// It cut answers of which clients had a part already.
  case truncated
  /// It answered with statuses that count as failures, by default 5xx but 503.
  case status
  /// It answered with something that is no HTTP.
  case malformed
  /// Requests were given up for their time.
  case timeout
  /// Its answers take far longer than the others'.
  case slow
  /// It completed nothing, and answered 429 or 503 instead, while others completed requests.
  case overloaded
  /// It answered with client errors (4xx) where the others do not.
  case clientErrors
  /// Scrapes of its page failed shortly after a request.
  case scrapes
  /// It stood still, and is tried again.
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
  /// For people.
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
