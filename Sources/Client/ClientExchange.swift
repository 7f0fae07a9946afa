// One request and its answer, as a pure machine over bytes (RFC 9112): request bytes out, response
// bytes in, one outcome. Bounds: head 16 KB, eight interim heads, content by the request's limit.
// Invariant: the same outcome however the bytes were split. Buffers are kept from use to use.
package import HTTP
import Primitives

package struct ClientExchange {
  private static let interimMax = 8

  private enum Phase: Sendable, Equatable {
    case head, content
    case answered
    case connected
    case failed(ClientFailure)
  }

  /// The bytes to send; empty if only a connection is wanted.
  package private(set) var requestBytes: [UInt8] = []
  /// Whether a byte of an answer was received.
  package private(set) var hasReceived = false
  /// Whether the connection may carry another exchange. Valid when the exchange is over.
  package private(set) var isReusable = false
  private var phase = Phase.failed(ClientFailure(.local, "not begun"))
  private var method = Method.get
  private var contentMax = 0
  private var keptMax = 0
  private var ignoresExcess = false
  private var decodesGzip = false
  private var keepsConnection = false
  private var interimCount = 0
  private var status = 0
  private var isPersistent = false
  /// The value of `Location` of a redirect, at most 1 KiB.
  private var location: String?
  private var keepsContentType = false
  private var keptNames: [String] = []
  private var keptFields: [String: String] = [:]
  private var isStream = false
  private var contentType: String?
  private var headBytes: [UInt8] = []
  private var content: [UInt8] = []
  /// The bytes of content received, kept or not.
  private var contentCount = 0
  private var reader = ContentReader(.none)
  private var call: CallEnd?
  /// The connection of HTTP/2.
  private var stream: HTTP2Exchange?

  package init() {}

  /// Begins a new exchange; the one before is forgotten. `userAgent` is like `steelyard/1.0`.
  /// Requires: a method that has a name.
  package mutating func begin(_ request: ClientRequest, userAgent: String) {
    precondition(request.method != .other)
    hasReceived = false
    isReusable = false
    phase = .head
    method = request.method
    contentMax = request.contentBytesMax
    keptMax = request.keptBytesMax
    ignoresExcess = request.excess == .ignored
    decodesGzip = request.decodesGzip
    keepsConnection = request.keepsConnection
    interimCount = 0
    location = nil
    contentType = nil
    keepsContentType = request.keepsContentType
    keptNames = request.keptFields
    keptFields = [:]
    isStream = request.isStream
    contentCount = 0
    call = nil
    stream = nil
    headBytes.removeAll(keepingCapacity: true)
    content.removeAll(keepingCapacity: true)
    requestBytes.removeAll(keepingCapacity: true)
    guard !request.onlyConnects else { return }
    let host = request.host ?? request.address.description
    requestBytes += "\(method.label) ".utf8
    appendTarget(request.path)
    requestBytes += " HTTP/1.1\r\nHost: \(host)\r\n".utf8
    appendOwn("User-Agent", userAgent, request)
    appendOwn("Accept", request.accept, request)
    appendOwn("Accept-Encoding", "identity", request)
    if !keepsConnection { requestBytes += "Connection: close\r\n".utf8 }
    let hasContent = method == .post || method == .put || method == .patch
    if hasContent { requestBytes += "Content-Length: \(request.content.count)\r\n".utf8 }
    for field in request.fields { requestBytes += "\(field.name): \(field.value)\r\n".utf8 }
    requestBytes += "\r\n".utf8
    if hasContent { requestBytes += request.content }
    if request.version == .http2 { beginStream(isSecure: request.security != nil) }
  }

  /// Puts frames of HTTP/2 in place of the text.
  private mutating func beginStream(isSecure: Bool) {
    stream = HTTP2Exchange(requestBytes, isSecure: isSecure, contentMax: contentMax)
    requestBytes = stream?.takeOutput() ?? []
    if stream == nil {
      phase = .failed(ClientFailure(.local, "the request is too large for HTTP/2"))
    }
  }

  /// Takes out what has to be sent before the answer can go on.
  package mutating func takeReplies() -> [UInt8] { stream?.takeOutput() ?? [] }

  /// The request could not be made. The exchange is over.
  package var hasFailed: Bool { if case .failed = phase { true } else { false } }

  /// Appends a field of the client, unless the request has one of that name.
  private mutating func appendOwn(_ name: String, _ value: String, _ request: ClientRequest) {
    let isGiven = request.fields.contains { $0.name.lowercased() == name.lowercased() }
    if !isGiven { requestBytes += "\(name): \(value)\r\n".utf8 }
  }

  /// Bytes that a request line cannot contain are percent-encoded (RFC 3986 §2.1).
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

  /// Takes received bytes. Returns true if the exchange is over.
  package mutating func receive(
    _ bytes: UnsafeRawBufferPointer, _ parser: inout HeadParser
  ) -> Bool {
    if !bytes.isEmpty { hasReceived = true }
    if let stream, phase == .head { return readFrames(stream, bytes) }
    switch phase {
    case .head:
      headBytes.append(contentsOf: bytes)
      return readHeads(&parser)
    case .content: return readContent(bytes)
    case .answered, .connected, .failed: return true
    }
  }

  /// Takes the end of the peer's bytes. The exchange is over. `isCut`: TLS does not confirm the
  /// end, so that content which ends with the connection may be incomplete.
  package mutating func end(isCut: Bool = false) {
    if let stream, phase == .head { return fail(stream.end()) }
    switch phase {
    case .head:
      phase = .failed(
        ClientFailure(.cut, hasReceived ? "closed within the head" : "closed without an answer"))
    case .content where reader.isUntilClose && !isCut: _ = finishContent()
    case .content:
      let how = isCut ? ", and TLS did not say that this is the end" : ""
      phase = .failed(ClientFailure(.cut, "closed after \(contentCount) bytes of content\(how)"))
    case .answered, .connected, .failed: break
    }
    isReusable = false
  }

  /// Takes the established connection, if only that was wanted. The exchange is over.
  package mutating func connect() { phase = .connected }

  /// Ends the exchange for a reason other than its bytes.
  package mutating func fail(_ failure: ClientFailure) {
    phase = .failed(failure)
    isReusable = false
  }

  /// The first bytes of the answer, which may show another protocol than HTTP.
  package var firstBytes: [UInt8] { Array(headBytes.prefix(64)) }

  /// The progress of the exchange, for the text of a timeout.
  package var progress: String {
    if !hasReceived { return "no answer" }
    if let stream { return stream.progress }
    return phase == .head ? "an unfinished head" : "\(contentCount) bytes of content"
  }

  /// The path of a redirect to the same server as that of `request`; nil otherwise. Valid when the
  /// exchange is over. Source: RFC 9110 §10.2.2, §15.4.
  package func redirectPath(of request: ClientRequest) -> String? {
    guard phase == .answered, let location else { return nil }
    if location.hasPrefix("/"), !location.hasPrefix("//") { return location }
    let scheme = request.security == nil ? "http://" : "https://"
    guard location.lowercased().hasPrefix(scheme) else { return nil }
    let rest = location.dropFirst(scheme.count)
    let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
    var authority = rest[..<end].lowercased()
    if !authority.contains(":") || authority.hasSuffix("]") {
      authority += request.security == nil ? ":80" : ":443"
    }
    guard SocketAddress(authority) == request.address || authority == request.host?.lowercased()
    else { return nil }
    let target = String(rest[end...])
    return target.hasPrefix("/") ? target : "/" + target
  }

  /// Passes the content of a stream that has come since the last call, and forgets it.
  package mutating func withPart(_ body: (UnsafeRawBufferPointer) -> Void) {
    guard isStream, !content.isEmpty else { return }
    content.withUnsafeBytes(body)
    content.removeAll(keepingCapacity: true)
  }

  /// Passes the outcome, whose content is valid within `body`. Requires: the exchange is over.
  package func withOutcome<Result>(_ body: (ClientOutcome) -> Result) -> Result {
    switch phase {
    case .failed(let failure): return body(.failed(failure))
    case .connected: return body(.connected)
    case .head, .content: preconditionFailure("the exchange is not over")
    case .answered:
      return content.withUnsafeBytes {
        body(
          .answered(
            ClientAnswer(
              status: status, location: location, contentType: contentType,
              keptFields: keptFields, call: call,
              content: $0)))
      }
    }
  }

  // MARK: Bytes

  private mutating func readHeads(_ parser: inout HeadParser) -> Bool {
    while true {
      var head = ResponseHead()
      let verdict = headBytes.withUnsafeBytes { parser.parse($0, answering: method, into: &head) }
      switch verdict {
      case .incomplete: return false
      case .rejected(let error):
        let isAlert = headBytes.starts(with: [0x15, 3])
        // No text begins so, but the first frame of HTTP/2 does.
        let detail = headBytes.first == 0 ? "no HTTP/1, perhaps HTTP/2" : error.label
        return isOver(.failed(isAlert ? .tlsAlert : ClientFailure(.badHTTP, detail)))
      case .complete: break
      }
      guard head.isInterim else { return takeHead(head, parser) }
      interimCount += 1
      guard interimCount <= Self.interimMax else {
        return isOver(.failed(ClientFailure(.badHTTP, "too many interim heads")))
      }
      headBytes.removeSubrange(0..<head.end)
    }
  }

  private mutating func readFrames(
    _ stream: HTTP2Exchange, _ bytes: UnsafeRawBufferPointer
  ) -> Bool {
    switch stream.receive(bytes) {
    case .more: return false
    case .failed(let failure): return isOver(.failed(failure))
    case .exceeded:
      status = stream.status
      return exceed()
    case .answered:
      (status, call, content) = (stream.status, stream.call, stream.content)
      return isOver(.answered)
    }
  }

  private mutating func takeHead(_ head: ResponseHead, _ parser: borrowing HeadParser) -> Bool {
    guard head.status != 101 else {
      return isOver(.failed(ClientFailure(.badHTTP, "101 without being asked")))
    }
    status = head.status
    isPersistent = head.isPersistent
    if [301, 302, 303, 307, 308].contains(status) {
      location = headBytes.withUnsafeBytes { parser.table(in: $0).text(of: "location") }
    }
    if keepsContentType {
      contentType = headBytes.withUnsafeBytes { parser.table(in: $0).text(of: "content-type") }
    }
    for name in keptNames {
      keptFields[name] = headBytes.withUnsafeBytes { parser.table(in: $0).text(of: name) }
    }
    isStream = isStream && status == 200
    reader = ContentReader(head.framing)
    phase = .content
    if isStream { return readRest(head) }
    if case .length(let count) = head.framing, count > contentMax { return exceed() }
    if contentMax == 0, ignoresExcess, head.framing != .none { return exceed() }
    return readRest(head)
  }

  private mutating func readRest(_ head: ResponseHead) -> Bool {
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
      case .malformed(let error): return isOver(.failed(ClientFailure(.badHTTP, error.label)))
      case .complete:
        isReusable = isPersistent && keepsConnection && offset == bytes.count
        return finishContent()
      case .content(let count):
        guard isStream || count <= contentMax - contentCount else { return exceed() }
        contentCount += count
        let kept = min(count, keptMax - content.count)
        content.append(contentsOf: bytes[offset - count..<offset - count + kept])
      }
    }
  }

  /// The content is complete.
  private mutating func finishContent() -> Bool {
    guard decodesGzip, GzipContent.isGzip(content) else { return isOver(.answered) }
    do throws(GzipContent.Failure) {
      content = try GzipContent.plain(content, byteCountMax: contentMax)
      return isOver(.answered)
    } catch {
      switch error {
      case .tooLarge: return exceed()
      case .malformed: return isOver(.failed(ClientFailure(.badContent, "malformed gzip content")))
      }
    }
  }

  private mutating func exceed() -> Bool {
    guard ignoresExcess else {
      return isOver(.failed(ClientFailure(.tooLarge, "more than \(contentMax) bytes")))
    }
    content.removeAll(keepingCapacity: true)
    return isOver(.answered)
  }

  private mutating func isOver(_ end: Phase) -> Bool {
    phase = end
    return true
  }
}
