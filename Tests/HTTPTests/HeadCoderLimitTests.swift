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

  @Test func aBlockThatMayNotFitIsNotBegun() {
    let (sender, receiver) = (TestCoder(), TestCoder())
    let text = "GET /path HTTP/1.1\r\nHost: a\r\nX-Name: value\r\n\r\n"
    var firstRoom: Int?
    for room in 0..<400 {
      guard let block = sender.encodeRequest(text, room: room) else { continue }
      firstRoom = firstRoom ?? room
      // Had a block been begun and thrown away, its entries would be missing here.
      #expect(receiver.request(block).text.contains("x-name: value\r\n"))
    }
    #expect((firstRoom ?? 0) > 60 && (firstRoom ?? 400) < 200)
    #expect(sender.encodeResponse("HTTP/1.1 200 OK\r\n\r\n", room: 0) == nil)
    #expect(sender.encodeTrailers("a: b\r\n", room: 0) == nil)
  }

  @Test func theLargestHeadsFit() {
    let (sender, receiver) = (TestCoder(), TestCoder())
    receiver.textMax = 20_000
    let line = "GET / HTTP/1.1\r\nHost: a\r\n"
    let value = String(repeating: "\u{7D}", count: 16_384 - line.utf8.count - 7)
    let long = line + "X: " + value + "\r\n\r\n"
    #expect(long.utf8.count == HeadParser.byteCountMax)
    #expect(receiver.request(sender.encodeRequest(long) ?? []).text.contains("x: }}}"))
    let many = line + (0..<196).map { "X\($0):\r\n" }.joined() + "\r\n"
    #expect(receiver.request(sender.encodeRequest(many) ?? []).facts != nil)
    let tooMany = line + (0..<197).map { "X\($0):\r\n" }.joined() + "\r\n"
    #expect(sender.encodeRequest(tooMany) == nil)
    #expect(receiver.request(sender.encodeRequest(many) ?? []).facts != nil)
    let trailers = (0..<201).map { "X\($0):\r\n" }.joined()
    #expect(sender.encodeTrailers(trailers) == nil)
    #expect(sender.encodeTrailers(String(repeating: "x", count: 17_000) + ": y\r\n") == nil)
  }
}
