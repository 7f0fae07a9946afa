// The lines of the text: the request or status line, fields, and how the content ends.
// HOT PATH: no allocation, no lock, no existential, no clock.

extension HeadText {
  // MARK: The first line

  mutating func beginLine(_ writer: inout ByteWriter) {
    hasLine = true
    kind == .request ? writeRequestLine(&writer) : writeStatusLine(&writer)
  }

  private mutating func writeRequestLine(_ writer: inout ByteWriter) {
    guard method.isThere, path.isThere, hasScheme else { return fail(.missingPseudoField) }
    let (method, path) = (bytes(method), bytes(path))
    if isText(method, "CONNECT") { return fail(.connectRefused) }
    // Anything else could be read as another form of target (RFC 9113 §8.3.1, RFC 9112 §3.2).
    guard path[0] == 0x2F || path[0] == 0x2A && path.count == 1 && isText(method, "OPTIONS")
    else { return fail(.badPath) }
    writer.append(method)
    writer.append(" ")
    writer.append(path)
    writer.append(" HTTP/1.1\r\n")
    guard authority.isThere else { return }
    writer.append("Host: ")
    writer.append(bytes(authority))
    writer.append("\r\n")
  }

  private mutating func writeStatusLine(_ writer: inout ByteWriter) {
    guard facts.status > 0 else { return fail(.missingPseudoField) }
    writer.append("HTTP/1.1 ")
    writer.append(number: facts.status)
    writer.append(" ")
    writer.append(reasonPhrase(facts.status))
    writer.append("\r\n")
  }

  // MARK: Fields

  mutating func takeField(_ field: FieldBytes, _ writer: inout ByteWriter) {
    switch FieldName.match(field.name, field.nameCount) {
    case .connection, .keepAlive, .proxyConnection, .transferEncoding, .upgrade:
      fail(.connectionField)
    case .te:
      // It says something of this connection only (RFC 9113 §8.2.2).
      if !isWord(field.value, 0, field.valueCount, "trailers") { fail(.connectionField) }
    case .host where kind == .request:
      if authority.isThere {
        if !isAuthority(field) { fail(.otherHost) }
      } else {
        if field.valueCount == 0 { return fail(.badAuthority) }
        writer.appendLine(field)
      }
    case .contentLength where kind != .trailers: takeLength(field)
    case .other:
      switch field.nameCount {
      case 6 where kind == .request && field.isNamed("cookie"): return takeCookie(field)
      case 11 where kind != .request && field.isNamed("grpc-status"): noteStatus(field)
      case 12 where kind != .trailers && field.isNamed("content-type"): noteType(field)
      default: break
      }
      writer.appendLine(field)
    default: writer.appendLine(field)
    }
  }

  private func isAuthority(_ field: FieldBytes) -> Bool {
    let authority = bytes(authority)
    guard authority.count == field.valueCount else { return false }
    for index in 0..<authority.count
    where ASCII.lowercased(authority[index]) != ASCII.lowercased(field.value[index]) {
      return false
    }
    return true
  }

  private mutating func takeLength(_ field: FieldBytes) {
    guard facts.contentLength < 0 else { return fail(.badContentLength) }
    do throws(HeadError) {
      facts.contentLength = try HeadParser.contentLength(field.value, 0, field.valueCount)
    } catch {
      fail(.badContentLength)
    }
  }

  /// Several, or what is no number, is a status that nobody knows.
  private mutating func noteStatus(_ field: FieldBytes) {
    let (count, value) = (field.valueCount, field.value)
    var status: Int16 = 17
    if facts.grpcStatus < 0, count == 1 || count == 2 && value[0] != 0x30 {
      let (tens, ones) = (count == 2 ? value[0] &- 0x30 : 0, value[count &- 1] &- 0x30)
      if tens <= 1, ones <= 9 { status = min(Int16(tens) * 10 + Int16(ones), 17) }
    }
    facts.grpcStatus = status
  }

  /// `application/grpc` with a subtype behind "+" or parameters; gRPC-Web has its trailers within
  /// the content.
  private mutating func noteType(_ field: FieldBytes) {
    facts.isGRPC = isGRPCType(UnsafeRawBufferPointer(start: field.value, count: field.valueCount))
  }

