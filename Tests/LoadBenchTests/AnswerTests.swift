import Testing

@testable import load_bench

@Suite struct AnswerTests {
  @Test(arguments: [
    ("/bytes/0", Answer.bytes(0, fields: false)),
    ("/bytes/67108864", .bytes(67_108_864, fields: false)),
    ("/bytes/1024?fields=1", .bytes(1_024, fields: true)),
    ("/bytes/1024?a=b&fields=1", .bytes(1_024, fields: true)),
    ("/bytes/1024?fields=0", .bytes(1_024, fields: false)),
    ("/stream/200/50", .stream(tokens: 200, intervalMilliseconds: 50, fields: false)),
    ("/stream/1/0?fields=1", .stream(tokens: 1, intervalMilliseconds: 0, fields: true)),
    ("/metrics", .metrics), ("/metrics?x", .metrics), ("/health", .health),
    ("/bytes/67108865", .notFound), ("/bytes/-1", .notFound), ("/bytes/", .notFound),
    ("/bytes/1/", .notFound), ("/bytes/99999999999999999999", .notFound), ("/bytes", .notFound),
    ("/stream/0/50", .notFound), ("/stream/5/60001", .notFound), ("/stream/5", .notFound),
    ("/", .notFound), ("", .notFound), ("/v1/chat", .notFound), ("/bytes/1e3", .notFound),
  ])
  func aPathSaysWhatIsAnswered(target: String, answer: Answer) {
    #expect(Answer(target: target) == answer)
  }

  @Test func aRenderedAnswerIsHeadAndContent() {
    for (count, joined) in [(0, 0), (1_024, 1_024), (65_536, 65_536), (100_000, 65_536)] {
      let one = RenderedAnswer(
        status: "200 OK", count: count, fields: true, isPersistent: false)
      #expect(one.count == one.headCount + joined)
      #expect(joined + one.fill == count)
      let bytes = UnsafeRawBufferPointer(start: one.start, count: one.count)
      let head = String(decoding: bytes[..<one.headCount], as: UTF8.self)
      #expect(head.hasPrefix("HTTP/1.1 200 OK\r\nDate: "))
      #expect(head.hasSuffix("Content-Length: \(count)\r\nConnection: close\r\n\r\n"))
      #expect(head.split(separator: "\r\n").count == 1 + 10 + 2)
      #expect(bytes[one.headCount...].allSatisfy { $0 == Filling.byte })
    }
  }

  @Test func tenFieldsGoEachWay() {
    #expect(Fields.request.split(separator: "\r\n").count == 10)
    #expect(Fields.answer.split(separator: "\r\n").count == 10)
  }

  @Test func aHeadIsKnownOnlyWhereAllOfItIsTheSame() {
    var known = KnownHead(0)
    let head = Array("HTTP/1.1 200 OK\r\n\r\n".utf8)
    let longer = head + [1, 2]
    longer.withUnsafeBytes { bytes in
      #expect(known.match(bytes) == 0)
      known.learn(UnsafeRawBufferPointer(rebasing: bytes[..<head.count]), 7)
      #expect(known.match(bytes) == head.count && known.plan == 7)
      #expect(known.match(UnsafeRawBufferPointer(rebasing: bytes[..<(head.count - 1)])) == 0)
    }
    var other = longer
    other[head.count - 1] = 0
    #expect(other.withUnsafeBytes { known.match($0) } == 0)
    known.forget()
    #expect(longer.withUnsafeBytes { known.match($0) } == 0)
  }
}

@Suite struct TokenTests {
  /// All events of the bytes, and what is left of them.
  private func events(_ bytes: [UInt8]) -> (events: [TokenReader.Event], used: Int) {
    bytes.withUnsafeBytes { all in
      var offset = 0
      var events: [TokenReader.Event] = []
      while offset < all.count, let event = TokenReader.next(all, &offset) {
        events.append(event)
        if event == .malformed { break }
      }
      return (events, offset)
    }
  }

  private var content: [UInt8] {
    // The chunk's size line and its end are not content.
    let chunk = TokenText()
    let stamps: [Int64] = [1_234_567_890_123_456, 0]
    let bytes = stamps.flatMap { stamp -> [UInt8] in
      let all = Array(chunk.chunk(sentAt: stamp))
      return Array(all[4..<(all.count - 2)])
    }
    return bytes + Array("data: [DONE]\n\n".utf8)
  }

  @Test func aChunkSaysItsLength() throws {
    let text = TokenText()
    let chunk = String(decoding: text.chunk(sentAt: 5), as: UTF8.self)
    let end = try #require(chunk.firstRange(of: "\r\n"))
    #expect(Int(chunk[..<end.lowerBound], radix: 16) == chunk[end.upperBound...].utf8.count - 2)
    #expect(chunk.hasSuffix("\n\n\r\n") && chunk.contains(#""sent_ns":"0000000000000000005""#))
  }

  @Test func eventsAreReadAtEverySplit() {
    let whole = events(content)
    #expect(whole.events == [.token(sentAt: 1_234_567_890_123_456), .token(sentAt: 0), .done])
    #expect(whole.used == content.count)
    for cut in 0...content.count {
      let first = events(Array(content[..<cut]))
      let second = events(Array(content[first.used...]))
      #expect(first.events + second.events == whole.events)
    }
  }

  @Test(arguments: [
    "data: {\"x\":1}\n\n", "event: a\n\n", "\n\n", #"data: {"sent_ns":"12"}"# + "\n\n",
    #"data: {"sent_ns":"00000000000000000a5"}"# + "\n\n",
    String(repeating: "x", count: 1_025),
  ])
  func otherEventsAreMalformed(text: String) {
    #expect(events(Array(text.utf8)).events == [.malformed])
  }
}
