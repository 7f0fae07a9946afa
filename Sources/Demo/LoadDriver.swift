// The clients of the demo and of races: each arrival is sent to all proxies at the same instant,
// without waiting for answers (open loop). Connections are kept and reused; a request that takes
// too long is an error. Latency counts from when a request was due.
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
  package static let patience = Nanoseconds.seconds(30)

  private struct Client {
    let pool: Int
    var dueAt = Nanoseconds.zero
    var sentAt = Nanoseconds.zero
    var isBusy = false
    var isConnected = true
    var input: [UInt8] = []
    var head: ResponseHead?
    var reader = ContentReader(.none)
  }

  private let proxies: [KernelAddress]
  private let form: Form
  private let outstandingMax: Int
  private let traffic: [PoolTraffic]
  private var schedule: ArrivalSchedule
  private var clients: [ConnectionID: Client] = [:]
  private var idle: [[ConnectionID]]
  private var outstanding: [Int]
  private var parser = HeadParser()
  private let keepsRecords: Bool
  /// How the requests of each proxy ended, in the order of the proxies; empty unless they are kept.
  package private(set) var records: [[RequestRecord]]

  /// Requires: as many `traffic` as proxies.
  package init(
    proxies: [SocketAddress], traffic: [PoolTraffic], schedule: ArrivalSchedule,
    form: Form = .generate, outstandingMax: Int = 2_000, keepsRecords: Bool = false
  ) {
    self.proxies = proxies.map(KernelAddress.init)
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
    guard outstanding[pool] < outstandingMax else {
      note(.unsent, Client(pool: pool, dueAt: arrival.at, sentAt: io.now), io.now)
      return
    }
    var client = Client(pool: pool, dueAt: arrival.at, sentAt: io.now, isBusy: true)
    guard let id = connection(for: &client, &io) else {
      note(.refused, client, io.now)
      return
    }
    outstanding[pool] += 1
    clients[id] = client
    io.setDeadline(id, io.now + Self.patience)
    var text = request(arrival)
    text.withUTF8 { _ = io.send(id, UnsafeRawBufferPointer($0)) }
  }

  private func request(_ arrival: Arrival) -> String {
    switch form {
    case .post:
      let body = "{\"work\":\(arrival.work)}"
      return "POST /v1/generate HTTP/1.1\r\nHost: race\r\nContent-Type: application/json\r\n"
        + "Content-Length: \(body.utf8.count)\r\n\r\n" + body
    case .query:
      return "GET /v1/generate?work=\(arrival.work) HTTP/1.1\r\nHost: race\r\n\r\n"
    case .generate:
      let body = "{\"prompt\":\"hello\",\"work\":\(arrival.work),\"stream\":\(arrival.isStream)}"
      return "POST /v1/generate HTTP/1.1\r\nHost: demo\r\nContent-Type: application/json\r\n"
        + "Content-Length: \(body.utf8.count)\r\n\r\n" + body
    }
  }

  private mutating func connection(
    for client: inout Client, _ io: inout IOLoop
  ) -> ConnectionID? {
    while let id = idle[client.pool].popLast() {
      if io.isOpen(id) { return id }
    }
    client.isConnected = false
    return try? io.connect(to: proxies[client.pool], tag: Self.firstTag + UInt32(client.pool))
  }

  /// Handles an event of one of the clients' connections.
  package mutating func handle(_ event: IOEvent, _ io: inout IOLoop) {
    let id = event.id
    switch event.kind {
    case .received: receive(id, &io)
    case .connected: clients[id]?.isConnected = true
    case .timeout: end(id, .timeout, keeps: false, &io)
    case .eof, .failed, .hangup:
      end(id, clients[id]?.isConnected == false ? .refused : .cut, keeps: false, &io)
    case .none, .accepted, .moved, .drained, .woken: break
    }
  }

  private mutating func receive(_ id: ConnectionID, _ io: inout IOLoop) {
    guard clients[id]?.isBusy == true else {
      end(id, .cut, keeps: false, &io)
      return
    }
    clients[id]?.input += io.received
    while let client = clients[id] {
      var offset = 0
      if client.head == nil {
        var head = ResponseHead()
        let verdict = client.input.withUnsafeBytes {
          parser.parse($0, answering: form == .query ? .get : .post, into: &head)
        }
        if verdict == .incomplete { return }
        guard verdict == .complete else {
          end(id, .cut, keeps: false, &io)
          return
        }
        clients[id]?.input.removeFirst(head.end)
        if head.isInterim { continue }
        clients[id]?.head = head
        clients[id]?.reader = ContentReader(head.framing)
        continue
      }
      var reader = client.reader
      var isOver = false
      var isBad = false
      client.input.withUnsafeBytes { bytes in
        loop: while true {
          switch reader.next(bytes, &offset) {
          case .content: continue
          case .more: break loop
          case .complete:
            isOver = true
            break loop
          case .malformed:
            isBad = true
            break loop
          }
        }
      }
      clients[id]?.reader = reader
      clients[id]?.input.removeFirst(min(offset, client.input.count))
      guard isOver || isBad else { return }
      end(id, isBad ? .cut : client.head?.status == 200 ? .ok : .status, keeps: !isBad, &io)
      return
    }
  }

  private mutating func end(
    _ id: ConnectionID, _ outcome: RequestOutcome, keeps: Bool, _ io: inout IOLoop
  ) {
    guard let client = clients[id] else {
      io.close(id)
      return
    }
    if client.isBusy {
      outstanding[client.pool] -= 1
      note(outcome, client, io.now)
    }
    if keeps, client.head?.isPersistent == true {
      clients[id] = Client(pool: client.pool)
      io.setDeadline(id, nil)
      idle[client.pool].append(id)
    } else {
      clients[id] = nil
      io.close(id)
    }
  }

  private mutating func note(_ outcome: RequestOutcome, _ client: Client, _ now: Nanoseconds) {
    if outcome == .ok {
      traffic[client.pool].noteOK(now - client.dueAt)
    } else {
      traffic[client.pool].noteFailed()
    }
    guard keepsRecords else { return }
    records[client.pool].append(
      RequestRecord(
        dueAt: client.dueAt, sentAt: client.sentAt, endedAt: now, outcome: outcome))
  }
}
