// One event of a stream of tokens, as an OpenAI server sends it, and its reading: the time of
// sending stands in it at a fixed place.
import CSystem

/// The bytes of a token's event; only its stamp changes.
struct TokenText: ~Copyable {
  /// Decimal digits of the stamp, ns.
  static let stampCount = 19
  /// Before the stamp in each event.
  static let prefix = Array(#"data: {"sent_ns":""#.utf8)
  static let done = Array("data: [DONE]".utf8)
  private static let suffix = Array(
    (#"","id":"chatcmpl-7f3a","object":"chat.completion.chunk","created":1795262400,"#
      + #""model":"bench","choices":[{"index":0,"delta":{"content":" balance"},"#
      + #""logprobs":null,"finish_reason":null}]}"# + "\n\n").utf8)
  static let last = Array("e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n".utf8)

  /// The whole chunk.
  private let memory: UnsafeMutableRawBufferPointer
  private let stampOffset: Int

  init() {
    let content = Self.prefix.count + Self.stampCount + Self.suffix.count
    let size = Array((String(content, radix: 16) + "\r\n").utf8)
    let zeros = [UInt8](repeating: 0x30, count: Self.stampCount)
    let all = size + Self.prefix + zeros + Self.suffix + [0x0D, 0x0A]
    memory = .allocate(byteCount: all.count, alignment: 64)
    memory.copyBytes(from: all)
    stampOffset = size.count + Self.prefix.count
  }

  deinit { memory.deallocate() }

  var byteCount: Int { memory.count }

  /// The chunk with this stamp; valid until the next call.
  func chunk(sentAt stamp: Int64) -> UnsafeRawBufferPointer {
    var rest = UInt64(max(0, stamp))
    for index in (stampOffset..<stampOffset + Self.stampCount).reversed() {
      memory[index] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
    return UnsafeRawBufferPointer(memory)
  }
}

/// Finds tokens in the content of one stream, in whatever pieces it comes.
struct TokenReader {
  enum Event: Equatable {
    case token(sentAt: Int64)
    case done
    case malformed
  }

  /// Bytes of an event at most; real ones have about 250.
  static let eventMax = 1_024

  /// The next event from `offset` on; nil where there is no whole one: then the rest is to be kept
  /// in front of what comes. Moves `offset` past it.
  static func next(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) -> Event? {
    guard let end = endOfEvent(bytes, offset) else {
      return bytes.count - offset > eventMax ? .malformed : nil
    }
    defer { offset = end }
    let event = UnsafeRawBufferPointer(rebasing: bytes[offset..<end])
    if begins(event, TokenText.prefix) {
      var stamp: Int64 = 0
      let start = TokenText.prefix.count
      guard event.count >= start + TokenText.stampCount + 2 else { return .malformed }
      for byte in event[start..<start + TokenText.stampCount] {
        guard byte >= 0x30, byte <= 0x39 else { return .malformed }
        stamp = stamp &* 10 &+ Int64(byte - 0x30)
      }
      return .token(sentAt: stamp)
    }
    return begins(event, TokenText.done) ? .done : .malformed
  }

  private static func endOfEvent(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Int? {
    guard let base = bytes.baseAddress else { return nil }
    var from = start
    while from < bytes.count, let found = sy_memchr(base + from, 0x0A, bytes.count - from) {
      let offset = base.distance(to: found)
      guard offset + 1 < bytes.count else { return nil }
      if bytes[offset + 1] == 0x0A { return offset + 2 }
      from = offset + 1
    }
    return nil
  }

  private static func begins(_ bytes: UnsafeRawBufferPointer, _ word: [UInt8]) -> Bool {
    guard bytes.count >= word.count, let base = bytes.baseAddress else { return false }
    return memcmp(base, word, word.count) == 0
  }
}
