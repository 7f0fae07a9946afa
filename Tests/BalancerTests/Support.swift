// What the suites share: a pool of endpoints in slots 0, 1, … at ports 1, 2, … of loopback.
import Fleet
import Primitives

@testable import Balancer

extension Pool {
  /// `change` is told of each endpoint by its index.
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
  /// Of endpoints that are eligible, with these weights.
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
