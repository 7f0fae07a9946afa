// Pools and endpoints in the JSON of the admin API: written by the server, read by the command
// line.
package import Controller
import Fleet
package import Primitives

/// A pool.
package struct PoolStatus: Codable, Equatable {
  /// An endpoint.
  package struct EndpointStatus: Codable, Equatable {
    package var address: String
    /// Absent if the configuration gives none.
    package var name: String?
    package var labels: [String: String]?
    package var state: String
    package var backup: Bool
    package var baseWeight: Double
    package var targetWeight: Double
    package var effectiveWeight: Double
    /// The share of the weights of all endpoints that take new requests now, 0…1.
    package var weightShare: Double
    package var reason: String
    /// The reason as a sentence with this endpoint's numbers.
    package var reasonText: String
    package var inFlight: UInt64
    package var completed: UInt64
    package var failed: UInt64

    /// The address and the name, if it has one.
    package var title: String { name.map { "\(address) \($0)" } ?? address }
    /// Whether people may call it so.
    package func isCalled(_ word: String) -> Bool { address == word || name == word }
  }
  package var name: String
  package var law: String
  package var balance: String
  package var frozen: Bool
  package var dryRun: Bool
  package var endpoints: [EndpointStatus]

  static func all(_ controller: Controller, now: Nanoseconds) -> [PoolStatus] {
    controller.fleet.pools.enumerated().map { index, pool in
      let policy = controller.policy(ofPool: index)
      var endpoints = pool.endpoints.compactMap { endpoint in
        controller.endpoints[endpoint.endpointIndex].map { status($0, controller, now) }
      }
      // Backups have a share while no primary has one.
      if endpoints.contains(where: { !$0.backup && $0.weightShare > 0 && $0.effectiveWeight > 0 }) {
        for position in endpoints.indices where endpoints[position].backup {
          endpoints[position].weightShare = 0
        }
      }
      let sum = endpoints.reduce(0) { $0 + ($1.weightShare > 0 ? $1.effectiveWeight : 0) }
      for position in endpoints.indices {
        endpoints[position].weightShare =
          sum > 0 ? endpoints[position].weightShare * endpoints[position].effectiveWeight / sum : 0
      }
      return PoolStatus(
        name: pool.name, law: policy.law.rawValue, balance: pool.balance.rawValue,
        frozen: controller.freeze(ofPool: index) != nil, dryRun: policy.isDryRun,
        endpoints: endpoints)
    }
  }

  /// `weightShare` is 1 if the endpoint takes requests, else 0.
  private static func status(
    _ state: EndpointState, _ controller: Controller, _ now: Nanoseconds
  ) -> EndpointStatus {
    let endpointIndex = state.endpoint.endpointIndex
    let evidence = controller.evidence
    let row = controller.explainedRow(endpointIndex, now: now) ?? state.row
    let shown = row.eligibility.shown(isEjected: evidence.isEjected(endpointIndex))
    return EndpointStatus(
      address: "\(state.endpoint.address)", name: state.endpoint.name,
      labels: state.endpoint.labels.isEmpty ? nil : state.endpoint.labels, state: shown.label,
      backup: state.endpoint.isBackup, baseWeight: row.base,
      targetWeight: row.target, effectiveWeight: row.effective,
      weightShare: shown.takesNewExchanges ? 1 : 0, reason: row.reason.kind.label,
      reasonText: row.reasonText, inFlight: evidence.sum(.inFlight, endpointIndex),
      completed: evidence.sum(.completed, endpointIndex),
      failed: evidence.sum(.failed, endpointIndex))
  }

  /// The pools as JSON.
  package static func json(_ pools: [PoolStatus]) -> [UInt8] {
    AdminJSON.bytes(["pools": pools])
  }

  /// The pools of an answer; nil: it is not understood.
  package static func read(_ json: [UInt8]) -> [PoolStatus]? {
    AdminJSON.read([String: [PoolStatus]].self, json)?["pools"]
  }
}

extension [PoolStatus] {
  /// Every pool as it is now.
  package static func all(_ controller: Controller, now: Nanoseconds) -> [PoolStatus] {
    PoolStatus.all(controller, now: now)
  }
}

extension Problem {
  package init(_ error: TuningError) { self.init(error.status, error.message) }
}

extension TuningError {
  /// The pools as the API answers them.
  var status: Int {
    switch self {
    case .noPool, .noEndpoint: 404
    case .needsEndpoint, .needsPool: 400
    case .needsSignals: 409
    }
  }
}
