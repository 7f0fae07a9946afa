// Inference endpoints as real TCP servers on loopback. POST /v1/generate answers after its service
// time, or streams tokens as server-sent events during it; GET /v1/generate?work=N answers 1 KB
// after it; GET /metrics has vLLM's names; GET /health. Timers only; no work is really done.
import Exposition
import FoundationEssentials
import HTTP
package import IO
package import Primitives

/// All endpoints of all sets, on the loop's thread.
package struct EndpointDriver: ~Copyable {
  /// The first tag of the listeners; each server has one tag.
  package static let firstTag: UInt32 = 100
  /// Pads the answer to GET to about 1 KB, head and content.
  private static let padding = String(repeating: "x", count: 900)
  private static let failure = "{\"error\":\"out of luck\"}"
  private static let tokenCount = 20
  /// The time between two checks of the streams.
  private static let streamPause = Nanoseconds.milliseconds(20)

  private struct Connection {
    let server: Int
    var input: [UInt8] = []
    /// The request in service.
    var job: UInt64?
    var isStream = false
    var isPadded = false
    var tokensSent = 0
  }
  private struct Generate: Decodable {
    var work: Double?
    var stream: Bool?
  }

  private var servers: [VirtualServer]
  private var pages: [EndpointPage]
  /// The address of each server.
  package let addresses: [SocketAddress]
  private let setSize: Int
  private let keepsArrivals: Bool
  /// The status that a server with a full queue answers.
  package var fullStatus = 503
  /// The requests that each server accepted; empty unless they are kept.
  package private(set) var arrivals: [EndpointArrival] = []
  private var connections: [ConnectionID: Connection] = [:]
  private var jobs: [UInt64: ConnectionID] = [:]
  private var nextJob: UInt64 = 1
  private var parser = HeadParser()

  /// Opens one listener for each server, at the wanted addresses or else on free ports. All sets of
  /// `setSize` servers are alike. Requires: as many `wanted` addresses as servers, if any.
  package init(
    _ servers: [VirtualServer], setSize: Int, at wanted: [SocketAddress]? = nil,
    keepsArrivals: Bool = false, _ io: inout IOLoop
  ) throws(IOError) {
    self.servers = servers
    self.setSize = setSize
    self.keepsArrivals = keepsArrivals
    var addresses: [SocketAddress] = []
    for index in servers.indices {
      let group = try ListenSocket.open(wanted?[index] ?? .loopback(port: 0), count: 1)
      if let socket = group.take(0) {
        try io.listen(socket, tag: Self.firstTag + UInt32(index))
      }
      addresses.append(group.address)
    }
    self.addresses = addresses
    pages = servers.indices.map { Self.page($0 % setSize) }
  }

  private static func page(_ place: Int) -> EndpointPage {
    EndpointPage(name: "demo-\(place + 1)", startedAt: Clock.wall)
  }

  /// Whether the tag belongs to one of these listeners.
  package func owns(_ tag: UInt32) -> Bool {
    tag >= Self.firstTag && tag < Self.firstTag + UInt32(servers.count)
  }

  /// The next time at which `work` has to be called.
  private var nextEvent: Nanoseconds {
    servers.reduce(.distantFuture) { min($0, $1.nextEvent ?? .distantFuture) }
  }

  /// Handles an event of a listener or of one of its connections.
  package mutating func handle(_ event: IOEvent, _ io: inout IOLoop) {
    let id = event.id
    switch event.kind {
    case .accepted: connections[id] = Connection(server: Int(event.tag - Self.firstTag))
    case .received:
      connections[id]?.input += io.received
      // More than a request of the demo: the client is not the demo's.
      if connections[id]?.input.count ?? 0 > 1 << 20 { close(id, &io) } else { serve(id, &io) }
    case .eof, .hangup, .failed, .timeout: close(id, &io)
    case .none, .connected, .moved, .drained, .woken, .timer: break
    }
  }

  /// Advances time: answers finished requests, sends the next tokens of streams.
  package mutating func work(_ io: inout IOLoop) {
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
  package func nextLook(now: Nanoseconds) -> Nanoseconds {
    let hasStream = connections.values.contains { $0.isStream && $0.job != nil }
    return hasStream ? min(nextEvent, now + Self.streamPause) : nextEvent
  }

  /// Changes a server's behaviour. A server that dies closes its port, one that returns opens the
  /// same port again. Errors: those of listening again.
  package mutating func set(
    _ mode: VirtualServer.Mode, server: Int, _ io: inout IOLoop
  ) throws(IOError) {
    for job in servers[server].advance(to: io.now) { finish(job, &io) }
    let before = servers[server].mode
    servers[server].set(mode)
    let tag = Self.firstTag + UInt32(server)
    if mode == .dead, before != .dead {
      io.keepListeners { $0 != tag }
      for (id, connection) in connections where connection.server == server { close(id, &io) }
    } else if mode != .dead, before == .dead {
      // The process is new: its counters begin at 0.
      pages[server] = Self.page(server % setSize)
      let group = try ListenSocket.open(addresses[server], count: 1)
      if let socket = group.take(0) { try io.listen(socket, tag: tag) }
    } else if mode == .failing {
      for (id, connection) in connections where connection.server == server {
        // The head of a stream has been sent already, so that the stream can only be cut.
        if connection.job != nil, connection.isStream { close(id, &io) } else { giveUp(id, &io) }
      }
    }
  }

  /// Answers the running request with 500.
  private mutating func giveUp(_ id: ConnectionID, _ io: inout IOLoop) {
    guard let connection = connections[id], let job = connection.job else { return }
    jobs[job] = nil
    servers[connection.server].cancel(job)
    pages[connection.server].forget(job)
    connections[id]?.job = nil
    send(id, 500, "application/json", Self.failure, &io)
    serve(id, &io)
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

  /// Answers all complete requests of the input, one after another.
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
      let query = String(
        decoding: connection.input[head.pathEnd..<head.targetEnd], as: UTF8.self)
      connections[id]?.input.removeFirst(end)
      answer(id, head.method, path, query, content, &io)
    }
  }

  private mutating func answer(
    _ id: ConnectionID, _ method: HTTP.Method, _ path: String, _ query: String,
    _ content: [UInt8], _ io: inout IOLoop
  ) {
    guard let server = connections[id]?.server else { return }
    switch (method, path) {
    case (.get, "/health"): send(id, 200, "text/plain", "ok\n", &io)
    case (.get, "/metrics"):
      // The page of a hanging engine still answers, like real ones.
      let page = pages[server].render(servers[server])
      send(id, 200, MetricsWriter.contentType, String(decoding: page, as: UTF8.self), &io)
    case (.post, "/v1/generate"):
      let request = try? JSONDecoder().decode(Generate.self, from: Data(content))
      let work = request.map { $0.work ?? 1 }
      generate(id, server, work, isStream: request?.stream ?? false, isPadded: false, &io)
    case (.get, "/v1/generate"):
      let work = query.hasPrefix("?work=") ? Double(query.dropFirst(6)) : nil
      generate(id, server, work, isStream: false, isPadded: true, &io)
    case (_, "/health"), (_, "/metrics"), (_, "/v1/generate"):
      send(id, 405, "application/json", "{\"error\":\"method not allowed\"}", &io)
    default: send(id, 404, "application/json", "{\"error\":\"not found\"}", &io)
    }
  }

  private mutating func generate(
    _ id: ConnectionID, _ server: Int, _ work: Double?, isStream: Bool, isPadded: Bool,
    _ io: inout IOLoop
  ) {
    if keepsArrivals { arrivals.append(EndpointArrival(server: server, at: io.now)) }
    if servers[server].mode == .failing {
      send(id, 500, "application/json", Self.failure, &io)
      return
    }
    if servers[server].mode == .rejecting {
      send(id, 404, "application/json", "{\"error\":\"no such model\"}", &io)
      return
    }
    guard let work, work.isFinite, work > 0, work <= 1_000 else {
      send(id, 400, "application/json", "{\"error\":\"the work is not what is expected\"}", &io)
      return
    }
    for job in servers[server].advance(to: io.now) { finish(job, &io) }
    let job = nextJob
    nextJob += 1
    guard servers[server].arrive(job, work: work, now: io.now) else {
      send(id, fullStatus, "application/json", "{\"error\":\"the queue is full\"}", &io)
      return
    }
    pages[server].begin(job, at: io.now)
    jobs[job] = id
    connections[id]?.job = job
    connections[id]?.isStream = isStream
    connections[id]?.isPadded = isPadded
    connections[id]?.tokensSent = 0
    if isStream {
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
      let text = connection.isPadded ? ",\"text\":\"\(Self.padding)\"" : ""
      send(id, 200, "application/json", "{\"tokens\":\(Self.tokenCount)\(text)}", &io)
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
    var head = "HTTP/1.1 \(status) \(status == 200 ? "OK" : "Refused")\r\nContent-Type: \(type)\r\n"
    if status == fullStatus { head += "Retry-After: 1\r\n" }
    write(id, head + "Content-Length: \(body.utf8.count)\r\n\r\n" + body, &io)
  }

  private func write(_ id: ConnectionID, _ text: String, _ io: inout IOLoop) {
    var text = text
    text.withUTF8 { _ = io.send(id, UnsafeRawBufferPointer($0)) }
  }
}
