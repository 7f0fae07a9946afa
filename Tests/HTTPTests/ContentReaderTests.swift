import HTTP
import Primitives
import Testing

/// Reads `bytes` in pieces of the sizes given; returns the content, where the message ended (nil:
/// not yet) and the error.
private func read(
  _ bytes: [UInt8], _ framing: Framing, cuts: [Int]
) -> (content: [UInt8], end: Int?, error: HeadError?) {
  var reader = ContentReader(framing)
  var content: [UInt8] = []
  var base = 0
  for cut in cuts + [bytes.count] where cut >= base {
    let piece = Array(bytes[base..<cut])
    var offset = 0
    loop: while true {
      let start = offset
      switch piece.withUnsafeBytes({ reader.next($0, &offset) }) {
      case .content(let count):
        content += piece[(offset - count)..<offset]
        #expect(offset - count >= start)
      case .more: break loop
      case .complete: return (content, base + offset, nil)
      case .malformed(let error): return (content, nil, error)
      }
    }
    base = cut
  }
  return (content, reader.isComplete ? base : nil, nil)
}

/// Relays `bytes` in pieces cut there; what is passed on, where the message ended, and the error.
private func relay(
  _ bytes: [UInt8], _ framing: Framing, cuts: [Int], contentOnly: Bool = false
) -> (passed: [UInt8], contentCount: Int, end: Int?, error: HeadError?) {
  var reader = ContentReader(framing)
  var passed: [UInt8] = []
  var contentCount = 0
  var base = 0
  for cut in cuts + [bytes.count] where cut >= base {
    let headroom = TrailerName.byteCountMax
    var room = [UInt8](repeating: 0xEE, count: headroom) + bytes[base..<cut]
    let relayed = room.withUnsafeMutableBytes {
      reader.relay(
        UnsafeMutableRawBufferPointer(rebasing: $0[headroom...]), contentOnly: contentOnly)
    }
    passed += room[(headroom + relayed.start)..<(headroom + relayed.end)]
    contentCount += relayed.contentCount
    if let error = relayed.error { return (passed, contentCount, nil, error) }
    if reader.isComplete { return (passed, contentCount, base + relayed.consumedCount, nil) }
    base = cut
  }
  return (passed, contentCount, nil, nil)
}

@Suite struct ContentReaderTests {
  private static let relayed: [(text: String, passed: String, content: String)] = [
    ("5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n", "hello"),
    (
      "a;x=y;z=\"q\"\r\n0123456789\r\n1 \t; a\r\n!\r\n0;last\r\n\r\n",
      "a\r\n0123456789\r\n1\r\n!\r\n0\r\n\r\n", "0123456789!"
    ),
    (
      "1;a=\"\\\"\"\r\na\r\n0\r\nX-A: 1\r\ncontent_type: b\r\nX-B:\r\nHost: c\r\n\r\n",
      "1\r\na\r\n0\r\nX-A: 1\r\nX-B:\r\n\r\n", "a"
    ),
    (
      "0\r\nContent-Length: 5\r\nContent-Lengths: 5\r\nX-A-Name-Of-More-Than-24-Bytes: 1\r\n\r\n",
      "0\r\nContent-Lengths: 5\r\nX-A-Name-Of-More-Than-24-Bytes: 1\r\n\r\n", ""
    ),
  ]

  @Test(arguments: relayed.indices)
  func passesTheSameOnAtEverySplit(row: Int) {
    let (text, passed, content) = Self.relayed[row]
    let bytes = Array(text.utf8)
    let all = bytes + Array("NEXT".utf8)
    for first in 0...all.count {
      for second in first...all.count {
        let result = relay(all, .chunked, cuts: [first, second])
        #expect(result.error == nil)
        #expect(result.passed == Array(passed.utf8))
        #expect(result.contentCount == content.utf8.count)
        #expect(result.end == bytes.count)
        let bare = relay(all, .chunked, cuts: [first, second], contentOnly: true)
        #expect(bare.passed == Array(content.utf8))
        #expect(bare.end == bytes.count)
      }
    }
  }

  @Test func passesALengthOnAsItIs() {
    let bytes = Array("hello;=GET".utf8)
    for cut in 0...bytes.count {
      let result = relay(bytes, .length(7), cuts: [cut])
      #expect(result.passed == Array("hello;=".utf8))
      #expect(result.end == 7)
      let endless = relay(bytes, .untilClose, cuts: [cut])
      #expect(endless.passed == bytes)
      #expect(endless.end == nil)
    }
  }

  @Test func takesTokensAsNamesOfExtensions() {
    let token = Set("!#$%&'*+-.^_`|~".utf8)
    for byte in UInt8.min...UInt8.max {
      let isAlphanumeric =
        byte < 0x80 && (Character(UnicodeScalar(byte)).isLetter || byte >= 0x30 && byte <= 0x39)
      let bytes = Array("0;a".utf8) + [byte] + Array("b\r\n\r\n".utf8)
      let isAccepted = read(bytes, .chunked, cuts: []).error == nil
      // "=" ends the name, ";" begins the next extension.
      let isOther = byte == 0x3D || byte == 0x3B
      #expect(isAccepted == (isAlphanumeric || token.contains(byte) || isOther), "\(byte)")
    }
  }

