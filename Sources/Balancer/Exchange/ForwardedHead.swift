// Writes the heads that are passed on: removes hop-by-hop fields (RFC 9110 §7.6.1), and adds Via,
// X-Forwarded-* and X-Real-IP. Invariant: kept field lines are copied unchanged, neighbouring ones
// in one copy.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import HTTP
package import Primitives

/// The client's part of a forwarded request head.
package struct ForwardedClient {
  /// The client's IP address as text.
  let address: UnsafeRawBufferPointer
  /// The address that the connection came from, as text: the client's or its proxy's.
  let peer: UnsafeRawBufferPointer
  /// Whether the peer's `X-Forwarded-*` are believed.
  let isPeerTrusted: Bool
  /// Whether the request came over TLS.
  let isSecure: Bool
  /// The request identifier; empty: `X-Request-Id` is passed on like any other field.
  let requestID: UnsafeRawBufferPointer
  let trace: ForwardedTrace

  package init(
    address: UnsafeRawBufferPointer, peer: UnsafeRawBufferPointer, isPeerTrusted: Bool,
    requestID: UnsafeRawBufferPointer, trace: ForwardedTrace, isSecure: Bool = false
  ) {
    self.isSecure = isSecure
    self.address = address
    self.peer = peer
    self.isPeerTrusted = isPeerTrusted
    self.requestID = requestID
    self.trace = trace
  }
}

/// What the endpoint is told of the client's certificate.
package struct ForwardedCertificate {
  /// The names of fields that clients must not send.
  let reserved: [[UInt8]]
  /// The fields' names; empty: not told.
  var subjectField: [UInt8] = []
  var namesField: [UInt8] = []
  var subject = UnsafeRawBufferPointer(start: nil, count: 0)
  var names = UnsafeRawBufferPointer(start: nil, count: 0)

  /// Whether a client's field looks like one of the reserved: many servers take `_` for `-`.
  func reserves(_ name: UnsafeRawBufferPointer) -> Bool {
    for known in reserved where known.count == name.count {
      if zip(known, name).allSatisfy({ Self.folded($0) == Self.folded($1) }) { return true }
    }
    return false
  }

  private static func folded(_ byte: UInt8) -> UInt8 {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): byte | 0x20
    case UInt8(ascii: "_"): UInt8(ascii: "-")
    default: byte
    }
  }

  func write(to writer: inout ByteWriter) {
    writeField(subjectField, subject, to: &writer)
    writeField(namesField, names, to: &writer)
  }

  private func writeField(
    _ name: [UInt8], _ value: UnsafeRawBufferPointer, to writer: inout ByteWriter
  ) {
    guard !name.isEmpty, !value.isEmpty else { return }
    writer.append(name)
    writer.append(": ")
    writer.append(value)
    writer.append("\r\n")
  }
}

/// The treatment of `traceparent` and `tracestate`.
package enum ForwardedTrace {
  /// Both fields are passed on unchanged.
  case kept
  case dropped
  /// `traceparent` names a new span of steelyard in the client's trace; `tracestate` is passed on.
  case renewed(TraceParent)
  /// `traceparent` names a new trace of steelyard; `tracestate` is removed.
  case begun(TraceParent)
}

