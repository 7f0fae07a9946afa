// One request and its answer over a connection of HTTP/2 that carries nothing else, as a pure
// machine over bytes (RFC 9113): bytes to send out, received bytes in, one end. Bounds: frames of
// 16 KB, header blocks of 32 KB, heads of 16 KB, eight interim heads, content by the request's
// limit, 256 KB beside the content.
// Invariant: the same end however the bytes were split.
import HTTP

final class HTTP2Exchange {
  /// What the received bytes came to.
  enum Step: Equatable {
    case more
    case answered
    /// There is more content than allowed.
    case exceeded
    case failed(ClientFailure)
  }

  /// Of a new connection and its streams (RFC 9113 §6.9.2); we send no more than that.
  private static let windowBytes = 65_535
  private static let frameBytesMax = 16_384
  static let blockBytesMax = 32_768
  static let interimMax = 8
  static let overheadBytesMax = 262_144
  /// The only stream of the connection.
  static let stream: Int32 = 1

  /// What has to be sent.
  private var output: [UInt8] = []
  private(set) var status = 0
  private(set) var content: [UInt8] = []
  /// The outcome of the call, if the answer has one.
  private(set) var call: CallEnd?

  private let memory: FieldMemory
  private var coder: HeadCoder
  private let isHeadRequest: Bool
  private let contentMax: Int
  /// What is not yet a whole frame.
  private var pending: [UInt8] = []
  private var hasSettings = false
  private var hasHead = false
  private var interimCount = 0
  /// What `content-length` says; −1: nothing.
  private var declaredLength = -1
  /// The header block that goes on with CONTINUATION.
  private var block: [UInt8] = []
  private var isBlockOpen = false
  private var isLastBlock = false
  private var overheadBytes = 0
  /// The error code of GOAWAY.
  private var goAway: UInt32?

  /// `text`: a head of HTTP/1.1 that HeadParser accepts, and content. nil: there is no memory, or
  /// the request is too large.
  init?(_ text: [UInt8], isSecure: Bool, contentMax: Int, memory: FieldMemory = FieldMemory()) {
    guard let coder = HeadCoder(memory) else { return nil }
    self.memory = memory
    self.coder = coder
    self.contentMax = contentMax
    isHeadRequest = text.starts(with: "HEAD ".utf8)
    output = Array("\(ConnectionPreface.text)".utf8)
    write(.settings, 0, on: 0, Self.settings([(.enablePush, 0), (.headerListSizeMax, 16_384)]))
    guard writeRequest(text, isSecure) else { return nil }
  }

  deinit { coder.free() }

  /// Takes out what has to be sent.
  func takeOutput() -> [UInt8] {
    defer { output.removeAll(keepingCapacity: true) }
    return output
  }

  /// What came of the answer so far, for the text of a timeout.
  var progress: String { hasHead ? "\(content.count) bytes of content" : "no answer" }

  /// Takes received bytes. Requires: no step before was an end.
  func receive(_ bytes: UnsafeRawBufferPointer) -> Step {
    pending.append(contentsOf: bytes)
    if !hasSettings, let failure = foreignFailure { return .failed(failure) }
    var offset = 0
    defer { pending.removeFirst(offset) }
    while let header = header(at: offset) {
      guard header.length <= Self.frameBytesMax else {
        return fault("a frame of \(header.length) bytes")
      }
      let end = offset + FrameHeader.byteCount + header.length
      guard pending.count >= end else { return .more }
      let payload = pending[offset + FrameHeader.byteCount..<end]
      offset = end
      let contentBefore = content.count
      let step = take(header, payload)
      guard step == .more else { return step }
      overheadBytes += FrameHeader.byteCount + header.length - (content.count - contentBefore)
      guard overheadBytes <= Self.overheadBytesMax else {
        return fault("\(Self.overheadBytesMax) bytes of frames beside the answer")
      }
    }
    return .more
  }

  /// Takes the end of the peer's bytes before that of the answer.
  func end() -> ClientFailure {
    let what =
      hasHead ? "closed after \(content.count) bytes of content" : "closed without an answer"
    return ClientFailure(.cut, what + (goAway.map { ", with GOAWAY \(Self.name($0))" } ?? ""))
  }

  // MARK: The request

  private func writeRequest(_ text: [UInt8], _ isSecure: Bool) -> Bool {
    var parser = HeadParser()
    var head = RequestHead()
    var room = [UInt8](repeating: 0, count: HeadCoder.blockBytesMax)
    let count = text.withUnsafeBytes { bytes in
      guard parser.parse(bytes, into: &head) == .complete else { return nil as Int? }
      return room.withUnsafeMutableBytes {
        coder.encodeRequest(head, parser.table(in: bytes), isSecure: isSecure, into: $0)
      }
    }
    guard let count, text.count - head.end <= Self.windowBytes else { return false }
    let hasContent = text.count > head.end
    writeFrames(
      .headers, then: .continuation, room[..<count], last: FrameFlag.endHeaders,
      first: hasContent ? 0 : FrameFlag.endStream)
    if hasContent {
      writeFrames(.data, then: .data, text[head.end...], last: FrameFlag.endStream, first: 0)
    }
    return true
  }

