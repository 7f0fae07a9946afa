// Log lines for refused requests and failed attempts: the first one of each endpoint and reason is
// logged at once, further ones as one line with their number. At `debug` each has its own line.
import Balancer
import Events
import Fleet
import Primitives

struct FailureLog {
  /// The key of lines that are counted together. The client is not part of it: there may be very
  /// many clients.
  private struct Key: Hashable {
    var pool: String
    var endpoint: SocketAddress?
    var reason: FailureReason
    var isRepeated: Bool
  }

  private var limiter = RepeatLimiter<Key>()
  private var lostCount: UInt64 = 0

  /// Logs the reports of the workers since the last call.
  mutating func write(
    _ reports: FailureDriver, _ fleet: Fleet, to log: LogDriver, now: Nanoseconds
  ) {
    var endpoints: [Int: (pool: String, address: SocketAddress)]?
    reports.take { note in
      if endpoints == nil { endpoints = Self.endpoints(fleet) }
      let found = note.endpointIndex < 0 ? nil : endpoints?[Int(note.endpointIndex)]
      let key = Key(
        pool: found?.pool ?? "", endpoint: found?.address, reason: note.reason,
        isRepeated: note.end == .repeated)
      let isNew = limiter.admits(key, now: now)
      guard isNew || log.shows(.debug) else { return }
      // A failure that another attempt made good is only logged at `debug`.
      Self.write(
        key, note.end.text, client: note.client.description, count: 1,
        isQuiet: !isNew || key.isRepeated, log)
    }
    for (key, count) in limiter.due(now: now) {
      Self.write(key, "", client: "", count: count, isQuiet: key.isRepeated, log)
    }
    let lost = reports.lostCount
    log.addLost(.warning, "attempt failed", Int(lost &- lostCount))
    lostCount = lost
  }

  private static func write(
    _ key: Key, _ end: String, client: String, count: Int, isQuiet: Bool, _ log: LogDriver
  ) {
    if let endpoint = key.endpoint {
      log.write(
        isQuiet ? .debug : .warning, "attempt failed",
        [
          "pool": key.pool, "endpoint": "\(endpoint)", "reason": key.reason.label,
          "detail": key.reason.text, "client_got": end, "count": count,
        ])
    } else {
      log.write(
        isQuiet ? .debug : .info, "bad request",
        [
          "client": client, "reason": key.reason.label, "detail": key.reason.text,
          "client_got": end, "count": count,
        ])
    }
  }

  private static func endpoints(_ fleet: Fleet) -> [Int: (pool: String, address: SocketAddress)] {
    var endpoints: [Int: (pool: String, address: SocketAddress)] = [:]
    for pool in fleet.pools {
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
    }
  }
}
