// The results of a contestant's clients in numbers. Pure. Latency counts from when the request was
// due, so that neither a slow client nor a full queue hides waiting.
package import Primitives

/// How a request ended.
package enum RequestOutcome: String, Sendable, CaseIterable, Codable, CodingKeyRepresentable {
  /// 200, received to the last byte.
  case ok
  /// Any other answer.
  case status
  /// No complete answer before the client gave up.
  case timeout
  /// The connection ended before the answer did, or the answer was malformed.
  case cut
  /// The connection was refused.
  case refused
  /// Too many requests were in flight already: the client gave up before sending.
  case unsent
}

/// One request as its client saw it.
package struct RequestRecord: Sendable, Equatable {
  /// When it was due.
  package var dueAt: Nanoseconds
  /// When it was sent, and when it ended.
  package var sentAt: Nanoseconds
  package var endedAt: Nanoseconds
  package var outcome: RequestOutcome

  package init(
    dueAt: Nanoseconds, sentAt: Nanoseconds, endedAt: Nanoseconds, outcome: RequestOutcome
  ) {
    self.dueAt = dueAt
    self.sentAt = sentAt
    self.endedAt = endedAt
    self.outcome = outcome
  }
}

/// A request that an endpoint accepted.
package struct EndpointArrival: Sendable, Equatable {
  package var server: Int
  package var at: Nanoseconds

  package init(server: Int, at: Nanoseconds) {
    self.server = server
    self.at = at
  }
}

/// The requests of one contestant that were due in a period.
package struct RaceStatistics: Sendable, Equatable, Encodable {
  package var requests: Int
  package var ok: Int
  /// Numbers by outcome, all except `ok`.
  package var failed: [RequestOutcome: Int]
  /// Requests that ended well ÷ time.
  package var goodputPerSecond: Double
  /// The mean latency of requests that ended well; nil: there are none.
  package var meanSeconds: Double?
  package var p50Seconds: Double?
  package var p99Seconds: Double?
  package var p999Seconds: Double?
  /// The same over all requests, where a failed one counts as the client's longest wait: fast
  /// failures do not make a quantile look better.
  package var p99WithFailuresSeconds: Double?

  /// Requires: from < to.
  package init(
    _ records: [RequestRecord], from: Nanoseconds, to: Nanoseconds, requestTimeout: Nanoseconds
  ) {
    let records = records.filter { $0.dueAt >= from && $0.dueAt < to }
    requests = records.count
    var failed = [RequestOutcome: Int]()
    for outcome in RequestOutcome.allCases where outcome != .ok { failed[outcome] = 0 }
    var good: [Double] = []
    for record in records {
      if record.outcome == .ok {
        good.append((record.endedAt - record.dueAt).seconds)
      } else {
        failed[record.outcome, default: 0] += 1
      }
    }
    self.failed = failed
    ok = good.count
    goodputPerSecond = Double(good.count) / (to - from).seconds
    good.sort()
    meanSeconds = good.isEmpty ? nil : good.reduce(0, +) / Double(good.count)
    p50Seconds = Self.quantile(0.5, ofSorted: good)
    p99Seconds = Self.quantile(0.99, ofSorted: good)
    p999Seconds = Self.quantile(0.999, ofSorted: good)
    let bad = [Double](repeating: requestTimeout.seconds, count: records.count - good.count)
    p99WithFailuresSeconds = Self.quantile(0.99, ofSorted: (good + bad).sorted())
  }

  /// The lowest value that a share `q` of all does not exceed (nearest rank); nil: there are no
  /// values.
  package static func quantile(_ q: Double, ofSorted values: [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let rank = Int((q * Double(values.count)).rounded(.up))
    return values[min(max(rank, 1), values.count) - 1]
  }

  /// Each server's share of the arrivals in a period; nil: there are none.
  package static func shares(
    _ arrivals: [EndpointArrival], servers: Range<Int>, from: Nanoseconds, to: Nanoseconds
  ) -> [Double]? {
    var counts = [Int](repeating: 0, count: servers.count)
    for arrival in arrivals where arrival.at >= from && arrival.at < to {
      if servers.contains(arrival.server) { counts[arrival.server - servers.lowerBound] += 1 }
    }
    let total = counts.reduce(0, +)
    return total == 0 ? nil : counts.map { Double($0) / Double(total) }
  }

  /// Seconds from `from` until a server gets no more requests: the beginning of the first whole
  /// second before `to` in which it accepted at most two requests (its trials); nil: there is none.
  package static func secondsUntilLeft(
    _ arrivals: [EndpointArrival], server: Int, from: Nanoseconds, to: Nanoseconds
  ) -> Double? {
    let own = arrivals.filter { $0.server == server && $0.at >= from && $0.at < to }.map(\.at)
    for start in [from] + own {
      let end = start + .seconds(1)
      if end > to { return nil }
      if own.filter({ $0 > start && $0 <= end }).count <= 2 { return (start - from).seconds }
    }
    return nil
  }

  /// Seconds from `from` until a server accepts a request again; nil: it accepts none before `to`.
  package static func secondsUntilTaken(
    _ arrivals: [EndpointArrival], server: Int, from: Nanoseconds, to: Nanoseconds
  ) -> Double? {
    let next = arrivals.lazy.filter { $0.server == server && $0.at >= from && $0.at < to }
    return next.map(\.at).min().map { ($0 - from).seconds }
  }
}
