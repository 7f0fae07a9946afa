import HTTP
import Testing

/// The examples of RFC 7541, appendix C, and the dynamic table's size.
@Suite struct HeadCoderHPACKTests {
  private static let requests = [
    "GET / HTTP/1.1\r\nHost: www.example.com\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: www.example.com\r\ncache-control: no-cache\r\n\r\n",
    "GET /index.html HTTP/1.1\r\nHost: www.example.com\r\ncustom-key: custom-value\r\n\r\n",
  ]

  private static let responses = [
    "HTTP/1.1 302 Found\r\ncache-control: private\r\ndate: Mon, 21 Oct 2013 20:13:21 GMT\r\n"
      + "location: https://www.example.com\r\nContent-Length: 0\r\n\r\n",
    "HTTP/1.1 307 Temporary Redirect\r\ncache-control: private\r\n"
      + "date: Mon, 21 Oct 2013 20:13:21 GMT\r\nlocation: https://www.example.com\r\n"
      + "Content-Length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncache-control: private\r\ndate: Mon, 21 Oct 2013 20:13:22 GMT\r\n"
      + "location: https://www.example.com\r\ncontent-encoding: gzip\r\n"
      + "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1\r\n"
      + "Content-Length: 0\r\n\r\n",
  ]

  /// RFC 7541 §C.2: the representations.
  @Test(arguments: [
    (
      "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
      "custom-key: custom-header\r\n"
    ), ("1008 7061 7373 776f 7264 0673 6563 7265 74", "password: secret\r\n"),
  ])
  func literals(block: String, lines: String) {
    #expect(TestCoder().trailers(Block.hex(block)).text == lines)
  }

  @Test func literalsOfKnownNames() {
    let block = Block.hex("82 86 040c 2f73 616d 706c 652f 7061 7468 410161")
    #expect(TestCoder().request(block).text == "GET /sample/path HTTP/1.1\r\nHost: a\r\n\r\n")
  }

