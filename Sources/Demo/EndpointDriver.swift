// The demo's inference endpoints as real TCP servers on loopback: POST /v1/generate answers after
// its service time, or streams tokens as server-sent events over it; GET /metrics speaks vLLM's
// names; GET /health. Timers only, no work is really done.
import Exposition
import FoundationEssentials
import HTTP
import IO
import Primitives

/// All endpoints of both sets, on the demo thread's loop.
struct EndpointDriver: ~Copyable {
  static let firstTag: UInt32 = 100
  private static let tokenCount = 20
  /// Between two looks at the streams.
  private static let streamPause = Nanoseconds.milliseconds(20)

  private struct Connection {
    let server: Int
    var input: [UInt8] = []
    /// The request that is being worked on.
    var job: UInt64?
    var isStream = false
    var tokensSent = 0
  }
  private struct Generate: Decodable {
    var work: Double?
    var stream: Bool?
  }

  private var servers: [VirtualServer]
  private var pages: [EndpointPage]
  let addresses: [SocketAddress]
  private var connections: [ConnectionID: Connection] = [:]
  private var jobs: [UInt64: ConnectionID] = [:]
  private var nextJob: UInt64 = 1
  private var parser = HeadParser()

  /// Opens one listener for each server.
  init(_ servers: [VirtualServer], _ io: inout IOLoop) throws(IOError) {
    self.servers = servers
    var addresses: [SocketAddress] = []
    for index in servers.indices {
      let group = try ListenSocket.open(.loopback(port: 0), count: 1)
      if let socket = group.take(0) {
        try io.listen(socket, tag: Self.firstTag + UInt32(index))
      }
      addresses.append(group.address)
    }
    self.addresses = addresses
    pages = servers.indices.map { EndpointPage(name: "demo-\($0 % 4 + 1)", startedAt: Clock.wall) }
  }

  /// Whether the tag is one of ours.
  func owns(_ tag: UInt32) -> Bool {
    tag >= Self.firstTag && tag < Self.firstTag + UInt32(servers.count)
  }

  /// When `work` has something to do.
  var nextEvent: Nanoseconds {
    servers.reduce(.distantFuture) { min($0, $1.nextEvent ?? .distantFuture) }
  }

  mutating func handle(_ event: IOEvent, _ io: inout IOLoop) {
    let id = event.id
    switch event.kind {
    case .accepted: connections[id] = Connection(server: Int(event.tag - Self.firstTag))
    case .received:
      connections[id]?.input += io.received
      // More than a demo's request: somebody else is talking to us.
      if connections[id]?.input.count ?? 0 > 1 << 20 { close(id, &io) } else { serve(id, &io) }
    case .eof, .hangup, .failed, .timeout: close(id, &io)
    case .none, .connected, .drained, .woken: break
    }
  }

  /// Lets time pass: answers what is finished, sends the streams' next tokens.
  mutating func work(_ io: inout IOLoop) {
    for index in servers.indices {
      for job in servers[index].advance(to: io.now) { finish(job, &io) }
    }
    for (id, connection) in connections where connection.isStream {
      guard let job = connection.job,
        let progress = servers[connection.server].progress(job)
      else { continue }
      sendTokens(id, upTo: Int(progress * Double(Self.tokenCount)), &io)
    }
  }

  /// The latest time at which `work` should be called again.
  func nextLook(now: Nanoseconds) -> Nanoseconds {
    let hasStream = connections.values.contains { $0.isStream && $0.job != nil }
    return hasStream ? min(nextEvent, now + Self.streamPause) : nextEvent
  }

  /// Changes a server's behaviour; one that dies closes, one that comes back opens the same port.
  mutating func set(_ mode: VirtualServer.Mode, server: Int, _ io: inout IOLoop) {
    for job in servers[server].advance(to: io.now) { finish(job, &io) }
    let before = servers[server].mode
    servers[server].set(mode)
    let tag = Self.firstTag + UInt32(server)
    if mode == .dead, before != .dead {
      io.keepListeners { $0 != tag }
      for (id, connection) in connections where connection.server == server { close(id, &io) }
    } else if mode != .dead, before == .dead {
      // The process is a new one: its counters begin at 0.
      pages[server] = EndpointPage(name: "demo-\(server % 4 + 1)", startedAt: Clock.wall)
      if let group = try? ListenSocket.open(addresses[server], count: 1),
        let socket = group.take(0)
      {
        try? io.listen(socket, tag: tag)
      }
    } else if mode == .failing {
      for (id, connection) in connections where connection.server == server {
        if connection.job != nil { close(id, &io) }
      }
    }
  }

  private mutating func close(_ id: ConnectionID, _ io: inout IOLoop) {
    if let connection = connections.removeValue(forKey: id), let job = connection.job {
      jobs[job] = nil
      servers[connection.server].cancel(job)
      pages[connection.server].forget(job)
    }
    io.close(id)
  }

  // MARK: Requests

