// One request and its answer, as a pure machine over bytes (RFC 9112): request bytes out, response
// bytes in, one outcome. Bounds: head 16 KB, eight interim heads, content by the request's limit.
// Invariant: the same outcome however the bytes were split. Buffers are kept from use to use.
package import Fleet
package import HTTP
import Primitives

package struct ClientExchange: Sendable {
  private static let interimMax = 8
  /// What is kept of the answer to a canary, to tell of it.
  private static let canaryKeptMax = 128

  private enum Phase: Sendable, Equatable {
    case head, content
    case answered
    case connected
    case failed(ProbeFailure)
  }

  /// What is to be sent.
  package private(set) var requestBytes: [UInt8] = []
  /// Whether any byte of an answer came.
  package private(set) var hasReceived = false
  /// Whether the connection may carry another exchange. Only of use when the exchange is over.
  package private(set) var isReusable = false
  private var phase = Phase.failed(ProbeFailure(.local, "not begun"))
  private var acceptsAnyContent = false
  private var method = Method.get
  private var contentMax = 0
  private var interimCount = 0
  private var status = 0
  private var isPersistent = false
  /// What `Location` of a redirect says, up to 1 KiB.
  private var location: String?
  /// Compressed content is wanted plain: it is a page.
  private var isPage = false
  private var headBytes: [UInt8] = []
  private var content: [UInt8] = []
  /// Bytes of content that came, kept or not.
  private var contentCount = 0
  private var isCanary = false
  private var reader = ContentReader(.none)

  package init() {}

  /// A new exchange; what is left of the one before is forgotten. `userAgent` is like
  /// `steelyard/1.0`.
  package mutating func begin(_ request: ProbeRequest, userAgent: String) {
    hasReceived = false
    isReusable = false
    phase = .head
    acceptsAnyContent = request.kind == .health && !request.needsContent
    method = request.method == .head ? .head : .get
    contentMax = request.contentBytesMax
    interimCount = 0
    location = nil
    isPage = request.kind == .prometheus || request.kind == .json
    isCanary = request.kind == .canary
    contentCount = 0
    headBytes.removeAll(keepingCapacity: true)
    content.removeAll(keepingCapacity: true)
    requestBytes.removeAll(keepingCapacity: true)
    guard request.kind != .tcp else { return }
    let host = request.host ?? request.address.description
    requestBytes += "\(request.method.rawValue) ".utf8
    appendTarget(request.path)
    requestBytes += " HTTP/1.1\r\nHost: \(host)\r\n".utf8
    appendOwn("User-Agent", userAgent, request)
    appendOwn("Accept", Self.accept(request.kind), request)
    appendOwn("Accept-Encoding", "identity", request)
    // A new connection each time: clients' requests may need one too.
    if isCanary { requestBytes += "Connection: close\r\n".utf8 }
    if request.method == .post {
      requestBytes += "Content-Length: \(request.content.count)\r\n".utf8
    }
    for field in request.fields { requestBytes += "\(field.name): \(field.value)\r\n".utf8 }
    requestBytes += "\r\n".utf8
    if request.method == .post { requestBytes += request.content }
  }

  /// A field of our own, where the request has no other of that name.
  private mutating func appendOwn(_ name: String, _ value: String, _ request: ProbeRequest) {
    let isGiven = request.fields.contains { $0.name.lowercased() == name.lowercased() }
    if !isGiven { requestBytes += "\(name): \(value)\r\n".utf8 }
  }

  /// Text is preferred: OpenMetrics writers may rename counters.
  private static func accept(_ kind: ProbeRequest.Kind) -> String {
    switch kind {
    case .prometheus:
      "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=1"
    case .json: "application/json"
    case .health, .tcp, .canary: "*/*"
    }
  }

  /// What may not stand in a request line is percent-encoded (RFC 3986 §2.1).
  private mutating func appendTarget(_ path: String) {
    let digits = Array("0123456789ABCDEF".utf8)
    if path.utf8.first != UInt8(ascii: "/") { requestBytes.append(UInt8(ascii: "/")) }
    for byte in path.utf8 {
      if byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "#") {
        requestBytes.append(byte)
      } else {
        requestBytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
  }

  /// Takes received bytes. True when the exchange is over.
  package mutating func receive(
    _ bytes: UnsafeRawBufferPointer, _ parser: inout HeadParser
  ) -> Bool {
    if !bytes.isEmpty { hasReceived = true }
    switch phase {
    case .head:
      headBytes.append(contentsOf: bytes)
      return readHeads(&parser)
    case .content: return readContent(bytes)
    case .answered, .connected, .failed: return true
    }
  }

  /// The peer sends no more. The exchange is over.
  package mutating func end() {
    switch phase {
    case .head:
      phase = .failed(
        ProbeFailure(.cut, hasReceived ? "closed within the head" : "closed without an answer"))
    case .content where reader.isUntilClose: _ = finishContent()
    case .content:
      phase = .failed(ProbeFailure(.cut, "closed after \(contentCount) bytes of content"))
    case .answered, .connected, .failed: break
    }
    isReusable = false
  }

  /// The connection is there, which was all that was asked for. The exchange is over.
  package mutating func connect() { phase = .connected }

  /// The exchange is over for a reason that does not lie in the bytes.
  package mutating func fail(_ failure: ProbeFailure) {
    phase = .failed(failure)
    isReusable = false
  }

  /// How the answer begins, for telling what else it may be than HTTP.
  package var firstBytes: [UInt8] { Array(headBytes.prefix(64)) }

  /// How far it got, for a timeout's text.
  package var progress: String {
    if !hasReceived { return "no answer" }
    return phase == .head ? "an unfinished head" : "\(contentCount) bytes of content"
  }

  /// The path that a redirect of a page leads to, where that is the same server as `request`'s:
  /// nil otherwise. Only of use when the exchange is over. Source: RFC 9110 §10.2.2, §15.4.
  package func redirectPath(of request: ProbeRequest) -> String? {
    guard isPage, phase == .answered, let location else { return nil }
    if location.hasPrefix("/"), !location.hasPrefix("//") { return location }
    let scheme = "http://"
    guard location.lowercased().hasPrefix(scheme) else { return nil }
    let rest = location.dropFirst(scheme.count)
    let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
    var authority = rest[..<end].lowercased()
    if !authority.contains(":") || authority.hasSuffix("]") { authority += ":80" }
    guard SocketAddress(authority) == request.address || authority == request.host?.lowercased()
    else { return nil }
    let target = String(rest[end...])
    return target.hasPrefix("/") ? target : "/" + target
  }

  /// A redirect that is not followed is a failure that says where it leads.
  package mutating func refuseRedirect() {
    guard isPage, phase == .answered, let location else { return }
    let target = Array(location.utf8).withUnsafeBytes { Wording.snippet($0) }
    phase = .failed(
      ProbeFailure(
        .status, "\(status): the page is at \(target); `path` and `port` have to say so"))
  }

  /// Hands out the outcome, whose content is valid within `body`. Requires: the exchange is over.
  package func withOutcome<Result>(_ body: (ProbeOutcome) -> Result) -> Result {
    switch phase {
    case .failed(let failure): return body(.failed(failure))
    case .connected: return body(.connected)
    case .head, .content: preconditionFailure("the exchange is not over")
    case .answered:
      return content.withUnsafeBytes { body(.answered(status: status, content: $0)) }
    }
  }

  // MARK: Bytes

  private mutating func readHeads(_ parser: inout HeadParser) -> Bool {
    while true {
      var head = ResponseHead()
      let verdict = headBytes.withUnsafeBytes { parser.parse($0, answering: method, into: &head) }
      switch verdict {
      case .incomplete: return false
      case .rejected(let error): return isOver(.failed(ProbeFailure(.badHTTP, error.label)))
      case .complete: break
      }
      guard head.isInterim else { return takeHead(head, parser) }
      interimCount += 1
      guard interimCount <= Self.interimMax else {
        return isOver(.failed(ProbeFailure(.badHTTP, "too many interim heads")))
      }
      headBytes.removeSubrange(0..<head.end)
    }
  }

  private mutating func takeHead(_ head: ResponseHead, _ parser: borrowing HeadParser) -> Bool {
    guard head.status != 101 else {
      return isOver(.failed(ProbeFailure(.badHTTP, "101 without being asked")))
    }
    status = head.status
    isPersistent = head.isPersistent
    if [301, 302, 303, 307, 308].contains(status) {
      location = headBytes.withUnsafeBytes { parser.table(in: $0).text(of: "location") }
    }
    reader = ContentReader(head.framing)
    phase = .content
    if case .length(let count) = head.framing, count > contentMax { return exceed() }
    let rest = headBytes
    return rest.withUnsafeBytes {
      readContent(UnsafeRawBufferPointer(rebasing: $0[head.end...]))
    }
  }

  private mutating func readContent(_ bytes: UnsafeRawBufferPointer) -> Bool {
    var offset = 0
    while true {
      switch reader.next(bytes, &offset) {
      case .more: return false
      case .malformed(let error): return isOver(.failed(ProbeFailure(.badHTTP, error.label)))
      case .complete:
        isReusable = isPersistent && offset == bytes.count && !isCanary
        return finishContent()
      case .content(let count):
        guard count <= contentMax - contentCount else { return exceed() }
        contentCount += count
        let kept = isCanary ? min(count, Self.canaryKeptMax - content.count) : count
        content.append(contentsOf: bytes[offset - count..<offset - count + kept])
      }
    }
  }

  /// All content is there. A page that came compressed although it was not asked for so is read
  /// all the same: some servers know nothing else.
  private mutating func finishContent() -> Bool {
    guard isPage, GzipPage.isGzip(content) else { return isOver(.answered) }
    do throws(GzipPage.Failure) {
      content = try GzipPage.plain(content, byteCountMax: contentMax)
      return isOver(.answered)
    } catch {
      switch error {
      case .tooLarge: return exceed()
      case .malformed: return isOver(.failed(ProbeFailure(.badPage, "malformed gzip content")))
      }
    }
  }

  /// More content than allowed: for health the status is all that matters.
  private mutating func exceed() -> Bool {
    if acceptsAnyContent {
      content.removeAll(keepingCapacity: true)
      return isOver(.answered)
    }
    let limit = isPage ? "more than \(contentMax) bytes, the limit of `page_bytes`" : nil
    return isOver(.failed(ProbeFailure(.tooLarge, limit ?? "more than \(contentMax) bytes")))
  }

  private mutating func isOver(_ end: Phase) -> Bool {
    phase = end
    return true
  }
}
