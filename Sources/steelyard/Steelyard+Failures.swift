// The workers' reports of refused requests and failed attempts, for the log.
import Balancer
import Controller
import Events
import Fleet
import Primitives

extension Steelyard {
  /// Logs the reports since the last call.
  func logFailures(now: Nanoseconds) {
    var endpoints: [Int: (pool: String, address: SocketAddress)]?
    let reports = balancer.metrics.failures
    reports.take { note in
      if endpoints == nil { endpoints = endpointsByIndex }
      let found = note.endpointIndex < 0 ? nil : endpoints?[Int(note.endpointIndex)]
      failures.write(
        FailureLog.Failure(
          pool: found?.pool ?? "", endpoint: found?.address, reason: note.reason.label,
          detail: note.reason.text, isRepeated: note.end == .repeated),
        client: note.client.description, result: note.end.text, to: log, now: now)
    }
    failures.turn(lost: reports.lostCount, to: log, now: now)
  }

  private var endpointsByIndex: [Int: (pool: String, address: SocketAddress)] {
    var endpoints: [Int: (pool: String, address: SocketAddress)] = [:]
    for pool in controller.fleet.pools {
      for endpoint in pool.endpoints {
        endpoints[endpoint.endpointIndex] = (pool.name, endpoint.address)
      }
    }
    return endpoints
  }
}

extension FailureEnd {
  /// The result for the client, in the log.
  fileprivate var text: String {
    switch self {
    case .answered(let status): "\(status)"
    case .repeated: "another attempt"
    case .cut: "a cut answer"
    case .nothing: "no connection"
    }
  }
}