/// A request head and the values with which it is rewritten.
package struct ForwardedRequest {
  let head: RequestHead
  let fields: FieldTable
  let noted: NotedFields
  let client: ForwardedClient
  /// The `Host` that is sent to endpoints; empty: the client's.
  var host: [UInt8] = []
  /// The replacement of the first `matchedCount` bytes of the path; empty: none is replaced.
  var rewrite: [UInt8] = []
  var matchedCount = 0
  /// The request came over HTTP/2.
  var isHTTP2 = false
  /// The time that is left of a call of gRPC; nil: it is none, or its client gives any time.
  var callTimeout: Nanoseconds?

  package init(
    head: RequestHead, fields: FieldTable, noted: NotedFields, client: ForwardedClient,
    host: [UInt8] = [], rewrite: [UInt8] = [], matchedCount: Int = 0, isHTTP2: Bool = false,
    callTimeout: Nanoseconds? = nil
  ) {
    self.isHTTP2 = isHTTP2
    self.callTimeout = callTimeout
    self.head = head
    self.fields = fields
    self.noted = noted
    self.client = client
    self.host = host
    self.rewrite = rewrite
    self.matchedCount = matchedCount
  }

  /// Appends the rewritten head. `certificate`: what the endpoint is told of the client's
  /// certificate; nil: no listener tells of any.
  package func write(
    to writer: inout ByteWriter, certificate: UnsafePointer<ForwardedCertificate>? = nil
  ) {
    guard let base = fields.bytes.baseAddress else { return }
    writer.append(base + head.start, head.methodEnd - head.start)
    writer.append(" ")
    writeTarget(to: &writer)
    writer.append(" HTTP/1.1\r\n")
    let hasHost = head.authorityEnd > head.authorityStart
    let replacesHost = head.isAbsoluteForm || !hasHost || !host.isEmpty
    if replacesHost {
      // HTTP/1.0 clients may omit Host, which HTTP/1.1 servers require.
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
    writeKept(to: &writer, dropsHost: replacesHost, certificate)
    writeForwarded(to: &writer, hasHost: hasHost)
    certificate?.pointee.write(to: &writer)
    if let callTimeout { writeCallTimeout(callTimeout, to: &writer) }
    if head.framing == .chunked { writer.append("Transfer-Encoding: chunked\r\n") }
    writer.append("\r\n")
  }

  private func writeCallTimeout(_ left: Nanoseconds, to writer: inout ByteWriter) {
    writer.append("grpc-timeout: ")
    withUnsafeTemporaryAllocation(byteCount: CallTimeout.byteCount, alignment: 1) { room in
      guard let base = room.baseAddress else { return }
      CallTimeout.write(left, to: base)
      writer.append(base, CallTimeout.byteCount)
    }
    writer.append("\r\n")
  }

  /// Writes path and query in origin form, with the matched part of the path replaced.
  private func writeTarget(to writer: inout ByteWriter) {
    var start = head.targetStart
    if !rewrite.isEmpty, !head.isAsterisk {
      writer.append(rewrite)
      // A target without a path matched as "/".
      start = min(start + matchedCount, head.pathEnd)
    } else if start == head.targetEnd || byte(start) == 0x3F {
      writer.append(head.method == .options && start == head.targetEnd ? "*" : "/")
    }
    writer.append(slice(start, head.targetEnd))
  }

  private func writeKept(
    to writer: inout ByteWriter, dropsHost: Bool,
    _ certificate: UnsafePointer<ForwardedCertificate>?
  ) {
    let readsNames =
      head.connection.namesFields || certificate != nil || callTimeout != nil
    var run = FieldRun()
    for index in 0..<fields.count {
      let field = fields[index]
      let isDropped: Bool
      switch field.name {
      case .xForwardedFor, .xRealIP, .counterfeit, .steelyardEndpoint, .steelyardOther:
        isDropped = true
      case .xForwardedProto: isDropped = !keepsProto
      case .xForwardedHost: isDropped = !keepsHost
      case .xForwardedOther, .forwarded: isDropped = !client.isPeerTrusted
      case .xRequestID: isDropped = !client.requestID.isEmpty
      case .traceparent: isDropped = !keepsTrace
      case .tracestate: isDropped = !keepsState
      case .upgrade: isDropped = !head.asksUpgrade
      case .host: isDropped = dropsHost
      case .maxForwards: isDropped = head.maxForwards > 0
      case .expect: isDropped = !head.expectsContinue
      default: isDropped = field.name.isHopByHop
      }
      run.add(
        field, isDropped: isDropped || readsNames && isNamed(field, certificate),
        from: fields.bytes, to: &writer)
    }
    run.end(from: fields.bytes, to: &writer)
  }

  /// Whether the field is removed because `Connection` names it, or because steelyard tells of a
  /// certificate under its name. Upgrade is named by an offer to change the protocol and is treated
  /// separately.
  @inline(never)
  private func isNamed(
    _ field: Field, _ certificate: UnsafePointer<ForwardedCertificate>?
  ) -> Bool {
    if head.connection.namesFields, field.name != .upgrade, fields.isNamedByConnection(field) {
      return true
    }
    if callTimeout != nil, fields.isNamed("grpc-timeout", field) { return true }
    return certificate?.pointee.reserves(slice(Int(field.start), Int(field.nameEnd))) == true
  }

  private func writeForwarded(
    to writer: inout ByteWriter, hasHost: Bool
  ) {
    writer.append("X-Forwarded-For: ")
    if client.isPeerTrusted { writeForwardedFor(to: &writer) }
    writer.append(client.peer)
    writer.append("\r\nX-Real-IP: ")
    writer.append(client.address)
    writer.append("\r\n")
    if !keepsProto {
      writer.append(
        client.isSecure ? "X-Forwarded-Proto: https\r\n" : "X-Forwarded-Proto: http\r\n")
    }
    if hasHost, !keepsHost {
      writer.append("X-Forwarded-Host: ")
      writer.append(slice(head.authorityStart, head.authorityEnd))
      writer.append("\r\n")
    }
    writeIdentifiers(to: &writer)
    if head.maxForwards > 0 {
      writer.append("Max-Forwards: ")
      writer.append(number: Int(head.maxForwards) - 1)
      writer.append("\r\n")
    }
    if head.asksUpgrade { writer.append("Connection: Upgrade\r\n") }
    if isHTTP2 {
      writer.append("Via: 2.0 steelyard\r\n")
    } else {
      writer.append(head.minorVersion == 0 ? "Via: 1.0 steelyard\r\n" : "Via: 1.1 steelyard\r\n")
    }
  }

  /// Copies the trusted peer's list of the addresses before it.
  private func writeForwardedFor(to writer: inout ByteWriter) {
    for index in 0..<fields.count where fields[index].name == .xForwardedFor {
      let field = fields[index]
      if field.valueStart == field.valueEnd { continue }
      writer.append(fields.value(field))
      writer.append(", ")
    }
  }

  private func writeIdentifiers(to writer: inout ByteWriter) {
    if !client.requestID.isEmpty {
      writer.append("X-Request-Id: ")
      writer.append(client.requestID)
      writer.append("\r\n")
    }
    switch client.trace {
    case .kept, .dropped: break
    case .renewed(let parent), .begun(let parent):
      writer.append("traceparent: ")
      parent.write(to: &writer)
      writer.append("\r\n")
    }
  }

  // A field of a trusted proxy is kept if it occurs exactly once.
  private var keepsProto: Bool { client.isPeerTrusted && noted.forwardedProto.only != nil }
  private var keepsHost: Bool { client.isPeerTrusted && noted.forwardedHost.only != nil }
  private var keepsTrace: Bool {
    if case .kept = client.trace { return true }
    return false
  }
  private var keepsState: Bool {
    switch client.trace {
    case .kept, .renewed: true
    case .dropped, .begun: false
    }
  }

  private func byte(_ offset: Int) -> UInt8 {
    offset < fields.bytes.count ? fields.bytes[offset] : 0
  }

  private func slice(_ start: Int, _ end: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: fields.bytes[start..<end])
  }
}

