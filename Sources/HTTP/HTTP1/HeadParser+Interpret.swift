// What a head's fields mean: framing (RFC 9112 §6), persistence (§9.3), host (§3.2), expectations
// (RFC 9110 §10.1.1).
// HOT PATH: no allocation, no lock, no existential, no clock.

extension HeadParser {
  mutating func interpret(
    _ bytes: UnsafePointer<UInt8>, _ head: inout RequestHead
  ) throws(HeadError) {
    var hostCount = 0
    for index in 0..<fieldCount where fields[index].name == .host || fields[index].name == .expect {
      let field = fields[index]
      let (start, end) = (Int(field.valueStart), Int(field.valueEnd))
      if field.name == .host {
        hostCount += 1
        if hostCount > 1 { throw .severalHosts }
        guard start == end || isHostAndPort(bytes, start, end) else { throw .badHost }
        if !head.isAbsoluteForm { (head.authorityStart, head.authorityEnd) = (start, end) }
      } else {
        guard isWord(bytes, start, end, "100-continue") else { throw .unknownExpectation }
        // HTTP/1.0 clients do not wait, so nothing is expected (RFC 9110 §10.1.1).
        head.expectsContinue = head.minorVersion >= 1
      }
    }
    if hostCount == 0, head.minorVersion >= 1 { throw .missingHost }
    let (length, isChunked) = try framingFields(bytes, minorVersion: head.minorVersion)
    head.framing = isChunked ? .chunked : length > 0 ? .length(length) : .none
    head.connection = try connectionOptions(bytes)
    // `Content-Length: 0` has nothing to continue with.
    if head.framing == .none { head.expectsContinue = false }
    if head.method == .options, has(.maxForwards) { head.maxForwards = try maxForwards(bytes) }
    head.asksUpgrade =
      head.connection.upgrade && head.minorVersion >= 1 && head.framing == .none
      && namesTunnel(bytes)
  }

  mutating func interpret(
    _ bytes: UnsafePointer<UInt8>, answering method: Method, _ head: inout ResponseHead
  ) throws(HeadError) {
    let (length, isChunked) = try framingFields(bytes, minorVersion: head.minorVersion)
    head.connection = try connectionOptions(bytes)
    head.isUpgrade = head.status == 101 && head.connection.upgrade && namesTunnel(bytes)
    head.keepsUpgrade = head.isUpgrade || head.status == 426 && has(.upgrade)
    head.hasDate = has(.date)
    if method == .head || head.status < 200 || head.status == 204 || head.status == 304 {
      head.framing = .none
    } else if isChunked {
      head.framing = .chunked
    } else if length >= 0 {
      head.framing = length > 0 ? .length(length) : .none
    } else {
      head.framing = .untilClose
    }
  }

  /// The content length (−1: none given) and whether the content is chunked.
  private func framingFields(
    _ bytes: UnsafePointer<UInt8>, minorVersion: UInt8
  ) throws(HeadError) -> (length: Int, isChunked: Bool) {
    var length = -1
    var isChunked = false
    guard has(.contentLength) || has(.transferEncoding) else { return (length, isChunked) }
    for index in 0..<fieldCount {
      let field = fields[index]
      let (start, end) = (Int(field.valueStart), Int(field.valueEnd))
      if field.name == .contentLength {
        if length >= 0 { throw .severalContentLengths }
        length = try Self.contentLength(bytes, start, end)
      } else if field.name == .transferEncoding {
        if isChunked { throw .severalTransferEncodings }
        guard isWord(bytes, start, end, "chunked") else {
          throw isUnknownCoding(bytes, start, end) ? .unknownTransferCoding : .badTransferEncoding
        }
        if minorVersion == 0 { throw .transferCodingBefore11 }
        isChunked = true
      }
    }
    if isChunked, length >= 0 { throw .lengthAndTransferEncoding }
    return (length, isChunked)
  }

  /// Whether the value names codings that we would have to know (RFC 9112 §6.1: 501), rather than
  /// "chunked" twice or in the wrong place, or something that is no list of names.
  private func isUnknownCoding(
    _ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int
  ) -> Bool {
    var rest = start
    var count = 0
    while let (first, stop) = ASCII.nextElement(bytes, &rest, end) {
      let isChunked = isWord(bytes, first, stop, "chunked")
      guard classes.skip(bytes, first, stop, ByteClasses.token) == stop, !isChunked || rest == end,
        !isChunked || count > 0
      else { return false }
      count += 1
    }
    return count > 0
  }

