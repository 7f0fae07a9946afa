// The demo's clients: each arrival is sent to both proxies at the same instant, never waiting for
// answers (open loop). Connections are kept and reused; what takes too long is an error.
package import Exposition
import HTTP
import IO
import Primitives

/// The cells that one pool's clients count in, written by the demo thread.
package final class PoolTraffic: Sendable {
  private let counters = CellBlock(count: 3)
  private let durations = CellBlock(count: DurationHistogram.cellCount)

  /// Requests sent, answered with 200 to the last byte, and anything else.
  package var sent: UInt64 { counters[0] }
  package var ok: UInt64 { counters[1] }
  package var failed: UInt64 { counters[2] }
  /// Of those answered, to the last byte.
  package var latency: HistogramSnapshot { DurationHistogram.snapshot(of: [durations], at: 0) }

  func noteSent() { counters.add(1, at: 0) }
  func noteFailed() { counters.add(1, at: 2) }
  func noteOK(_ duration: Nanoseconds) {
    counters.add(1, at: 1)
    DurationHistogram.observe(duration, in: durations, at: 0)
  }
}

struct LoadDriver: ~Copyable {
  static let firstTag: UInt32 = 1_000
  private static let outstandingMax = 2_000
  private static let patience = Nanoseconds.seconds(30)

  private struct Client {
    let pool: Int
    var sentAt = Nanoseconds.zero
    var isBusy = false
    var input: [UInt8] = []
    var head: ResponseHead?
    var reader = ContentReader(.none)
  }

  private let proxies: [KernelAddress]
  let traffic: [PoolTraffic]
  private var schedule: ArrivalSchedule
  private var clients: [ConnectionID: Client] = [:]
  private var idle: [[ConnectionID]]
  private var outstanding: [Int]
  private var parser = HeadParser()

  init(proxies: [SocketAddress], traffic: [PoolTraffic], schedule: ArrivalSchedule) {
    self.proxies = proxies.map(KernelAddress.init)
    self.traffic = traffic
    self.schedule = schedule
    idle = proxies.map { _ in [] }
    outstanding = proxies.map { _ in 0 }
  }

  func owns(_ tag: UInt32) -> Bool { tag >= Self.firstTag }

  var nextEvent: Nanoseconds { schedule.next.at }

  /// Sends what has arrived.
  mutating func work(_ io: inout IOLoop) {
    while let arrival = schedule.take(until: io.now) {
      for pool in proxies.indices { send(arrival, to: pool, &io) }
    }
  }

  private mutating func send(_ arrival: Arrival, to pool: Int, _ io: inout IOLoop) {
    traffic[pool].noteSent()
    guard outstanding[pool] < Self.outstandingMax, let id = connection(to: pool, &io) else {
      traffic[pool].noteFailed()
      return
    }
    outstanding[pool] += 1
    clients[id] = Client(pool: pool, sentAt: io.now, isBusy: true)
    io.setDeadline(id, io.now + Self.patience)
    let body = "{\"prompt\":\"hello\",\"work\":\(arrival.work),\"stream\":\(arrival.isStream)}"
    var text =
      "POST /v1/generate HTTP/1.1\r\nHost: demo\r\nContent-Type: application/json\r\n"
      + "Content-Length: \(body.utf8.count)\r\n\r\n" + body
    text.withUTF8 { _ = io.send(id, UnsafeRawBufferPointer($0)) }
  }

  private mutating func connection(to pool: Int, _ io: inout IOLoop) -> ConnectionID? {
    while let id = idle[pool].popLast() {
      if io.isOpen(id) { return id }
    }
    return try? io.connect(to: proxies[pool], tag: Self.firstTag + UInt32(pool))
  }

  mutating func handle(_ event: IOEvent, _ io: inout IOLoop) {
    let id = event.id
    switch event.kind {
    case .received: receive(id, &io)
    case .eof, .failed, .hangup, .timeout: end(id, isOK: false, keeps: false, &io)
    case .none, .accepted, .connected, .drained, .woken: break
    }
  }

  private mutating func receive(_ id: ConnectionID, _ io: inout IOLoop) {
    guard clients[id]?.isBusy == true else {
      end(id, isOK: false, keeps: false, &io)
      return
    }
    clients[id]?.input += io.received
    while let client = clients[id] {
      var offset = 0
      if client.head == nil {
        var head = ResponseHead()
        let verdict = client.input.withUnsafeBytes {
          parser.parse($0, answering: .post, into: &head)
        }
        if verdict == .incomplete { return }
        guard verdict == .complete else {
          end(id, isOK: false, keeps: false, &io)
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
      end(id, isOK: !isBad && client.head?.status == 200, keeps: !isBad, &io)
      return
    }
  }

  private mutating func end(_ id: ConnectionID, isOK: Bool, keeps: Bool, _ io: inout IOLoop) {
    guard let client = clients[id] else {
      io.close(id)
      return
    }
    if client.isBusy {
      outstanding[client.pool] -= 1
      if isOK {
        traffic[client.pool].noteOK(io.now - client.sentAt)
      } else {
        traffic[client.pool].noteFailed()
      }
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
}
