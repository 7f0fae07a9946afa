// When ejections that were noted began. Such an ejection lasts until the endpoint takes requests
// again, whatever health checks or operators say of it meanwhile.
import Fleet
import Primitives

/// Bounded by the fleet's size.
struct EjectionWatch {
  /// When they began, by endpoint index.
  private var begun: [Int: Nanoseconds] = [:]

  /// A worker has ejected the endpoint; gives why, where that is still known.
  mutating func begin(_ endpointIndex: Int, _ evidence: EvidenceBoard, now: Nanoseconds)
    -> Ejection?
  {
    begun[endpointIndex] = now
    return evidence.ejection(endpointIndex) ?? evidence.lastEjection(endpointIndex)
  }

  /// The endpoint takes requests again; nil where no beginning was noted.
  mutating func end(
    _ endpointIndex: Int, _ evidence: EvidenceBoard, now: Nanoseconds
  ) -> EndpointChange.Readmission? {
    guard let began = begun.removeValue(forKey: endpointIndex) else { return nil }
    return EndpointChange.Readmission(
      cause: evidence.readmissionCause(endpointIndex) ?? .silence,
      seconds: ((now - began).seconds * 10).rounded() / 10)
  }

  /// Forgets endpoints that are gone.
  mutating func keep(endpointIndexes: Set<Int>) {
    begun = begun.filter { endpointIndexes.contains($0.key) }
  }
}