/// Fields that are added to every response, including steelyard's own. Empty fields are omitted.
package struct ResponseFields {
  var requestID: UnsafeRawBufferPointer
  /// The address and port of the endpoint that answered.
  var servedBy: (address: IPAddress, port: UInt16)?
  /// A whole field line; empty: none.
  var strictTransport = UnsafeRawBufferPointer(start: nil, count: 0)

  package init(
    requestID: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    servedBy: (address: IPAddress, port: UInt16)? = nil
  ) {
    self.requestID = requestID
    self.servedBy = servedBy
  }

  func write(to writer: inout ByteWriter) {
    if !requestID.isEmpty {
      writer.append("X-Request-Id: ")
      writer.append(requestID)
      writer.append("\r\n")
    }
    if !strictTransport.isEmpty { writer.append(strictTransport) }
    guard let servedBy else { return }
    writer.append(servedBy.address.isV4 ? "X-Served-By: " : "X-Served-By: [")
    withUnsafeTemporaryAllocation(byteCount: IPAddress.textMax, alignment: 1) { room in
      guard let base = room.baseAddress else { return }
      writer.append(base, servedBy.address.write(to: base))
    }
    writer.append(servedBy.address.isV4 ? ":" : "]:")
    writer.append(number: Int(servedBy.port))
    writer.append("\r\n")
  }
}

