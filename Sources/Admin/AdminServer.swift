// The admin listener: requests are answered from memory on the loop of the control thread, and
// streams of events are kept open. Bounds: `connectionsMax` connections, a head of 16 KB within ten
// seconds, content only where it is taken, a minute between requests, 32 streams with 4 MB unsent
// each, 64 MB of long answers at once. Invariant: in one turn a connection gets at most one answer,
// and none before its last answer was sent.
import HTTP
package import IO
package import Metrics
import Primitives

/// The connections of the admin address. Control thread only; `answer` makes the answers.
package struct AdminServer: ~Copyable {
  /// The tag of the events of its connections.
  package static let tag: UInt32 = 1
  /// The most connections; the remaining ones of the loop are for polls.
  let connectionsMax: Int
  private static let headTimeout = Nanoseconds.seconds(10)
  private static let idleTimeout = Nanoseconds.seconds(60)
  private static let streamsMax = 32
  /// The most unread bytes of a stream; its client is disconnected if there are more.
  private static let unsentMax = 4 << 20
  /// The most bytes that all unfinished long answers may hold.
  private static let bodiesMax = 64 << 20
  /// The most bytes of a request's content, and of all unanswered requests together.
  private static let contentMax = 256 << 10
  private static let inputsMax = 8 << 20

  private var parser = HeadParser(takesTrace: true)
  /// The bytes received of the next head, by connection.
  private var inputs: [ConnectionID: [UInt8]] = [:]
  /// Connections that are closed when their answer was sent.
  private var ending: Set<ConnectionID> = []
  /// Connections that are streams.
  private var streams: Set<ConnectionID> = []
  /// Long answers that are not sent completely; their connections do not read meanwhile.
  private var bodies: [ConnectionID: AdminBody] = [:]
  /// Connections with a further request, which is answered in the next turn; they do not read
  /// meanwhile.
  private var waiting: Set<ConnectionID> = []
  /// The clients of the connections, and the times of their last activity.
  private var clients: [ConnectionID: Client] = [:]
  private var useCount: UInt64 = 0
  private let counts: AdminCounts
  /// The next answer of each connection is its last.
  private var isClosing = false

  private struct Client {
    let name: String
    /// The number of its last use; a larger number is a later use.
    var lastUse: UInt64
  }

  package init(counts: AdminCounts, connectionsMax: Int) {
    self.counts = counts
    self.connectionsMax = connectionsMax
  }

  /// Whether the next turn must not wait: a long answer can go on, or a request can be answered.
  package func hasWork(_ io: borrowing IOLoop) -> Bool {
    bodies.keys.contains { io.unsentByteCount($0) < AdminBody.pieceByteCount }
      || waiting.contains { io.unsentByteCount($0) == 0 }
  }

  /// Sends a piece of each long answer whose client can take it, and answers waiting requests. To
  /// be called once a turn, after its events.
  package mutating func work(_ io: inout IOLoop, answer: (AdminRequest) -> AdminResponse) {
    for (id, body) in bodies where io.unsentByteCount(id) < AdminBody.pieceByteCount {
      if io.hasFailed(id) {
        close(id, &io)
        continue
      }
      _ = body.next().withUnsafeBytes { io.send(id, $0) }
      io.setDeadline(id, io.now + Self.idleTimeout)
      guard body.isDone else { continue }
      bodies[id] = nil
      if body.closes {
        end(id, &io)
      } else {
        io.setPaused(id, false)
        respond(id, &io, answer)
      }
    }
    for id in waiting where io.unsentByteCount(id) == 0 {
      if io.hasFailed(id) {
        close(id, &io)
        continue
      }
      waiting.remove(id)
      io.setPaused(id, false)
      respond(id, &io, answer)
    }
  }

  /// Whether there is any stream.
  package var hasStreams: Bool { !streams.isEmpty }

  /// Sends `bytes` to every stream. A client that does not read is disconnected.
  package mutating func push(_ bytes: [UInt8], _ io: inout IOLoop) {
    for id in streams {
      let isSent = bytes.withUnsafeBytes { io.send(id, $0) }
      if !isSent, io.unsentByteCount(id) > Self.unsentMax { close(id, &io) }
    }
  }

  /// Another process answers at the same address from now on. Streams end; every other connection
  /// ends with its next answer, because a request may be on its way.
  package mutating func beginClosing(_ io: inout IOLoop) {
    isClosing = true
    endStreams(&io)
    for body in bodies.values { body.closes = true }
  }

  /// Ends every stream. Clients that still have access begin another one.
  package mutating func endStreams(_ io: inout IOLoop) {
    for id in streams { close(id, &io) }
  }

  /// Handles an event of a connection with `tag`. `tls` is that of connections that are accepted
  /// now; nil: they are in the clear.
  package mutating func handle(
    _ event: IOEvent, _ io: inout IOLoop, _ tls: ServerContext? = nil,
    answer: (AdminRequest) -> AdminResponse
  ) {
    let id = event.id
    switch event.kind {
    case .accepted:
      if clients.count >= connectionsMax { closeOldest(&io) }
      inputs[id] = []
      let (address, port) = io.acceptedPeer
      let name = address.isV4 ? "\(address):\(port)" : "[\(address)]:\(port)"
      let use = nextUse()
      clients[id] = Client(name: name, lastUse: use)
      if let tls { io.startTLS(id, tls) }
      io.setReadLimit(id, HeadParser.byteCountMax)
      io.setDeadline(id, io.now + (tls == nil ? Self.idleTimeout : Self.headTimeout))
    case .connected: io.setDeadline(id, io.now + Self.idleTimeout)
    case .received:
      guard !ending.contains(id), !streams.contains(id) else { return }
      let wasEmpty = inputs[id, default: []].isEmpty
      inputs[id, default: []] += io.received
      if wasEmpty { io.setDeadline(id, io.now + Self.headTimeout) }
      respond(id, &io, answer)
    case .drained: if ending.contains(id), bodies[id] == nil { close(id, &io) }
    case .eof where streams.contains(id), .hangup where streams.contains(id): close(id, &io)
    case .eof where bodies[id] != nil: ending.insert(id)
    // A client that has closed its side may still read; if it is gone, sending fails.
    case .hangup where bodies[id] != nil || waiting.contains(id): break
    case .eof, .hangup: if io.unsentByteCount(id) == 0 { close(id, &io) } else { ending.insert(id) }
    case .failed where io.tlsFailure(id) == .plainHTTP: explain(id, &io)
    case .failed, .timeout: close(id, &io)
    case .none, .moved, .woken, .timer: break
    }
  }

  /// Answers a client that speaks plain HTTP where TLS is spoken.
  private mutating func explain(_ id: ConnectionID, _ io: inout IOLoop) {
    io.leaveTLS(id)
    let problem = Problem(400, "this address speaks TLS: use https://, and --ca FILE")
    send(id, &io, AdminResponse(problem), isHead: false, closes: true)
  }

  private mutating func close(_ id: ConnectionID, _ io: inout IOLoop) {
    inputs[id] = nil
    clients[id] = nil
    ending.remove(id)
    streams.remove(id)
    waiting.remove(id)
    bodies[id] = nil
    io.close(id)
  }

  private mutating func nextUse() -> UInt64 {
    useCount += 1
    return useCount
  }

  /// Makes room: closes the connection that was used least recently, streams excepted.
  private mutating func closeOldest(_ io: inout IOLoop) {
    var oldest: (id: ConnectionID, use: UInt64)?
    for (id, client) in clients where !streams.contains(id) {
      if client.lastUse < oldest?.use ?? .max { oldest = (id, client.lastUse) }
    }
    if let oldest { close(oldest.id, &io) }
  }

  /// Answers the next request of the input if it is complete.
  private mutating func respond(
    _ id: ConnectionID, _ io: inout IOLoop, _ answer: (AdminRequest) -> AdminResponse
  ) {
    guard let input = inputs[id], !input.isEmpty, bodies[id] == nil else { return }
    var head = RequestHead()
    let (verdict, request) = input.withUnsafeBytes { bytes in
      let verdict = parser.parse(bytes, into: &head)
      return (verdict, verdict == .complete ? AdminRequest(bytes, head, parser) : nil)
    }
    switch verdict {
    case .incomplete: return
    case .rejected(let error):
      let problem = Problem(error.status, "the request is malformed: \(error.label)")
      send(id, &io, AdminResponse(problem), isHead: false, closes: true)
      return
    case .complete:
      guard var request else { return }
      var contentCount = 0
      if case .length(let count) = head.framing, count <= Self.contentMax,
        AdminResource.takesContent(request.path)
      {
        guard input.count >= head.end + count else {
          if inputs.values.reduce(0, { $0 + $1.count }) > Self.inputsMax { close(id, &io) }
          return
        }
        contentCount = count
        request.content = Array(input[head.end..<(head.end + count)])
        request.hasContent = false
      }
      inputs[id]?.removeFirst(head.end + contentCount)
      request.client = clients[id]?.name ?? ""
      let use = nextUse()
      clients[id]?.lastUse = use
      // Content is not read, so the connection ends: the content could be taken for a request.
      let closes =
        isClosing || !head.isPersistent || request.hasContent || head.minorVersion == 0
      var response = answer(request)
      if response.isStream {
        if head.method == .get, streams.count < Self.streamsMax {
          beginStream(id, &io, response)
          return
        }
        response = AdminResponse(
          Problem(503, "no more than \(Self.streamsMax) streams at once, by GET"))
      }
      let mayGzip =
        head.minorVersion == 1
        && QualityList(request.fields["accept-encoding"] ?? "").prefersGzip
      send(
        id, &io, response, isHead: head.method == .head, mayGzip: mayGzip, closes: closes)
      if closes { return }
      io.setDeadline(id, io.now + Self.idleTimeout)
      guard bodies[id] == nil, inputs[id]?.isEmpty == false else { return }
      waiting.insert(id)
      io.setPaused(id, true)
    }
  }

  private mutating func send(
    _ id: ConnectionID, _ io: inout IOLoop, _ response: AdminResponse, isHead: Bool,
    mayGzip: Bool = false, closes: Bool
  ) {
    var response = response
    var gzip: GzipStream?
    let isLong = response.body.count > AdminBody.pieceByteCount
    if isLong, !bodies.isEmpty,
      bodies.values.reduce(response.body.count, { $0 + $1.byteCount }) > Self.bodiesMax
    {
      response = AdminResponse(Problem(503, "too many long answers are on their way"))
    } else if mayGzip, response.isCompressible, response.body.count > AdminBody.plainByteCount {
      if isLong {
        gzip = GzipStream()
        if gzip != nil { response.fields.append(("Content-Encoding", "gzip")) }
      } else if let compressed = AdminBody.compressed(response.body) {
        response.body = compressed
        response.fields.append(("Content-Encoding", "gzip"))
      }
    }
    var head = Self.head(response)
    // RFC 9112 §6.1: a length, or chunks if the length is not known yet.
    let length = "Content-Length: \(response.body.count)\r\n"
    head += gzip == nil ? length : isHead ? "" : "Transfer-Encoding: chunked\r\n"
    counts.note(response.status)
    head += closes ? "Connection: close\r\n\r\n" : "\r\n"
    if isHead || response.body.count <= AdminBody.pieceByteCount {
      let bytes = Array(head.utf8) + (isHead ? [] : response.body)
      _ = bytes.withUnsafeBytes { io.send(id, $0) }
      if closes { end(id, &io) }
      return
    }
    _ = Array(head.utf8).withUnsafeBytes { io.send(id, $0) }
    bodies[id] = AdminBody(response.body, gzip: gzip, isChunked: gzip != nil, closes: closes)
    io.setPaused(id, true)
  }

  /// Stops answering; the connection is closed when everything was sent.
  private mutating func end(_ id: ConnectionID, _ io: inout IOLoop) {
    inputs[id] = []
    ending.insert(id)
    io.finish(id)
    // The end by the client, or the deadline, closes it.
    io.setDeadline(id, io.now + (io.unsentByteCount(id) == 0 ? .seconds(2) : Self.headTimeout))
  }

  /// Sends the first part of a stream, which ends with the connection.
  private mutating func beginStream(
    _ id: ConnectionID, _ io: inout IOLoop, _ response: AdminResponse
  ) {
    let bytes = Array((Self.head(response) + "Connection: close\r\n\r\n").utf8) + response.body
    counts.note(response.status)
    inputs[id] = []
    streams.insert(id)
    io.setDeadline(id, .distantFuture)
    _ = bytes.withUnsafeBytes { io.send(id, $0) }
  }

  /// Status line and fields that every answer has, without the empty line.
  private static func head(_ response: AdminResponse) -> String {
    var head = "HTTP/1.1 \(response.status) \(Problem.phrase(response.status))\r\n"
    head += "Content-Type: \(response.contentType)\r\nCache-Control: no-store\r\n"
    head += "X-Content-Type-Options: nosniff\r\n"
    for (name, value) in response.fields { head += "\(name): \(value)\r\n" }
    if !response.fields.contains(where: { $0.name == "Content-Security-Policy" }) {
      head += "Content-Security-Policy: default-src 'none'\r\n"
    }
    return head
  }
}
