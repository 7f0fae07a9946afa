// Ejections on their way to a process that replaces this one.
import Balancer
import Fleet
import Primitives

/// One ejection. Times are nanoseconds of the machine's monotonic clock.
struct EjectionRecord: Codable {
  var pool: String
  var endpoint: String
  var since: Int64
  var lastEvidenceAt: Int64
  var reason: Int
  var failures: Int
  var cooldownUntil: Int64
  var trialFrom: Int64
}

extension Steelyard {
  /// The present ejections.
  var ejectionRecord: [EjectionRecord] {
    configuredEndpoints.compactMap { pool, endpoint in
      guard let ejection = evidence.ejection(endpoint.endpointIndex) else { return nil }
      return EjectionRecord(
        pool: pool, endpoint: "\(endpoint.address)", since: ejection.since.rawValue,
        lastEvidenceAt: ejection.lastEvidenceAt.rawValue, reason: ejection.reason.rawValue,
        failures: ejection.failures, cooldownUntil: ejection.cooldownUntil.rawValue,
        trialFrom: ejection.trialFrom.rawValue)
    }
  }

  /// Goes on with the ejections of the process before this one. Requires: no worker has begun.
  func inherit(_ records: [EjectionRecord]) {
    let known = Dictionary(
      records.map { ("\($0.pool) \($0.endpoint)", $0) }, uniquingKeysWith: { $1 })
    for (pool, endpoint) in configuredEndpoints {
      guard let record = known["\(pool) \(endpoint.address)"],
        let reason = EjectionReason(rawValue: record.reason)
      else { continue }
      evidence.inherit(
        Ejection(
          since: Nanoseconds(record.since), lastEvidenceAt: Nanoseconds(record.lastEvidenceAt),
          reason: reason, failures: record.failures,
          cooldownUntil: Nanoseconds(record.cooldownUntil),
          trialFrom: Nanoseconds(record.trialFrom)), endpoint.endpointIndex)
    }
  }

  private var configuredEndpoints: [(pool: String, endpoint: Endpoint)] {
    board.table.fleet.pools.flatMap { pool in pool.endpoints.map { (pool.name, $0) } }
  }
}
