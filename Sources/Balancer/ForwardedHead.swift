// Writes the heads that we pass on: hop-by-hop fields out (RFC 9110 §7.6.1), Via, X-Forwarded-* and
// X-Real-IP in. Runs of kept field lines are copied as they are.
// HOT PATH: no allocation, no lock, no existential, no clock.
import HTTP

/// What a request head is rewritten with.
struct ForwardedRequest {
  let head: RequestHead
  /// The bytes that `head` and the parser's fields refer to.
  let bytes: UnsafeRawBufferPointer
  /// The client's IP address as text.
  let client: UnsafeRawBufferPointer
  /// What endpoints are sent as `Host`; empty: the client's.
  var host: [UInt8] = []
  /// What the first `matchedCount` bytes of the path are replaced with; empty: nothing is.
  var rewrite: [UInt8] = []
  var matchedCount = 0

  func write(to writer: inout HeadWriter, _ parser: borrowing HeadParser) {
    guard let base = bytes.baseAddress else { return }
    writer.append(base + head.start, head.methodEnd - head.start)
    writer.append(" ")
    writeTarget(to: &writer)
    writer.append(" HTTP/1.1\r\n")
    let hasHost = head.authorityEnd > head.authorityStart
    let replacesHost = head.isAbsoluteForm || !hasHost || !host.isEmpty
    if replacesHost {
      // HTTP/1.0 clients may send no Host, which HTTP/1.1 servers demand.
      writer.append("Host: ")
      if !host.isEmpty {
        writer.append(host)
      } else if hasHost {
        writer.append(slice(head.authorityStart, head.authorityEnd))
      } else {
        writer.append("localhost")
      }
      writer.append("\r\n")
    }
    writeKept(to: &writer, parser, dropsHost: replacesHost)
    writeForwarded(to: &writer, parser, hasHost: hasHost)
    if head.framing == .chunked { writer.append("Transfer-Encoding: chunked\r\n") }
    writer.append("\r\n")
  }

  /// Path and query in origin form, the matched part of the path replaced.
  private func writeTarget(to writer: inout HeadWriter) {
    var start = head.targetStart
    if !rewrite.isEmpty {
      writer.append(rewrite)
      // A path that was left out matched as "/".
      start = min(start + matchedCount, head.pathEnd)
    } else if start == head.targetEnd || byte(start) == 0x3F {
      writer.append(head.method == .options && start == head.targetEnd ? "*" : "/")
    }
    writer.append(slice(start, head.targetEnd))
  }

  private func writeKept(
    to writer: inout HeadWriter, _ parser: borrowing HeadParser, dropsHost: Bool
  ) {
    var run = FieldRun()
    for index in 0..<parser.fieldCount {
      let field = parser.fields[index]
      let isDropped: Bool
      switch field.name {
      case .xForwardedFor, .xForwardedProto, .xForwardedHost, .xRealIP: isDropped = true
      case .host: isDropped = dropsHost
      case .expect: isDropped = !head.expectsContinue
      case .other:
        isDropped =
          head.connection.namesFields && parser.isNamedByConnection(field, in: bytes)
      default: isDropped = field.name.isHopByHop
      }
      run.add(field, isDropped: isDropped, from: bytes, to: &writer)
    }
    run.end(from: bytes, to: &writer)
  }

  private func writeForwarded(
    to writer: inout HeadWriter, _ parser: borrowing HeadParser, hasHost: Bool
  ) {
    writer.append("X-Forwarded-For: ")
    for index in 0..<parser.fieldCount where parser.fields[index].name == .xForwardedFor {
      let field = parser.fields[index]
      if field.valueStart == field.valueEnd { continue }
      writer.append(slice(Int(field.valueStart), Int(field.valueEnd)))
      writer.append(", ")
    }
    writer.append(client)
    writer.append("\r\nX-Real-IP: ")
    writer.append(client)
    writer.append("\r\nX-Forwarded-Proto: http\r\n")
    if hasHost {
      writer.append("X-Forwarded-Host: ")
      writer.append(slice(head.authorityStart, head.authorityEnd))
      writer.append("\r\n")
    }
    writer.append(head.minorVersion == 0 ? "Via: 1.0 steelyard\r\n" : "Via: 1.1 steelyard\r\n")
  }

  private func byte(_ offset: Int) -> UInt8 { offset < bytes.count ? bytes[offset] : 0 }

  private func slice(_ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes[start..<end])
  }
}

/// What a response head is rewritten with.
struct ForwardedResponse {
  let head: ResponseHead
  let bytes: UnsafeRawBufferPointer
  /// The content goes on as the chunks that came.
  let isChunked: Bool
  /// The client's version is 1.0 and it asked for keep-alive, which has to be confirmed.
  let confirmsKeepAlive: Bool
  let closes: Bool

  /// `own` writes field lines of ours.
  func write(
    to writer: inout HeadWriter, _ parser: borrowing HeadParser,
    own: (inout HeadWriter) -> Void = { _ in }
  ) {
    writer.append("HTTP/1.1 ")
    writer.append(number: head.status)
    writer.append(" ")
    writer.append(UnsafeRawBufferPointer(rebasing: bytes[head.reasonStart..<head.reasonEnd]))
    writer.append("\r\n")
    var run = FieldRun()
    for index in 0..<parser.fieldCount {
      let field = parser.fields[index]
      let isDropped =
        field.name.isHopByHop
        || field.name == .other && head.connection.namesFields
          && parser.isNamedByConnection(field, in: bytes)
      run.add(field, isDropped: isDropped, from: bytes, to: &writer)
    }
    run.end(from: bytes, to: &writer)
    own(&writer)
    if isChunked { writer.append("Transfer-Encoding: chunked\r\n") }
    if closes {
      writer.append("Connection: close\r\n")
    } else if confirmsKeepAlive {
      writer.append("Connection: keep-alive\r\n")
    }
    writer.append(
      head.minorVersion == 0 ? "Via: 1.0 steelyard\r\n\r\n" : "Via: 1.1 steelyard\r\n\r\n")
  }
}

/// Joins neighbouring field lines into one copy.
private struct FieldRun {
  private var start = 0
  private var end = 0

  @inline(__always)
  mutating func add(
    _ field: Field, isDropped: Bool, from bytes: UnsafeRawBufferPointer,
    to writer: inout HeadWriter
  ) {
    if isDropped || Int(field.start) != end {
      self.end(from: bytes, to: &writer)
      start = Int(field.start)
    }
    end = isDropped ? start : Int(field.end)
  }

  @inline(__always)
  mutating func end(from bytes: UnsafeRawBufferPointer, to writer: inout HeadWriter) {
    if end > start, let base = bytes.baseAddress { writer.append(base + start, end - start) }
    end = start
  }
}
