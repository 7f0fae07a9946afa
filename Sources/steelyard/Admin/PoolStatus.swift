// Pools and endpoints as the admin API says them, in JSON: written by the server, read by the
// command line.
import Controller
import Fleet
import Primitives

struct PoolStatus: Codable, Equatable {
  struct EndpointStatus: Codable, Equatable {
    var address: String
    var eligibility: String
    var isBackup: Bool
    var baseWeight: Double
    var targetWeight: Double
    var weight: Double
    /// Of the pool's sum over the endpoints that take new requests now, 0…1.
    var share: Double
    var reason: String
    var detail: String
    var inFlight: UInt64
    var completed: UInt64
    var failed: UInt64
  }
  var name: String
  var law: String
  var balance: String
  var isFrozen: Bool
  var isDryRun: Bool
  var endpoints: [EndpointStatus]

  static func all(_ controller: Controller, now: Nanoseconds) -> [PoolStatus] {
    controller.fleet.pools.enumerated().map { index, pool in
      let policy = controller.policy(ofPool: index)
      var endpoints = pool.endpoints.compactMap { endpoint in
        controller.endpoints[endpoint.slot].map { status($0, controller, now) }
      }
      // Backups have a share while no primary has one.
      if endpoints.contains(where: { !$0.isBackup && $0.share > 0 && $0.weight > 0 }) {
        for place in endpoints.indices where endpoints[place].isBackup {
          endpoints[place].share = 0
        }
      }
      let sum = endpoints.reduce(0) { $0 + ($1.share > 0 ? $1.weight : 0) }
      for place in endpoints.indices {
        endpoints[place].share =
          sum > 0 ? endpoints[place].share * endpoints[place].weight / sum : 0
      }
      return PoolStatus(
        name: pool.name, law: policy.law.rawValue, balance: pool.balance.rawValue,
        isFrozen: controller.tuning[index].freeze != nil, isDryRun: policy.isDryRun,
        endpoints: endpoints)
    }
  }

  /// `share` is 1 where it takes requests, else 0.
  private static func status(
    _ state: EndpointState, _ controller: Controller, _ now: Nanoseconds
  ) -> EndpointStatus {
    let slot = state.endpoint.slot
    let evidence = controller.evidence
    let shown = state.row.eligibility.shown(isEjected: evidence.isEjected(slot, now: now))
    return EndpointStatus(
      address: "\(state.endpoint.address)", eligibility: shown.label,
      isBackup: state.endpoint.isBackup, baseWeight: state.row.base,
      targetWeight: state.row.target, weight: state.row.effective,
      share: shown.takesNewExchanges ? 1 : 0, reason: state.row.reason.kind.label,
      detail: state.row.reason.detail, inFlight: evidence.sum(.inFlight, slot),
      completed: evidence.sum(.completed, slot), failed: evidence.sum(.failed, slot))
  }

  static func json(_ pools: [PoolStatus]) -> [UInt8] {
    AdminJSON.bytes(["pools": pools])
  }

  static func read(_ json: [UInt8]) -> [PoolStatus]? {
    AdminJSON.read([String: [PoolStatus]].self, json)?["pools"]
  }
}

extension [PoolStatus] {
  /// Every pool as it is now.
  static func all(_ controller: Controller, now: Nanoseconds) -> [PoolStatus] {
    PoolStatus.all(controller, now: now)
  }
}

extension TuningError {
  /// The status of the API's answer.
  var status: Int {
    switch self {
    case .noPool, .noEndpoint: 404
    case .needsEndpoint, .needsPool: 400
    case .needsSignals: 409
    }
  }
}
