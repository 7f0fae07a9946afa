// The clients of the demo and of races: each arrival is sent to all proxies at the same instant,
// without waiting for answers (open loop). Connections are kept and reused; a request that takes
// too long is an error. Latency counts from when a request was due.
import Client
package import Exposition
import HTTP
package import IO
package import Primitives

/// The counters of one pool's clients, written by the demo thread.
package final class PoolTraffic: Sendable {
  private let counters = CellBlock(count: 3)
  private let durations = CellBlock(count: DurationHistogram.cellCount)

  /// The numbers of requests: sent; answered with 200 to the last byte; all other results.
  package var sent: UInt64 { counters[0] }
  package var ok: UInt64 { counters[1] }
  package var failed: UInt64 { counters[2] }
  /// The latency of answered requests, to the last byte.
  package var latency: HistogramSnapshot { DurationHistogram.snapshot(of: [durations], at: 0) }

  /// Creates empty counters.
  package init() {}

  func noteSent() { counters.add(1, at: 0) }
  func noteFailed() { counters.add(1, at: 2) }
  func noteOK(_ duration: Nanoseconds) {
    counters.add(1, at: 1)
    DurationHistogram.observe(duration, in: durations, at: 0)
  }
}

/// All clients, on the loop's thread.
package struct LoadDriver: ~Copyable {
  /// The form of the requests.
  package enum Form: Sendable {
    /// POST with JSON; some of the answers are streams.
    case generate
    /// GET with the work in the query; it may be repeated freely.
    case query
    /// The same as a POST: a proxy repeats it only if configured to.
    case post
  }

  package static let firstTag: UInt32 = 1_000
  /// The time after which a client gives up.
  package static let requestTimeout = Nanoseconds.seconds(30)

  /// A request that has not ended.
  private struct Request {
    let pool: Int
    let dueAt: Nanoseconds
    let sentAt: Nanoseconds
  }

  private let proxies: [SocketAddress]
  private let form: Form
  private let outstandingMax: Int
  private let traffic: [PoolTraffic]
  private var schedule: ArrivalSchedule
  private var client = ClientDriver(tag: firstTag, userAgent: "steelyard-load")
  /// By lane.
  private var requests: [UInt64: Request] = [:]
  /// Lanes without a request, by proxy; the one used last is used next.
  private var idle: [[UInt64]]
  private var laneCount: UInt64 = 0
  private var outstanding: [Int]
  private let keepsRecords: Bool
  /// How the requests of each proxy ended, in the order of the proxies; empty unless they are kept.
  package private(set) var records: [[RequestRecord]]

  /// Requires: as many `traffic` as proxies.
  package init(
    proxies: [SocketAddress], traffic: [PoolTraffic], schedule: ArrivalSchedule,
    form: Form = .generate, outstandingMax: Int = 2_000, keepsRecords: Bool = false
  ) {
    self.proxies = proxies
    self.traffic = traffic
    self.schedule = schedule
    self.form = form
    self.outstandingMax = outstandingMax
    self.keepsRecords = keepsRecords
    idle = proxies.map { _ in [] }
    outstanding = proxies.map { _ in 0 }
    records = proxies.map { _ in [] }
  }

  /// When the next request is due.
  package var nextEvent: Nanoseconds { schedule.next.at }
  /// The number of requests that have not ended.
  package var outstandingCount: Int { outstanding.reduce(0, +) }

  /// Sends the requests that are due until `end`.
  package mutating func work(_ io: inout IOLoop, until end: Nanoseconds = .distantFuture) {
    while let arrival = schedule.take(until: min(io.now, end)) {
      for pool in proxies.indices { send(arrival, to: pool, &io) }
    }
  }

  private mutating func send(_ arrival: Arrival, to pool: Int, _ io: inout IOLoop) {
    traffic[pool].noteSent()
    let request = Request(pool: pool, dueAt: arrival.at, sentAt: io.now)
    guard outstanding[pool] < outstandingMax else {
      note(.unsent, request, io.now)
      return
    }
    outstanding[pool] += 1
    let lane = idle[pool].popLast() ?? newLane()
    requests[lane] = request
    var ends: [(UInt64, RequestOutcome)] = []
    client.start(self.request(arrival, to: pool), ClientTicket(lane: lane, serial: 0), &io) {
      ends.append(($0.lane, Self.outcome($1)))
      return true
    }
    for (lane, outcome) in ends { end(lane, outcome, io.now) }
  }

  private mutating func newLane() -> UInt64 {
    laneCount += 1
    return laneCount
  }

  private func request(_ arrival: Arrival, to pool: Int) -> ClientRequest {
    let isQuery = form == .query
    var request = ClientRequest(
      isQuery ? .get : .post,
      isQuery ? "/v1/generate?work=\(arrival.work)" : "/v1/generate", at: proxies[pool],
      timeout: Self.requestTimeout, contentBytesMax: .max)
    request.host = form == .generate ? "demo" : "race"
    // Every byte of the answer counts, and none is looked at.
    request.keptBytesMax = 0
    // How a proxy treats the first attempt is what is measured.
    request.isSentAgain = false
    if isQuery { return request }
    request.fields = [ClientRequest.Field("Content-Type", "application/json")]
    let content =
      form == .post
      ? "{\"work\":\(arrival.work)}"
      : "{\"prompt\":\"hello\",\"work\":\(arrival.work),\"stream\":\(arrival.isStream)}"
    request.content = Array(content.utf8)
    return request
  }

  /// Handles an event of one of the clients' connections.
  package mutating func handle(_ event: IOEvent, _ io: inout IOLoop) {
    var ends: [(UInt64, RequestOutcome)] = []
    client.handle(event, &io) {
      ends.append(($0.lane, Self.outcome($1)))
      return true
    }
    for (lane, outcome) in ends { end(lane, outcome, io.now) }
  }

  private static func outcome(_ outcome: ClientOutcome) -> RequestOutcome {
    switch outcome {
    case .answered(let answer): answer.status == 200 ? .ok : .status
    case .failed(let failure):
      switch failure.kind {
      case .timeout: .timeout
      case .refused, .unreachable, .local: .refused
      case .cut, .tls, .tooLarge, .badHTTP, .badContent, .stopped: .cut
      }
    case .connected, .part: .cut
    }
  }

  private mutating func end(_ lane: UInt64, _ outcome: RequestOutcome, _ now: Nanoseconds) {
    guard let request = requests.removeValue(forKey: lane) else { return }
    outstanding[request.pool] -= 1
    idle[request.pool].append(lane)
    note(outcome, request, now)
  }

  private mutating func note(_ outcome: RequestOutcome, _ request: Request, _ now: Nanoseconds) {
    if outcome == .ok {
      traffic[request.pool].noteOK(now - request.dueAt)
    } else {
      traffic[request.pool].noteFailed()
    }
    guard keepsRecords else { return }
    records[request.pool].append(
      RequestRecord(
        dueAt: request.dueAt, sentAt: request.sentAt, endedAt: now, outcome: outcome))
  }
}
