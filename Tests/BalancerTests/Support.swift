// Shared parts of the suites: a pool of endpoints with indexes 0, 1, … at loopback ports 1, 2, ….
import Fleet
import Primitives

@testable import Balancer

extension Pool {
  /// A pool of `count` endpoints; `change` is called for each endpoint with its index.
  static func numbered(
    _ count: Int, _ change: (inout Endpoint, Int) -> Void = { _, _ in }
  ) -> Pool {
    Pool(
      name: "a",
      endpoints: (0..<count).map { index in
        var endpoint = Endpoint(address: .loopback(port: UInt16(index + 1)))
        endpoint.endpointIndex = index
        change(&endpoint, index)
        return endpoint
      })
  }
}

extension Picker {
  /// A picker over eligible endpoints with these weights.
  static func numbered(_ weights: [Double], _ change: (inout Pool) -> Void = { _ in }) -> Picker {
    var pool = Pool.numbered(weights.count)
    change(&pool)
    var picker = Picker(pool: pool)
    for (position, weight) in weights.enumerated() {
      picker.set(position, weight: weight, isEligible: true, now: .zero, isFirst: true)
    }
    picker.finishTable()
    return picker
  }
}
