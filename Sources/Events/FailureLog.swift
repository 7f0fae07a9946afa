// Log lines for refused requests and failed attempts: the first one of each endpoint and reason is
// logged at once, further ones as one line with their number. At `debug` each has its own line.
import Fleet
package import Primitives

/// The counts of failures that are logged together. Control thread only.
package struct FailureLog {
  /// The key of failures that are counted together. The client is not part of it: there may be very
  /// many clients.
  package struct Failure: Hashable {
    package var pool: String
    /// nil: the client's message was refused, and no endpoint was involved.
    package var endpoint: SocketAddress?
    /// The label of the reason.
    package var reason: String
    /// The reason in words.
    package var detail: String
    /// Another attempt was made.
    package var isRepeated: Bool
    /// TLS failed, before any message.
    fileprivate var isTLS: Bool { reason.hasPrefix("tls_") }

    package init(
      pool: String, endpoint: SocketAddress?, reason: String, detail: String, isRepeated: Bool
    ) {
      (self.pool, self.endpoint) = (pool, endpoint)
      (self.reason, self.detail, self.isRepeated) = (reason, detail, isRepeated)
    }
  }

  private var limiter = RepeatLimiter<Failure>()
  private var lostCount: UInt64 = 0

  package init() {}

  /// Logs or counts a failure. `result` is what the client got.
  package mutating func write(
    _ failure: Failure, client: @autoclosure () -> String, result: @autoclosure () -> String,
    to log: LogDriver, now: Nanoseconds
  ) {
    let isNew = limiter.admits(failure, now: now)
    guard isNew || log.shows(.debug) else { return }
    // A failure that another attempt made good is only logged at `debug`.
    let isQuiet = !isNew || failure.isRepeated
    Self.write(failure, client: client(), result: result(), count: 1, isQuiet: isQuiet, log)
  }

  /// Logs the numbers of failures whose window is over. `lost` is the number of failures since the
  /// start that were lost before they came here.
  package mutating func turn(lost: UInt64, to log: LogDriver, now: Nanoseconds) {
    for (failure, count) in limiter.due(now: now) {
      Self.write(failure, client: "", result: "", count: count, isQuiet: failure.isRepeated, log)
    }
    log.addLost(.warning, "attempt failed", Int(lost &- lostCount))
    lostCount = lost
  }

  private static func write(
    _ failure: Failure, client: String, result: String, count: Int, isQuiet: Bool,
    _ log: LogDriver
  ) {
    if let endpoint = failure.endpoint {
      log.write(
        isQuiet ? .debug : .warning, "attempt failed",
        [
          "pool": failure.pool, "endpoint": "\(endpoint)", "reason": failure.reason,
          "detail": failure.detail, "client_got": result, "count": count,
        ])
    } else {
      log.write(
        isQuiet ? .debug : .info,
        failure.isTLS ? "TLS connection failed" : "bad request",
        [
          "client": client, "reason": failure.reason, "detail": failure.detail,
          "client_got": result, "count": count,
        ])
    }
  }
}
