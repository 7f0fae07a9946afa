// Reports why a message was refused or an attempt failed. Invariant: the reason is noted where it
// occurs, and reported once it is known what the client gets.
// HOT PATH: no allocation, no lock, no existential.
import HTTP
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// Reports a refused message of the client. Requires: an exchange runs, if only for the answer.
  mutating func reportRefusal(_ id: ExchangeID, _ error: HeadError, _ end: FailureEnd) {
    report(id, .malformed(error), endpointIndex: -1, end)
  }

  /// Reports a failed attempt at the endpoint.
  mutating func report(
    _ id: ExchangeID, _ reason: FailureReason, endpointIndex: Int, _ end: FailureEnd
  ) {
    let client = exchanges[id].pointee.sender.address
    context.metrics.failures.report(
      FailureNote(
        reason: reason, end: end, client: client,
        endpointIndex: Int32(truncatingIfNeeded: endpointIndex)),
      worker: workerIndex)
  }

  /// Reports an answer that had begun and is cut.
  mutating func reportCut(_ id: ExchangeID, _ reason: FailureReason) {
    guard let endpointIndex = exchanges[id].pointee.lease?.endpointIndex else { return }
    report(id, reason, endpointIndex: endpointIndex, .cut)
  }

  /// Fails the attempt, because the endpoint's message is refused.
  mutating func answerRefused(_ id: ExchangeID, _ error: HeadError) {
    exchanges[id].pointee.failure = .malformed(error)
    attemptFailed(id, .badResponse, isUnsent: false)
  }

  /// Takes the reason noted for the failing attempt, or that of the local reason; nil: the endpoint
  /// is not at fault.
  mutating func takeFailure(_ id: ExchangeID, _ reason: LocalReason) -> FailureReason? {
    let noted = exchanges[id].pointee.failure
    exchanges[id].pointee.failure = nil
    if let noted { return noted }
    switch reason {
    case .connectTimeout: return .connection(.connectTimeout)
    case .firstByteTimeout, .exchangeTimeout: return .connection(.firstByteTimeout)
    case .sendTimeout: return .connection(.sendTimeout)
    default: return nil
    }
  }

  /// What the client gets instead of the answer: an earlier endpoint's answer if one was kept.
  mutating func failureEnd(_ id: ExchangeID, _ reason: LocalReason) -> FailureEnd {
    let kept = exchanges[id].pointee.kept
    return .answered(kept.held.isEmpty ? Int16(reason.status) : kept.status)
  }
}
