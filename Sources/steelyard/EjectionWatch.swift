// Why workers eject endpoints, and by what they are back, for the log, hooks and the status. An
// ejection that the log told lasts until the endpoint takes requests again, whatever health checks
// or operators say of it meanwhile.
import Fleet
import Primitives

struct EjectionWatch {
  /// Why one began.
  struct Beginning {
    /// A word, for the log and hooks.
    let label: String
    /// For people.
    let text: String
    /// Attempts in a row that failed so; 0: not known.
    let failures: Int
  }

  /// When the ones that were told began, by endpoint index.
  private var told: [Int: Nanoseconds] = [:]

  /// A worker has ejected the endpoint.
  mutating func begin(_ endpointIndex: Int, _ evidence: EvidenceBoard, now: Nanoseconds)
    -> Beginning
  {
    told[endpointIndex] = now
    guard let ejection = evidence.ejection(endpointIndex) ?? evidence.lastEjection(endpointIndex)
    else {
      return Beginning(label: "unknown", text: "for a moment", failures: 0)
    }
    return Beginning(
      label: ejection.reason.label, text: ejection.reasonText, failures: ejection.failures)
  }

  /// The endpoint takes requests again; nil where no beginning was told.
  mutating func end(
    _ endpointIndex: Int, _ evidence: EvidenceBoard, now: Nanoseconds
  ) -> (by: ReadmissionCause, seconds: Double)? {
    guard let began = told.removeValue(forKey: endpointIndex) else { return nil }
    let seconds = ((now - began).seconds * 10).rounded() / 10
    return (evidence.readmissionCause(endpointIndex) ?? .silence, seconds)
  }

  /// Forgets endpoints that are gone.
  mutating func keep(endpointIndexes: Set<Int>) {
    told = told.filter { endpointIndexes.contains($0.key) }
  }
}

extension ReadmissionCause {
  /// For the log: snake_case, stable.
  var label: String {
    switch self {
    case .answers: "trial_answers"
    case .connection: "connection"
    case .silence: "time"
    }
  }

  /// For people.
  var text: String {
    switch self {
    case .answers: "readmitted: trial requests ended well"
    case .connection: "readmitted: it takes connections again"
    case .silence: "readmitted: nothing was heard against it for long, and it takes connections"
    }
  }
}