  /// Writes bytes as one frame, or as more. `last`, `first`: the flags of those frames.
  private func writeFrames(
    _ type: FrameType, then next: FrameType, _ bytes: ArraySlice<UInt8>, last: UInt8, first: UInt8
  ) {
    var rest = bytes
    var (type, flags) = (type, first)
    repeat {
      let piece = rest.prefix(Self.frameBytesMax)
      rest = rest.dropFirst(piece.count)
      write(type, rest.isEmpty ? flags | last : flags, on: Self.stream, Array(piece))
      (type, flags) = (next, 0)
    } while !rest.isEmpty
  }

  private func write(_ type: FrameType, _ flags: UInt8, on stream: Int32, _ payload: [UInt8]) {
    let header = FrameHeader(length: payload.count, type: type, flags: flags, stream: stream)
    withUnsafeTemporaryAllocation(byteCount: FrameHeader.byteCount, alignment: 1) { room in
      guard let start = room.baseAddress else { return }
      header.write(to: start)
      output += room
    }
    output += payload
  }

  private static func settings(_ values: [(Setting, UInt32)]) -> [UInt8] {
    values.flatMap { [0, UInt8($0.rawValue)] + bytes($1) }
  }

  private static func bytes(_ number: UInt32) -> [UInt8] {
    withUnsafeBytes(of: number.bigEndian, Array.init)
  }

  // MARK: Frames

  private func header(at offset: Int) -> FrameHeader? {
    guard pending.count - offset >= FrameHeader.byteCount else { return nil }
    return pending.withUnsafeBytes { bytes in
      bytes.baseAddress.map { FrameHeader(at: $0 + offset) }
    }
  }

  /// What servers that do not speak HTTP/2 begin with.
  private var foreignFailure: ClientFailure? {
    if pending.starts(with: [0x15, 3]) { return ClientFailure.tlsAlert }
    guard pending.starts(with: "HTTP/".utf8) else { return nil }
    return ClientFailure(.badHTTP, "the server speaks HTTP/1, not HTTP/2")
  }

  private func fault(_ what: String) -> Step { .failed(ClientFailure(.badHTTP, "HTTP/2: \(what)")) }

  /// The name of an error code, or its number.
  private static func name(_ code: UInt32) -> String {
    HTTP2Error(rawValue: code)?.name ?? "\(code)"
  }

  private func take(_ header: FrameHeader, _ payload: ArraySlice<UInt8>) -> Step {
    let type = FrameType(rawValue: header.type)
    if !hasSettings, type != .settings || header.flags & FrameFlag.ack != 0 {
      return fault("the first frame is no SETTINGS")
    }
    if isBlockOpen, type != .continuation { return fault("another frame within a header block") }
    // PUSH_PROMISE is nowhere right: push is off.
    let isOfStream: Bool? =
      switch type {
      case .data, .headers, .continuation, .resetStream: true
      case .settings, .ping, .goAway, .pushPromise: false
      case .windowUpdate, .priority, nil: nil
      }
    if let isOfStream, header.stream != (isOfStream ? Self.stream : 0) || type == .pushPromise {
      return fault("a frame of type \(header.type) on stream \(header.stream)")
    }
    switch type {
    case .data: return takeData(header, payload)
    case .headers: return takeHeaders(header, payload)
    case .continuation:
      guard isBlockOpen else { return fault("CONTINUATION of no header block") }
      return takeBlock(header, payload)
    case .resetStream:
      guard payload.count == 4 else { return badSize(header) }
      return fault("the server has reset the call: \(Self.name(Self.number(payload)))")
    case .settings: return takeSettings(header, payload)
    case .ping:
      guard payload.count == 8 else { return badSize(header) }
      if header.flags & FrameFlag.ack == 0 { write(.ping, FrameFlag.ack, on: 0, Array(payload)) }
    case .goAway: return takeGoAway(header, payload)
    case .windowUpdate:
      guard payload.count == 4 else { return badSize(header) }
      guard Self.number(payload) & 0x7FFF_FFFF > 0, header.stream <= Self.stream else {
        return fault("WINDOW_UPDATE by 0, or of another stream")
      }
    case .priority:
      guard payload.count == 5 else { return badSize(header) }
    case .pushPromise, nil: break
    }
    return .more
  }

  private func badSize(_ header: FrameHeader) -> Step {
    fault("a frame of type \(header.type) with \(header.length) bytes")
  }

  /// Requires: four bytes.
  private static func number(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
  }