  /// RFC 7541 §C.3 and §C.4.
  @Test(arguments: [
    [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d", "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ],
    [
      "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff", "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ],
  ])
  func requestsOfTheAppendix(blocks: [String]) {
    let coder = TestCoder()
    #expect(blocks.map { coder.request(Block.hex($0)).text } == Self.requests)
  }

  /// RFC 7541 §C.5 and §C.6: with a table of 256 bytes, so that entries are evicted.
  @Test(arguments: [
    [
      """
      4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a
      3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d
      """, "4803 3330 37c1 c0bf",
      """
      88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04
      677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49
      553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31
      """,
    ],
    [
      """
      4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e
      919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3
      """, "4883 640e ffc1 c0bf",
      """
      88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7
      821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed
      4ee5 b106 3d50 07
      """,
    ],
  ])
  func responsesOfTheAppendix(blocks: [String]) {
    let coder = TestCoder()
    let update = Block.integer(256, prefix: 5, first: 0x20)
    let read = blocks.enumerated().map { index, block in
      coder.response((index == 0 ? update : []) + Block.hex(block)).text
    }
    #expect(read == Self.responses)
  }

  // MARK: The table's size

  @Test func aPeerWithASmallTableIsToldOnce() {
    let coder = TestCoder()
    let text = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
    let block = coder.encodeRequest(text) ?? []
    #expect(!block.isEmpty)
    coder.coder.setPeerTableSize(1 << 30)
    coder.coder.setPeerTableSize(HeadCoder.tableBytes)
    #expect(coder.encodeRequest(text) == block)
    coder.coder.setPeerTableSize(100)
    #expect(coder.encodeRequest(text, room: 3) == nil)
    #expect(coder.encodeRequest(text) == [0x20] + block)
    for size in [0, 4_096, 50, 65_536] {
      coder.coder.setPeerTableSize(size)
      #expect(coder.encodeRequest(text) == block)
    }
    let other = TestCoder()
    other.coder.setPeerTableSize(0)
    #expect(TestCoder().trailers(other.encodeTrailers("a: b\r\n") ?? []).text == "a: b\r\n")
    #expect(other.encodeResponse("HTTP/1.1 200 OK\r\n\r\n") == [0x88])
  }

  @Test func thePeersEncoderMayShrinkItsTable() {
    let coder = TestCoder()
    let known: [UInt8] = [0xBE]
    #expect(coder.trailers(Block.indexed("a", "b")).text == "a: b\r\n")
    #expect(coder.trailers(known).text == "a: b\r\n")
    #expect(coder.trailers([0x20]).text == "")
    #expect(coder.trailers(known).head == .broken)
  }

  @Test(arguments: [
    // More than SETTINGS allow; behind a field; an index that is not there; index 0.
    Block.integer(HeadCoder.tableBytes + 1, prefix: 5, first: 0x20),
    Block.literal([("a", "b")]) + [0x20], [0xBE], [0x80], [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
    // Huffman codes: EOS, padding of zeros, a byte of padding.
    [0x00, 0x01, 0x61, 0x84, 0xFF, 0xFF, 0xFF, 0xFF], [0x00, 0x01, 0x61, 0x81, 0x18],
    [0x00, 0x01, 0x61, 0x82, 0x1F, 0xFF],
  ])
  func whatCannotBeDecodedBreaksTheConnection(block: [UInt8]) {
    let coder = TestCoder()
    #expect(coder.trailers(block).head == .broken)
    #expect(coder.trailers([("a", "b")]).head == .broken, "for good")
  }

  @Test func aBlockThatIsCutIsBroken() {
    let fields: [[UInt8]] = [
      [0x82], [0x86], Block.hex("04 0c 2f73616d706c652f70617468"), Block.hex("410161"),
      Block.indexed("name", "value"), Block.hex("4088 25a849e95ba97d7f 8925a849e95bb8e8b4bf"),
    ]
    let block = Array(fields.joined())
    var ends: Set<Int> = [0]
    for count in fields.indices { ends.insert(fields[...count].joined().count) }
    for end in 0...block.count {
      let read = TestCoder().request(Array(block[..<end]))
      #expect((read.head != .broken) == ends.contains(end), "cut at \(end)")
      #expect(read.facts != nil || read.text.isEmpty)
    }
  }

  // MARK: Blocks that are written

  /// RFC 7541, appendix A, from index 15 on.
  private static let names = [
    "accept-charset", "accept-encoding", "accept-language", "accept-ranges", "accept",
    "access-control-allow-origin", "age", "allow", "authorization", "cache-control",
    "content-disposition", "content-encoding", "content-language", "content-length",
    "content-location", "content-range", "content-type", "cookie", "date", "etag", "expect",
    "expires", "from", "host", "if-match", "if-modified-since", "if-none-match", "if-range",
    "if-unmodified-since", "last-modified", "link", "location", "max-forwards",
    "proxy-authenticate", "proxy-authorization", "range", "referer", "refresh", "retry-after",
    "server", "set-cookie", "strict-transport-security", "transfer-encoding", "user-agent",
    "vary", "via", "www-authenticate",
  ]
  private static let secrets = ["authorization", "cookie", "proxy-authorization", "set-cookie"]

  private static func value(of name: String) -> String { name == "content-length" ? "7" : "v" }

  @Test func namesOfTheStaticTableAreSentAsTheirIndex() {
    #expect(Self.names.count == 47)
    for (offset, name) in Self.names.enumerated() where name != "transfer-encoding" {
      let value = Self.value(of: name)
      let first: UInt8 = Self.secrets.contains(name) ? 0x10 : 0
      let expected = Block.integer(15 + offset, prefix: 4, first: first) + [1] + value.utf8
      for written in [name, name.uppercased()] {
        let text = "HTTP/1.1 200 OK\r\n\(written): \(value)\r\n\r\n"
        #expect(TestCoder().encodeResponse(text) == [0x88] + expected, "\(name)")
      }
    }
  }

  @Test func otherNamesAreSentAsTheyAre() {
    let (sender, receiver) = (TestCoder(), TestCoder())
    for name in Self.names where name != "transfer-encoding" {
      // The name, and it with each of its characters changed.
      for index in name.indices.map({ Optional($0) }) + [nil] {
        var other = name
        if let index { other.replaceSubrange(index...index, with: name[index] == "b" ? "c" : "b") }
        let value = Self.value(of: other)
        let text = "HTTP/1.1 204 \r\n\(other): \(value)\r\n\r\n"
        let read = receiver.response(sender.encodeResponse(text, answering: .head) ?? [])
        let isKept = other != "content-length"
        let expected = isKept ? "\(other): \(value)\r\n\r\n" : "\r\n"
        #expect(read.text == "HTTP/1.1 204 No Content\r\n" + expected)
      }
    }
  }

  @Test func lengthsTakeAsManyBytesAsTheyNeed() {
    let (sender, receiver) = (TestCoder(), TestCoder())
    for count in [0, 1, 126, 127, 128, 254, 255, 256, 2_000, 16_300] {
      let value = String(repeating: "v", count: count)
      let text = "HTTP/1.1 200 OK\r\nX: \(value)\r\n\r\n"
      let block = sender.encodeResponse(text) ?? []
      let length = Block.integer(count, prefix: 7)
      #expect(block == [0x88, 0, 1, 0x78] + length + value.utf8)
      #expect(receiver.response(block, isEnd: false).text.contains("x: \(value)\r\n"))
      let name = String(repeating: "n", count: min(count, 16_200) + 1)
      let named = sender.encodeResponse("HTTP/1.1 200 OK\r\n\(name): v\r\n\r\n") ?? []
      #expect(receiver.response(named, isEnd: false).text.contains("\(name): v\r\n"))
    }
  }

  @Test(arguments: [100, 103, 200, 201, 204, 206, 304, 400, 404, 500, 503, 599])
  func statusesAreSent(status: Int) {
    let (sender, receiver) = (TestCoder(), TestCoder())
    let block = sender.encodeResponse("HTTP/1.1 \(status) x\r\n\r\n") ?? []
    #expect(receiver.response(block, isEnd: false).facts?.status == status)
    #expect((block.count == 1) == [200, 204, 206, 304, 400, 404, 500].contains(status))
  }

  @Test func aBlockDependsOnNoOther() {
    let sender = TestCoder()
    let text = "GET /a HTTP/1.1\r\nHost: a\r\nX-Name: value\r\nCookie: a=b\r\n\r\n"
    let block = sender.encodeRequest(text)
    #expect(sender.encodeRequest(text) == block)
    #expect(TestCoder().request(sender.encodeRequest(text) ?? []).facts != nil)
  }
}
