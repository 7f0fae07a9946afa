// The times when noted ejections began. Such an ejection lasts until the endpoint takes requests
// again, whatever health checks or operators do meanwhile.
import Fleet
import Primitives

/// The ejections of all endpoints. Bounded by the number of endpoints.
struct EjectionWatch {
  /// The begin of each ejection, by endpoint index.
  private var begun: [Int: Nanoseconds] = [:]

  /// Notes an ejection by a worker. Returns its reason, if that is still known.
  mutating func begin(_ endpointIndex: Int, _ evidence: EvidenceBoard, now: Nanoseconds)
    -> Ejection?
  {
    begun[endpointIndex] = now
    return evidence.ejection(endpointIndex) ?? evidence.lastEjection(endpointIndex)
  }

  /// Notes that the endpoint takes requests again. Returns why, and the duration of the ejection;
  /// nil: its begin was not noted.
  mutating func end(
    _ endpointIndex: Int, _ evidence: EvidenceBoard, now: Nanoseconds
  ) -> EndpointChange.Readmission? {
    guard let began = begun.removeValue(forKey: endpointIndex) else { return nil }
    return EndpointChange.Readmission(
      cause: evidence.readmissionCause(endpointIndex) ?? .silence,
      seconds: ((now - began).seconds * 10).rounded() / 10)
  }

  /// Forgets an endpoint that is gone.
  mutating func forget(_ endpointIndex: Int) { begun[endpointIndex] = nil }

  /// Forgets endpoints that are gone.
  mutating func keep(endpointIndexes: Set<Int>) {
    begun = begun.filter { endpointIndexes.contains($0.key) }
  }
}
