// What another proxy is told of an endpoint: whole numbers in the proportion of the weights. The
// answers to HAProxy's agent checks and to Envoy's endpoint discovery are made of it.
import Fleet
import Primitives

/// An endpoint as another proxy should use it.
struct SteeredEndpoint: Equatable {
  let address: String
  let name: String?
  let isBackup: Bool
  /// Whether it gets new requests.
  let isUsed: Bool
  /// The effective weight, of the largest one among the endpoints of its kind (primaries or
  /// backups) that get requests. Range 0...1.
  let ratio: Double

  /// The endpoints of a pool.
  static func all(_ pool: PoolStatus) -> [SteeredEndpoint] {
    func isUsed(_ endpoint: PoolStatus.EndpointStatus) -> Bool {
      endpoint.takesRequests && endpoint.effectiveWeight > 0
    }
    func largest(backup: Bool) -> Double {
      pool.endpoints.reduce(0) {
        $1.backup == backup && isUsed($1) ? max($0, $1.effectiveWeight) : $0
      }
    }
    let (primary, spare) = (largest(backup: false), largest(backup: true))
    return pool.endpoints.map { endpoint in
      let isUsed = isUsed(endpoint)
      let all = endpoint.backup ? spare : primary
      return SteeredEndpoint(
        address: endpoint.address, name: endpoint.name, isBackup: endpoint.backup, isUsed: isUsed,
        ratio: isUsed ? min(1, endpoint.effectiveWeight / all) : 0)
    }
  }

  /// The ratio as a whole number, at least 1 for an endpoint that is used.
  func weight(of whole: Int) -> Int {
    isUsed ? max(1, Int((ratio * Double(whole)).rounded())) : 0
  }
}

extension PoolStatus.EndpointStatus {
  /// Whether its state allows new requests.
  fileprivate var takesRequests: Bool {
    Eligibility.allCases.contains { $0.label == state && $0.takesNewExchanges }
  }
}