  @Test func whatIsRelayedIsReadAsTheSameContent() {
    var random = RandomSource(seed: 11)
    let parts = [
      "1", "0", "\r\n", ";", "a", "=", "\"", " ", "\r\n0\r\n", "x", "Host", ":", "X-A: 1\r\n",
      "Content-Type: b\r\n",
    ]
    var acceptedCount = 0
    for _ in 0..<20_000 {
      let text = (0..<random.index(below: 12)).map { _ in parts[random.index(below: parts.count)] }
        .joined()
      let bytes = Array("1\r\nz\r\n0\r\n".utf8) + Array(text.utf8) + Array("\r\n".utf8)
      let cut = random.index(below: bytes.count)
      let whole = read(bytes, .chunked, cuts: [])
      let passed = relay(bytes, .chunked, cuts: [cut])
      #expect(passed.error == whole.error)
      #expect(passed.end == whole.end)
      guard whole.end != nil else { continue }
      acceptedCount += 1
      let again = relay(passed.passed, .chunked, cuts: [])
      #expect(again.passed == passed.passed)
      #expect(read(passed.passed, .chunked, cuts: []).content == whole.content)
    }
    #expect(acceptedCount > 100)
  }

  @Test func readsALengthAndNoFurther() {
    let bytes = Array("helloGET".utf8)
    for cut in 0...bytes.count {
      let result = read(bytes, .length(5), cuts: [cut])
      #expect(result.content == Array("hello".utf8))
      #expect(result.end == 5)
    }
  }

  @Test(arguments: [
    ("5\r\nhello\r\n0\r\n\r\n", "hello"),
    ("0\r\n\r\n", ""),
    ("00A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
    ("a;x=y;z=\"q\"\r\n0123456789\r\n1\r\n!\r\n0;last\r\n\r\n", "0123456789!"),
    ("1\r\na\r\n0\r\nTrailer-Name: value\r\nB:\r\n\r\n", "a"),
  ])
  func readsChunksAtEverySplit(text: String, content: String) {
    let bytes = Array(text.utf8)
    let all = bytes + Array("NEXT".utf8)
    for first in 0...all.count {
      for second in first...all.count {
        let result = read(all, .chunked, cuts: [first, second])
        #expect(result.error == nil)
        #expect(result.content == Array(content.utf8))
        #expect(result.end == bytes.count)
      }
    }
  }

  private static let rejected: [(String, HeadError)] = [
    ("\r\n", HeadError.badChunkSize), ("g\r\n", .badChunkSize), ("-1\r\n", .badChunkSize),
    ("0x5\r\n", .badChunkSize), (" 5\r\n", .badChunkSize), ("5 \r\nhello", .badChunkSize),
    ("5\nhello\n", .badChunkSize), ("5\r\rhello", .badChunkSize),
    ("1000000000000000\r\n", .badChunkSize), ("5;a\nhello", .badChunkExtension),
    ("5;a\u{0}\r\n", .badChunkExtension),
    ("5;" + String(repeating: "x", count: 300), .badChunkExtension),
    ("5\r\nhello0\r\n", .badChunkEnd), ("5\r\nhello\n0\r\n", .badChunkEnd),
    ("0\r\n: x\r\n\r\n", .badTrailer), ("0\r\nA b: c\r\n\r\n", .badTrailer),
    ("0\r\nA: b\n\r\n", .badTrailer), ("0\r\n A: b\r\n\r\n", .badTrailer),
    ("0\r\nA: " + String(repeating: "x", count: 9000), .badTrailer),
    ("1;a=\"\r\nZ\r\n0\r\n\r\n", .badChunkExtension), ("1;\r\n", .badChunkExtension),
    ("1;=\r\n", .badChunkExtension), ("1;a=\u{FF}\r\n", .badChunkExtension),
    ("1;a=\"x\"y\r\n", .badChunkExtension), ("1; \r\n", .badChunkExtension),
  ]

  @Test(arguments: rejected.indices)
  func rejectsBadChunksAtEverySplit(row: Int) {
    let (text, error) = Self.rejected[row]
    let bytes = Array(text.utf8)
    for cut in stride(from: 0, through: bytes.count, by: max(1, bytes.count / 50)) {
      #expect(read(bytes, .chunked, cuts: [cut]).error == error)
    }
  }

  @Test func isUnharmedByRandomBytes() {
    var random = RandomSource(seed: 7)
    let alphabet = Array("0123456789abcdefA;=\"\r\n\r\n :x\u{0}".utf8)
    for _ in 0..<20_000 {
      let bytes = (0..<random.index(below: 40)).map { _ in
        alphabet[random.index(below: alphabet.count)]
      }
      let whole = read(bytes, .chunked, cuts: [])
      let cut = read(bytes, .chunked, cuts: [bytes.count / 2])
      #expect(whole.content == cut.content)
      #expect(whole.end == cut.end)
      #expect(whole.error == cut.error)
    }
  }
}
