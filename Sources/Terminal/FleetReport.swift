// GET /api/v1/status as its client reads it. Unknown keys are ignored and missing ones are nil,
// since a steelyard of another version may answer.

/// The status of a running steelyard. Times since 1970 and durations in seconds, ratios 0…1.
package struct FleetReport: Sendable, Equatable, Decodable {
  package var version: String?
  package var time: Double?
  package var uptimeSeconds: Double?
  package var ready: Bool?
  package var revision: Double?
  package var workers: Double?
  package var connections: Double?
  package var arrivalsPerSecond: Double?
  package var answeredPerSecond: Double?
  package var refusedPerSecond: Double?
  package var givenUpPerSecond: Double?
  package var clientErrorsPerSecond: Double?
  package var serverErrorsPerSecond: Double?
  /// `open`, `token` or `none`.
  package var write: String?
  package var pools: [PoolReport]
  package var decisions: [DecisionReport]?
  package var conditionCount: Double?
  package var conditions: [ConditionReport]?

  package init(pools: [PoolReport] = []) { self.pools = pools }
}

/// One pool.
package struct PoolReport: Sendable, Equatable, Decodable {
  package struct Queue: Sendable, Equatable, Decodable {
    package var length: Double?
    package var limit: Double?
    package var oldestWaitSeconds: Double?
  }

  package var name: String
  package var balance: String?
  package var law: String?
  package var dryRun: Bool?
  package var frozen: Bool?
  package var arrivalsPerSecond: Double?
  package var answeredPerSecond: Double?
  package var refusedPerSecond: Double?
  package var givenUpPerSecond: Double?
  package var clientErrorsPerSecond: Double?
  package var serverErrorsPerSecond: Double?
  package var failureRatio: Double?
  package var p50Seconds: Double?
  package var p99Seconds: Double?
  package var firstByteP50Seconds: Double?
  package var firstByteP99Seconds: Double?
  package var inFlight: Double?
  package var queue: Queue?
  package var demandRatio: Double?
  package var endpoints: [EndpointReport]

  package init(name: String, endpoints: [EndpointReport] = []) {
    (self.name, self.endpoints) = (name, endpoints)
  }
}

/// One endpoint.
package struct EndpointReport: Sendable, Equatable, Decodable {
  package var address: String
  package var name: String?
  package var backup: Bool?
  package var state: String?
  package var stateText: String?
  package var baseWeight: Double?
  package var targetWeight: Double?
  package var effectiveWeight: Double?
  package var reason: String?
  package var reasonText: String?
  package var weightShare: Double?
  package var trafficShare: Double?
  package var inFlight: Double?
  package var connections: Double?
  package var requestsPerSecond: Double?
  package var errorRatio: Double?
  package var p50Seconds: Double?
  package var p99Seconds: Double?
  package var firstByteP50Seconds: Double?
  package var firstByteP99Seconds: Double?
  package var ejections: Double?
  package var tuning: String?

  package init(address: String) { self.address = address }

  /// The address and the name, if it has one.
  package var title: String { name.map { "\(address) \($0)" } ?? address }

  /// Whether it takes new requests, by its state and its weight.
  var takesRequests: Bool {
    (state == "ready" || state == "starting") && effectiveWeight ?? 0 > 0
  }
}

/// A recent decision.
package struct DecisionReport: Sendable, Equatable, Decodable {
  package var time: Double?
  package var kind: String?
  package var pool: String?
  package var endpoint: String?
  package var text: String?
}

/// A condition that holds now.
package struct ConditionReport: Sendable, Equatable, Decodable {
  package var alert: String?
  package var severity: String?
  package var pool: String?
  package var endpoint: String?
  package var since: Double?
  package var text: String?
}