  private func takeSettings(_ header: FrameHeader, _ payload: ArraySlice<UInt8>) -> Step {
    if header.flags & FrameFlag.ack != 0 { return payload.isEmpty ? .more : badSize(header) }
    guard payload.count % 6 == 0 else { return badSize(header) }
    var rest = payload
    while !rest.isEmpty {
      let (name, value) = (Self.number([0, 0] + rest.prefix(2)), Self.number(rest.dropFirst(2)))
      rest = rest.dropFirst(6)
      let isRight =
        switch Setting(rawValue: UInt16(name)) {
        case .enablePush: value == 0
        case .initialWindowSize: value <= 0x7FFF_FFFF
        case .frameSizeMax: (16_384...16_777_215).contains(value)
        default: true
        }
      guard isRight else { return fault("setting \(name) is \(value)") }
    }
    hasSettings = true
    write(.settings, FrameFlag.ack, on: 0, [])
    return .more
  }

  private func takeGoAway(_ header: FrameHeader, _ payload: ArraySlice<UInt8>) -> Step {
    guard payload.count >= 8 else { return badSize(header) }
    let code = Self.number(payload.dropFirst(4))
    // A server that still answers says so: the number of the last stream is ours, or higher.
    guard Self.number(payload) & 0x7FFF_FFFF >= UInt32(Self.stream) else {
      return fault("the server takes no call: GOAWAY \(Self.name(code))")
    }
    goAway = code
    return .more
  }

  /// The payload without padding; nil: it is malformed.
  private func unpadded(_ header: FrameHeader, _ payload: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard header.flags & FrameFlag.padded != 0 else { return payload }
    guard let count = payload.first, count < payload.count else { return nil }
    return payload.dropFirst().dropLast(Int(count))
  }

  private func takeData(_ header: FrameHeader, _ payload: ArraySlice<UInt8>) -> Step {
    guard hasHead else { return fault("content before the head") }
    guard let bytes = unpadded(header, payload) else { return fault("DATA with wrong padding") }
    guard bytes.count <= contentMax - content.count else { return .exceeded }
    content += bytes
    if header.flags & FrameFlag.endStream != 0 { return finish() }
    if header.length > 0 {
      for stream in [0, Self.stream] {
        write(.windowUpdate, 0, on: stream, Self.bytes(UInt32(header.length)))
      }
    }
    return .more
  }

  // MARK: Heads

  private func takeHeaders(_ header: FrameHeader, _ payload: ArraySlice<UInt8>) -> Step {
    guard var bytes = unpadded(header, payload) else { return fault("HEADERS with wrong padding") }
    if header.flags & FrameFlag.priority != 0 {
      guard bytes.count >= 5 else { return badSize(header) }
      bytes = bytes.dropFirst(5)
    }
    isBlockOpen = true
    isLastBlock = header.flags & FrameFlag.endStream != 0
    return takeBlock(header, bytes)
  }

  private func takeBlock(_ header: FrameHeader, _ bytes: ArraySlice<UInt8>) -> Step {
    guard bytes.count <= Self.blockBytesMax - block.count else {
      return fault("a header block of more than \(Self.blockBytesMax) bytes")
    }
    block += bytes
    guard header.flags & FrameFlag.endHeaders != 0 else { return .more }
    isBlockOpen = false
    defer { block.removeAll(keepingCapacity: true) }
    return withUnsafeTemporaryAllocation(byteCount: HeadParser.byteCountMax, alignment: 1) { room in
      var writer = ByteWriter(room)
      let decoded = block.withUnsafeBytes { bytes in
        hasHead
          ? coder.decodeTrailers(bytes, into: &writer)
          : coder.decodeResponse(
            bytes, isEnd: isLastBlock, isHeadRequest: isHeadRequest, into: &writer)
      }
      switch decoded {
      case .head(let facts): return takeHead(facts, text: writer.written)
      case .malformed(let fault): return self.fault("a malformed head: \(fault.text)")
      case .tooLarge, .bomb: return fault("the head is too large")
      case .broken: return fault("the header block cannot be decoded")
      }
    }
  }

  private func takeHead(_ facts: HeadFacts, text: UnsafeRawBufferPointer) -> Step {
    if facts.isInterim {
      interimCount += 1
      return interimCount <= Self.interimMax ? .more : fault("too many interim heads")
    }
    if facts.grpcStatus >= 0 {
      call = CallEnd(
        status: GRPCStatus(number: Int(facts.grpcStatus)), message: Self.message(in: text))
    }
    if hasHead {
      return isLastBlock ? finish() : fault("trailers that do not end the answer")
    }
    hasHead = true
    status = facts.status
    declaredLength = isHeadRequest ? -1 : facts.contentLength
    return isLastBlock ? finish() : .more
  }

  /// `grpc-message` of a head or of trailers, decoded; empty: there is none.
  private static func message(in text: UnsafeRawBufferPointer) -> String {
    let name = "grpc-message: "
    let lines = String(decoding: text, as: UTF8.self).split(separator: "\r\n")
    guard let value = lines.first(where: { $0.hasPrefix(name) })?.dropFirst(name.count) else {
      return ""
    }
    return PercentText.decoded(value) ?? String(value)
  }

  private func finish() -> Step {
    guard declaredLength < 0 || declaredLength == content.count else {
      return fault("\(content.count) bytes of content instead of \(declaredLength)")
    }
    return .answered
  }
}