/// A response head and the values with which it is rewritten.
package struct ForwardedResponse {
  let head: ResponseHead
  let fields: FieldTable
  /// The content is passed on in the chunks in which it was received.
  let isChunked: Bool
  /// The client speaks HTTP/1.0 and asked for keep-alive, which the answer has to confirm.
  let confirmsKeepAlive: Bool
  let closes: Bool
  var added = ResponseFields()
  /// The `Date` of an answer that has none (RFC 9110 §6.6.1); empty: none is added.
  var date: UnsafeRawBufferPointer
  /// The response came over HTTP/2.
  var isHTTP2 = false

  package init(
    head: ResponseHead, fields: FieldTable, isChunked: Bool, confirmsKeepAlive: Bool,
    closes: Bool, added: ResponseFields = ResponseFields(),
    date: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0),
    isHTTP2: Bool = false
  ) {
    self.isHTTP2 = isHTTP2
    self.head = head
    self.fields = fields
    self.isChunked = isChunked
    self.confirmsKeepAlive = confirmsKeepAlive
    self.closes = closes
    self.added = added
    self.date = date
  }

  /// Appends the rewritten head.
  package func write(to writer: inout ByteWriter) {
    writePassed(to: &writer)
    writeOwn(to: &writer)
  }

  /// The status line and the fields that are passed on. Further field lines may follow.
  func writePassed(to writer: inout ByteWriter) {
    guard let base = fields.bytes.baseAddress else { return }
    writer.append("HTTP/1.1 ")
    // The three digits of the status as received.
    writer.append(base + 9, 3)
    writer.append(" ")
    writer.append(base + head.reasonStart, head.reasonEnd - head.reasonStart)
    writer.append("\r\n")
    var run = FieldRun()
    for index in 0..<fields.count {
      let field = fields[index]
      let isDropped =
        field.name.isHopByHop && !(field.name == .upgrade && head.keepsUpgrade)
        || field.name == .contentLength && head.forbidsLength
        || head.connection.namesFields && field.name != .upgrade
          && fields.isNamedByConnection(field)
        || field.name == .xRequestID && !added.requestID.isEmpty
        || field.name == .xServedBy && added.servedBy != nil
      run.add(field, isDropped: isDropped, from: fields.bytes, to: &writer)
    }
    run.end(from: fields.bytes, to: &writer)
  }

  /// Appends steelyard's own fields and the end of the head.
  func writeOwn(to writer: inout ByteWriter) {
    if isChunked { writer.append("Transfer-Encoding: chunked\r\n") }
    added.write(to: &writer)
    if !date.isEmpty {
      writer.append("Date: ")
      writer.append(date)
      writer.append("\r\n")
    }
    if head.keepsUpgrade { writer.append("Connection: Upgrade\r\n") }
    if closes {
      writer.append("Connection: close\r\n")
    } else if confirmsKeepAlive {
      writer.append("Connection: keep-alive\r\n")
    }
    if isHTTP2 {
      writer.append("Via: 2.0 steelyard\r\n\r\n")
    } else {
      writer.append(
        head.minorVersion == 0 ? "Via: 1.0 steelyard\r\n\r\n" : "Via: 1.1 steelyard\r\n\r\n")
    }
  }
}

/// Joins neighbouring field lines into one copy.
private struct FieldRun {
  private var start = 0
  private var end = 0

  @inline(__always)
  mutating func add(
    _ field: Field, isDropped: Bool, from bytes: UnsafeRawBufferPointer,
    to writer: inout ByteWriter
  ) {
    if isDropped || Int(field.start) != end {
      self.end(from: bytes, to: &writer)
      start = Int(field.start)
    }
    end = isDropped ? start : Int(field.end)
  }

  @inline(__always)
  mutating func end(from bytes: UnsafeRawBufferPointer, to writer: inout ByteWriter) {
    if end > start, let base = bytes.baseAddress { writer.append(base + start, end - start) }
    end = start
  }
}
