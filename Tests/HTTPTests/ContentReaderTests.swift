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

@Suite struct ContentReaderTests {
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
