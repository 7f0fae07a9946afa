import HTTP
import Testing

/// What a peer can make a coder do, and what fits.
@Suite struct HeadCoderLimitTests {
  // MARK: Bombs

  @Test func aBlockThatUnfoldsIsABomb() {
    let coder = TestCoder()
    #expect(coder.trailers(Block.indexed("a", String(repeating: "b", count: 4_000))).facts != nil)
    // 16 KB of references to 4 KB each.
    let block = [UInt8](repeating: 0xBE, count: 16_384)
    #expect(coder.request(block).head == .bomb)
  }

  @Test func theListIsCountedAsTheRFCHasIt() {
    // Each field counts as 1 + 0 + 32 bytes.
    let countMax = HeadCoder.listBytesMax / 33
    for (count, head) in [(countMax, DecodedHead.tooLarge), (countMax + 1, .bomb)] {
      let coder = TestCoder()
      #expect(coder.trailers(Block.indexed("a", "")).facts != nil)
      let block = [UInt8](repeating: 0xBE, count: count)
      #expect(coder.trailers(block).head == head)
    }
  }

  @Test func bombsTakeNoTime() {
    let coder = TestCoder()
    #expect(coder.trailers(Block.indexed("a", String(repeating: "b", count: 4_000))).facts != nil)
    let block = [UInt8](repeating: 0xBE, count: 4_000_000)
    let duration = ContinuousClock().measure { #expect(coder.trailers(block).head == .bomb) }
    #expect(duration < .seconds(1))
    #expect(coder.memory.reservedByteCount < 300_000)
  }

  @Test func longStringsAreRefusedBeforeTheyAreKept() {
    // nghttp2 takes no string of more than 64 KB.
    let block = Block.literal(Array("a".utf8), [UInt8](repeating: 0x62, count: 70_000))
    #expect(TestCoder().trailers(block).head == .broken)
    let coder = TestCoder()
    let long = Block.literal(Array("a".utf8), [UInt8](repeating: 0x62, count: 60_000))
    #expect(coder.trailers(long).head == .tooLarge)
    #expect(coder.trailers([("a", "b")]).text == "a: b\r\n")
    #expect(coder.memory.reservedByteCount < 600_000)
  }

  // MARK: Too large

  @Test func textThatDoesNotFitIsTooLarge() {
    let coder = TestCoder()
    let fields = Block.get([("cookie", "b"), ("x", "y")])
    let text = coder.request(fields).text
    for count in 0...text.utf8.count {
      coder.textMax = count
      let read = coder.request(fields)
      #expect((read.facts != nil) == (count == text.utf8.count))
      #expect(read.facts != nil || read.head == .tooLarge && read.text == "")
    }
    coder.textMax = 10
    #expect(coder.request(Block.literal(fields) + Block.indexed("x", "y")).head == .tooLarge)
    #expect(coder.trailers([0xBE]).text == "x: y\r\n", "the table is right")
  }

  @Test func cookiesHaveAnEnd() {
    let coder = TestCoder()
    coder.textMax = 100_000
    let cookie = ("cookie", String(repeating: "c", count: 8_180))
    #expect(coder.request(Block.get([cookie, cookie])).facts != nil)
    // What is kept of the pseudo-fields, and the separators, count too.
    for last in ["cccc", "ccccccccccccccccc"] {
      let read = coder.request(Block.get([cookie, cookie, ("cookie", last)]))
      #expect((read.facts != nil) == (last.count < 10))
    }
    #expect(coder.request(Block.get([cookie, cookie, cookie])).head == .tooLarge)
    #expect(coder.request(Block.get()).facts != nil)
  }

  @Test func fieldsHaveAnEnd() {
    let coder = TestCoder()
    for (count, isTaken) in [(196, true), (197, false)] {
      let fields = Block.get((0..<count).map { ("x\($0)", "") })
      #expect((coder.request(fields).head == .tooLarge) == !isTaken)
    }
    let path = String(repeating: "p", count: 8_000)
    #expect(
      coder.request([
        (":method", "GET"), (":scheme", "http"), (":path", "/" + path), (":authority", path + path),
      ]).head == .tooLarge)
  }

  // MARK: Encoding

  @Test func aBlockThatDoesNotFitIsNone() {
    let (sender, receiver) = (TestCoder(), TestCoder())
    let text = "GET /path HTTP/1.1\r\nHost: a\r\nX-Name: value\r\n\r\n"
    let size = sender.encodeRequest(text)?.count ?? 0
    for room in 0..<200 {
      guard let block = sender.encodeRequest(text, room: room) else {
        #expect(room < size + 8, "a few bytes more than it has are asked for")
        continue
      }
      #expect(block.count == size && room >= size)
      #expect(receiver.request(block).text.contains("x-name: value\r\n"))
    }
    #expect(sender.encodeResponse("HTTP/1.1 200 OK\r\n\r\n", room: 0) == nil)
    #expect(sender.encodeTrailers("a: b\r\n", room: 2) == nil)
  }

  @Test func theLargestHeadsFit() {
    let (sender, receiver) = (TestCoder(), TestCoder())
    receiver.textMax = 20_000
    sender.coder.setPeerTableSize(0)
    let line = "GET / HTTP/1.1\r\nHost: a\r\n"
    let rest = HeadParser.byteCountMax - line.utf8.count - 2
    let long = line + "X:" + String(repeating: "v", count: rest - 4) + "\r\n\r\n"
    #expect(long.utf8.count == HeadParser.byteCountMax)
    #expect(receiver.request(sender.encodeRequest(long) ?? []).text.contains("x: vvv"))
    // Fields whose lengths take two bytes, and the most fields that there are.
    for (nameCount, valueCount) in [(1, 127), (127, 127), (127, 0), (1, 0), (1, 12)] {
      let field =
        String(repeating: "N", count: nameCount) + ":" + String(repeating: "v", count: valueCount)
        + "\r\n"
      let count = min(rest / field.utf8.count, 999)
      let text = line + String(repeating: field, count: count) + "\r\n"
      let block = sender.encodeRequest(text) ?? []
      #expect(!block.isEmpty)
      let read = receiver.request(block)
      #expect(count > 197 ? read.head == .tooLarge : read.facts != nil)
    }
    let name = String(repeating: "x", count: 17_000)
    #expect(sender.encodeTrailers(name + ": y\r\nz: \(name)\r\n") == [])
  }
}