  /// Answers whole requests of the input, one after another.
  private mutating func serve(_ id: ConnectionID, _ io: inout IOLoop) {
    while let connection = connections[id], connection.job == nil, !connection.input.isEmpty {
      var head = RequestHead()
      var content: [UInt8] = []
      var end = 0
      var isBad = false
      let isWhole = connection.input.withUnsafeBytes { bytes in
        switch parser.parse(bytes, into: &head) {
        case .incomplete: return false
        case .rejected:
          isBad = true
          return true
        case .complete: break
        }
        var reader = ContentReader(head.framing)
        end = head.end
        while true {
          switch reader.next(bytes, &end) {
          case .content(let count): content += bytes[end - count..<end]
          case .complete: return true
          case .more: return false
          case .malformed:
            isBad = true
            return true
          }
        }
      }
      guard isWhole else { return }
      if isBad {
        send(id, 400, "application/json", "{\"error\":\"bad request\"}", &io)
        close(id, &io)
        return
      }
      let path = String(decoding: connection.input[head.targetStart..<head.pathEnd], as: UTF8.self)
      connections[id]?.input.removeFirst(end)
      answer(id, head.method, path, content, &io)
    }
  }

  private mutating func answer(
    _ id: ConnectionID, _ method: HTTP.Method, _ path: String, _ content: [UInt8],
    _ io: inout IOLoop
  ) {
    guard let server = connections[id]?.server else { return }
    switch (method, path) {
    case (.get, "/health"): send(id, 200, "text/plain", "ok\n", &io)
    case (.get, "/metrics"):
      // A hanging engine's page still answers, as real ones do.
      let page = pages[server].render(servers[server])
      send(id, 200, MetricsWriter.contentType, String(decoding: page, as: UTF8.self), &io)
    case (.post, "/v1/generate"): generate(id, server, content, &io)
    case (_, "/health"), (_, "/metrics"), (_, "/v1/generate"):
      send(id, 405, "application/json", "{\"error\":\"method not allowed\"}", &io)
    default: send(id, 404, "application/json", "{\"error\":\"not found\"}", &io)
    }
  }

  private mutating func generate(
    _ id: ConnectionID, _ server: Int, _ content: [UInt8], _ io: inout IOLoop
  ) {
    if servers[server].mode == .failing {
      send(id, 500, "application/json", "{\"error\":\"out of luck\"}", &io)
      return
    }
    guard let request = try? JSONDecoder().decode(Generate.self, from: Data(content)),
      case let work = request.work ?? 1, work.isFinite, work > 0, work <= 1_000
    else {
      send(id, 400, "application/json", "{\"error\":\"the body is not what is expected\"}", &io)
      return
    }
    for job in servers[server].advance(to: io.now) { finish(job, &io) }
    let job = nextJob
    nextJob += 1
    guard servers[server].arrive(job, work: work, now: io.now) else {
      send(id, 503, "application/json", "{\"error\":\"the queue is full\"}", &io)
      return
    }
    pages[server].begin(job, at: io.now)
    jobs[job] = id
    connections[id]?.job = job
    connections[id]?.isStream = request.stream ?? false
    connections[id]?.tokensSent = 0
    if request.stream ?? false {
      write(
        id,
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
          + "Transfer-Encoding: chunked\r\n\r\n", &io)
    }
  }

  private mutating func finish(_ job: UInt64, _ io: inout IOLoop) {
    guard let id = jobs.removeValue(forKey: job), let connection = connections[id] else { return }
    pages[connection.server].finish(job, at: io.now, tokens: Self.tokenCount)
    if connection.isStream {
      sendTokens(id, upTo: Self.tokenCount, &io)
      write(id, Self.chunk("data: [DONE]\n\n") + "0\r\n\r\n", &io)
    } else {
      send(id, 200, "application/json", "{\"tokens\":\(Self.tokenCount)}", &io)
    }
    connections[id]?.job = nil
    serve(id, &io)
  }

  private mutating func sendTokens(_ id: ConnectionID, upTo count: Int, _ io: inout IOLoop) {
    guard let sent = connections[id]?.tokensSent, sent < count else { return }
    for token in sent..<count { write(id, Self.chunk("data: {\"token\":\(token)}\n\n"), &io) }
    connections[id]?.tokensSent = count
  }

  private static func chunk(_ text: String) -> String {
    "\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n"
  }

  private func send(
    _ id: ConnectionID, _ status: Int, _ type: String, _ body: String, _ io: inout IOLoop
  ) {
    let head = "HTTP/1.1 \(status) \(status == 200 ? "OK" : "Refused")\r\nContent-Type: \(type)\r\n"
    write(id, head + "Content-Length: \(body.utf8.count)\r\n\r\n" + body, &io)
  }

  private func write(_ id: ConnectionID, _ text: String, _ io: inout IOLoop) {
    var text = text
    text.withUTF8 { _ = io.send(id, UnsafeRawBufferPointer($0)) }
  }
}