  private func isText(_ bytes: UnsafeRawBufferPointer, _ word: StaticString) -> Bool {
    guard bytes.count == word.utf8CodeUnitCount else { return false }
    for index in 0..<bytes.count where bytes[index] != word.utf8Start[index] { return false }
    return true
  }

  // MARK: The end

  /// Writes what is left after the last field. Requires: nothing failed.
  mutating func finish(_ writer: inout ByteWriter) {
    if kind == .trailers { return }
    if !hasLine { beginLine(&writer) }
    if fault != nil { return }
    if cookie.isThere {
      writer.append("cookie: ")
      writer.append(bytes(cookie))
      writer.append("\r\n")
    }
    kind == .request ? endRequest(&writer) : endResponse(&writer)
    writer.append("\r\n")
  }

  private mutating func endRequest(_ writer: inout ByteWriter) {
    guard isEnd else { return writeFraming(&writer) }
    if facts.contentLength > 0 { return fail(.badContentLength) }
    let method = bytes(method)
    if facts.contentLength == 0 || isText(method, "POST") || isText(method, "PUT")
      || isText(method, "PATCH")
    {
      writer.append("Content-Length: 0\r\n")
    }
  }

  private mutating func endResponse(_ writer: inout ByteWriter) {
    let status = facts.status
    if facts.isInterim {
      if isEnd { fail(.interimEnd) }
    } else if isHeadRequest || status == 204 || status == 304 {
      // The length that another request would have had; of a 204 there is none (RFC 9110 §8.6).
      if facts.contentLength >= 0, status != 204 { writeLength(&writer) }
    } else if !isEnd {
      writeFraming(&writer)
    } else if facts.contentLength > 0 {
      fail(.badContentLength)
    } else {
      writer.append("Content-Length: 0\r\n")
    }
  }

  /// Content follows. gRPC has trailers, for which HTTP/1 needs chunks.
  private mutating func writeFraming(_ writer: inout ByteWriter) {
    guard facts.contentLength >= 0, !facts.isGRPC else {
      facts.framing = .chunked
      writer.append("Transfer-Encoding: chunked\r\n")
      return
    }
    if facts.contentLength > 0 { facts.framing = .length(facts.contentLength) }
    writeLength(&writer)
  }

  private func writeLength(_ writer: inout ByteWriter) {
    writer.append("Content-Length: ")
    writer.append(number: facts.contentLength)
    writer.append("\r\n")
  }
}

/// Whether a media type is gRPC's, with a message format behind "+" or parameters. gRPC-Web is
/// another one.
public func isGRPCType(_ type: UnsafeRawBufferPointer) -> Bool {
  guard type.count >= 16, let base = type.baseAddress else { return false }
  let bytes = base.assumingMemoryBound(to: UInt8.self)
  // "applicat", "ion/grpc"; no other allowed byte becomes one of these by the bit of case.
  let spaces: UInt64 = 0x2020_2020_2020_2020
  guard UInt64(bigEndian: Words.load(bytes)) | spaces == 0x6170_706C_6963_6174,
    UInt64(bigEndian: Words.load(bytes + 8)) | spaces == 0x696F_6E2F_6772_7063
  else { return false }
  return type.count == 16 || bytes[16] == 0x2B || bytes[16] == 0x3B || bytes[16] == 0x20
}

extension ByteWriter {
  /// Appends `name: value` and CRLF.
  @inline(__always)
  fileprivate mutating func appendLine(_ field: FieldBytes) {
    let (nameCount, valueCount) = (field.nameCount, field.valueCount)
    guard nameCount &+ valueCount &+ 4 <= capacity &- end else {
      isOver = true
      return
    }
    var target = base + end
    target.copyMemory(from: field.name, byteCount: nameCount)
    target += nameCount
    target.storeBytes(of: 0x203A as UInt16, as: UInt16.self)
    target += 2
    target.copyMemory(from: field.value, byteCount: valueCount)
    target += valueCount
    target.storeBytes(of: 0x0A0D as UInt16, as: UInt16.self)
    end &+= nameCount &+ valueCount &+ 4
  }
}