  /// RFC 9110 §8.6: digits only; no list, no sign, at most 18 digits.
  static func contentLength(
    _ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int
  ) throws(HeadError) -> Int {
    guard end > start, end - start <= 18 else { throw .badContentLength }
    var value = 0
    for index in start..<end {
      guard bytes[index] >= 0x30, bytes[index] <= 0x39 else { throw .badContentLength }
      value = value * 10 + Int(bytes[index] - 0x30)
    }
    return value
  }

  /// RFC 9110 §7.6.2: one number. More than nine digits are as good as the largest of nine.
  private func maxForwards(_ bytes: UnsafePointer<UInt8>) throws(HeadError) -> Int32 {
    var value: Int32 = -1
    for index in 0..<fieldCount where fields[index].name == .maxForwards {
      guard value < 0, fields[index].valueStart < fields[index].valueEnd else {
        throw .badMaxForwards
      }
      value = 0
      for place in Int(fields[index].valueStart)..<Int(fields[index].valueEnd) {
        guard bytes[place] >= 0x30, bytes[place] <= 0x39 else { throw .badMaxForwards }
        let next = Int64(value) * 10 + Int64(bytes[place] - 0x30)
        value = Int32(min(next, 999_999_999))
      }
    }
    return value
  }

  private func connectionOptions(
    _ bytes: UnsafePointer<UInt8>
  ) throws(HeadError) -> ConnectionOptions {
    var options = ConnectionOptions()
    guard has(.connection) else { return options }
    for index in 0..<fieldCount where fields[index].name == .connection {
      var rest = Int(fields[index].valueStart)
      let end = Int(fields[index].valueEnd)
      while let (start, stop) = ASCII.nextElement(bytes, &rest, end) {
        guard stop > start, classes.skip(bytes, start, stop, ByteClasses.token) == stop else {
          throw .badConnectionOption
        }
        try note(bytes, start, stop, &options)
      }
    }
    return options
  }

  private func note(
    _ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int, _ options: inout ConnectionOptions
  ) throws(HeadError) {
    if isWord(bytes, start, end, "close") {
      options.close = true
      return
    }
    switch FieldName.match(bytes + start, end - start) {
    case .keepAlive: options.keepAlive = true
    case .upgrade: options.upgrade = true
    case .other, .forwarded, .xRequestID, .traceparent, .tracestate, .xServedBy, .trailer, .date,
      .maxForwards, .steelyardEndpoint, .steelyardOther, .counterfeit:
      options.namesFields = true
    // Hop-by-hop anyway.
    case .te, .proxyConnection, .http2Settings: break
    // To name a field that every party needs would make us delete it (RFC 9110 §7.6.1).
    case .connection, .contentLength, .transferEncoding, .host, .expect, .via, .xForwardedFor,
      .xForwardedProto, .xForwardedHost, .xForwardedOther, .xRealIP:
      throw .badConnectionOption
    }
  }

  /// Whether the `Upgrade` fields are a list of protocols (RFC 9110 §7.8) none of which is HTTP or
  /// TLS: requests inside of such a tunnel would pass by our routes and checks unread.
  private func namesTunnel(_ bytes: UnsafePointer<UInt8>) -> Bool {
    var count = 0
    for index in 0..<fieldCount where fields[index].name == .upgrade {
      var rest = Int(fields[index].valueStart)
      while let (start, stop) = ASCII.nextElement(bytes, &rest, Int(fields[index].valueEnd)) {
        let nameEnd = classes.skip(bytes, start, stop, ByteClasses.token)
        guard nameEnd > start else { return false }
        if nameEnd < stop {
          guard bytes[nameEnd] == 0x2F, nameEnd + 1 < stop,
            classes.skip(bytes, nameEnd + 1, stop, ByteClasses.token) == stop
          else { return false }
        }
        if isWord(bytes, start, nameEnd, "h2c") || isWord(bytes, start, nameEnd, "h2")
          || isWord(bytes, start, nameEnd, "http") || isWord(bytes, start, nameEnd, "tls")
        {
          return false
        }
        count += 1
      }
    }
    return count > 0
  }
}
