// A coder with its memory, and blocks written by hand: literal fields that no table takes.
import HTTP

final class TestCoder {
  let memory: FieldMemory
  var coder: HeadCoder
  /// The most bytes of text.
  var textMax = HeadParser.byteCountMax

  init(memory: FieldMemory = FieldMemory()) {
    self.memory = memory
    guard let coder = HeadCoder(memory) else { fatalError("no memory") }
    self.coder = coder
  }

  deinit { coder.free() }

  /// The verdict and the text; what stood in the writer before must still stand there.
  struct Decoded: Equatable {
    var head: DecodedHead
    var text: String

    var fault: HeadFault? {
      guard case .malformed(let fault) = head else { return nil }
      return fault
    }
    var facts: HeadFacts? {
      guard case .head(let facts) = head else { return nil }
      return facts
    }
  }

  func request(_ block: [UInt8], isEnd: Bool = true) -> Decoded {
    decode(block) { coder.decodeRequest($0, isEnd: isEnd, into: &$1) }
  }

  func request(_ fields: [(String, String)], isEnd: Bool = true) -> Decoded {
    request(Block.literal(fields), isEnd: isEnd)
  }

  func response(_ block: [UInt8], isEnd: Bool = true, isHead: Bool = false) -> Decoded {
    decode(block) { coder.decodeResponse($0, isEnd: isEnd, isHeadRequest: isHead, into: &$1) }
  }

  func response(
    _ fields: [(String, String)], isEnd: Bool = true, isHead: Bool = false
  ) -> Decoded {
    response(Block.literal(fields), isEnd: isEnd, isHead: isHead)
  }

  func trailers(_ block: [UInt8]) -> Decoded {
    decode(block) { coder.decodeTrailers($0, into: &$1) }
  }

  func trailers(_ fields: [(String, String)]) -> Decoded { trailers(Block.literal(fields)) }

  private func decode(
    _ block: [UInt8], _ body: (UnsafeRawBufferPointer, inout ByteWriter) -> DecodedHead
  ) -> Decoded {
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: textMax + 4, alignment: 1)
    // A copy that ends where its memory ends.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: block.count, alignment: 1)
    defer {
      room.deallocate()
      copy.deallocate()
    }
    copy.copyBytes(from: block)
    var writer = ByteWriter(room)
    writer.append("mine")
    let head = body(UnsafeRawBufferPointer(copy), &writer)
    precondition(!writer.hasOverflowed)
    let text = String(decoding: writer.written, as: UTF8.self)
    precondition(text.hasPrefix("mine"))
    return Decoded(head: head, text: String(text.dropFirst(4)))
  }

  /// The block of a request head; nil: there is no room.
  func encodeRequest(
    _ text: String, isSecure: Bool = false, room: Int = HeadCoder.blockBytesMax,
    fieldsMax: Int = 1_000
  ) -> [UInt8]? {
    var parser = HeadParser(fieldsMax: fieldsMax)
    var head = RequestHead()
    return Array(text.utf8).withUnsafeBytes { bytes in
      guard parser.parse(bytes, into: &head) == .complete else { fatalError("no head: \(text)") }
      return Self.block(room) {
        coder.encodeRequest(head, parser.table(in: bytes), isSecure: isSecure, into: $0)
      }
    }
  }

  func encodeResponse(
    _ text: String, answering method: HTTP.Method = .get, room: Int = HeadCoder.blockBytesMax
  ) -> [UInt8]? {
    var parser = HeadParser()
    var head = ResponseHead()
    return Array(text.utf8).withUnsafeBytes { bytes in
      guard parser.parse(bytes, answering: method, into: &head) == .complete else {
        fatalError("no head: \(text)")
      }
      return Self.block(room) { coder.encodeResponse(head, parser.table(in: bytes), into: $0) }
    }
  }

  func encodeTrailers(_ text: String, room: Int = HeadCoder.blockBytesMax) -> [UInt8]? {
    Array(text.utf8).withUnsafeBytes { bytes in
      Self.block(room) { coder.encodeTrailers(bytes, into: $0) }
    }
  }

  private static func block(
    _ count: Int, _ body: (UnsafeMutableRawBufferPointer) -> Int?
  ) -> [UInt8]? {
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 1)
    defer { room.deallocate() }
    return body(room).map { Array(room[..<$0]) }
  }
}

/// Blocks of HPACK (RFC 7541 §6).
enum Block {
  /// Literal fields without indexing, with new names, without Huffman codes (§6.2.2).
  static func literal(_ fields: [(String, String)]) -> [UInt8] {
    fields.flatMap { literal(Array($0.0.utf8), Array($0.1.utf8)) }
  }

  static func literal(_ name: [UInt8], _ value: [UInt8], first: UInt8 = 0) -> [UInt8] {
    [first] + integer(name.count, prefix: 7) + name + integer(value.count, prefix: 7) + value
  }

  /// A literal field that the table takes (§6.2.1).
  static func indexed(_ name: String, _ value: String) -> [UInt8] {
    literal(Array(name.utf8), Array(value.utf8), first: 0x40)
  }

  /// §5.1; the bits before the prefix are 0.
  static func integer(_ number: Int, prefix: Int, first: UInt8 = 0) -> [UInt8] {
    let limit = 1 << prefix - 1
    if number < limit { return [first | UInt8(number)] }
    var bytes = [first | UInt8(limit)]
    var rest = number - limit
    while rest >= 128 {
      bytes.append(UInt8(rest & 0x7F | 0x80))
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  /// "82 87" and the like.
  static func hex(_ text: String) -> [UInt8] {
    let digits = text.filter { !$0.isWhitespace }
    return stride(from: 0, to: digits.count, by: 2).map { offset in
      let start = digits.index(digits.startIndex, offsetBy: offset)
      return UInt8(digits[start..<digits.index(start, offsetBy: 2)], radix: 16) ?? 0
    }
  }

  static func get(_ more: [(String, String)] = []) -> [(String, String)] {
    [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")] + more
  }

  static func post(_ more: [(String, String)] = []) -> [(String, String)] {
    [(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "a")] + more
  }
}
