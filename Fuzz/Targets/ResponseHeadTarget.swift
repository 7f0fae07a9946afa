// Laws of response heads, of the answer to every method: one verdict however the bytes were split,
// offsets within the head, framing by RFC 9112 §6.3, and what a client gets is the same answer.
import Balancer
import HTTP
import Primitives

enum ResponseHeadTarget {
  static let target = FuzzTarget(
    "response", byteCountMax: 700,
    words: HeadWords.all + [
      "HTTP/1.1 200 OK\r\n", "HTTP/1.0 ", " 101 ", " 204 ", " 304 ", " 426 ", "X-Request-Id: ",
      "X-Served-By: ",
    ],
    check: { data throws(Finding) in try ResponseHeadTarget.check(data) },
    seeds: { _ in
      HeadWords.responses.enumerated().flatMap { index, text in
        [UInt8(index), UInt8(index) + 128].map {
          FuzzInput.make(Array(text.utf8), options: $0, seed: 1)
        }
      }
    })

  // SAFETY: a target runs on one thread at a time.
  nonisolated(unsafe) private static let parsers = HeadParsers.all()

  static func check(_ data: UnsafeRawBufferPointer) throws(Finding) {
    let input = FuzzInput(data)
    let method = Method(rawValue: input.options & 7) ?? .get
    let parsers = Self.parsers[Int(input.options >> 3 & 3)]
    var head = ResponseHead()
    let verdict = parsers.whole.parse(input.bytes, answering: method, into: &head)
    try checkPrefixes(input, method, verdict, head, parsers.whole, &parsers.part)
    guard verdict == .complete else { return }
    try require(head.end <= parsers.byteCountMax, "a head over the limit is complete")
    try checkShape(head, parsers.whole, input.bytes, parsers.fieldsMax)
    try checkMeaning(head, parsers.whole, input.bytes, method)
    try checkPassedOn(head, parsers.whole, input, method, &parsers.sent)
  }

  private static func checkPrefixes(
    _ input: FuzzInput, _ method: Method, _ verdict: HeadVerdict, _ head: ResponseHead,
    _ parser: borrowing HeadParser, _ other: inout HeadParser
  ) throws(Finding) {
    var random = input.random
    let count = input.bytes.count
    var cuts = [random.index(below: count + 1), random.index(below: count + 1)]
    if verdict == .complete { cuts += [head.end - 1, head.end] }
    for cut in cuts {
      var part = ResponseHead()
      let found = try input.bytes.withCopy(of: 0..<cut) { copy throws(Finding) in
        other.parse(UnsafeRawBufferPointer(copy), answering: method, into: &part)
      }
      switch verdict {
      case .incomplete: try require(found == .incomplete, "a part of nothing is something")
      case .rejected(let error):
        try require(
          found == .incomplete || found == .rejected(error),
          "\(error) became \(found) after \(cut) bytes")
      case .complete where cut < head.end:
        try require(found == .incomplete, "complete before its end: \(found)")
      case .complete:
        try require(found == .complete, "what follows a head changes it")
        try require(isSame(head, part), "two readings of one head: \(head), \(part)")
        try require(parser.fieldCount == other.fieldCount, "two readings, other fields")
        for index in 0..<parser.fieldCount {
          try require(
            parser.fields[index].isSame(other.fields[index], movedBy: 0),
            "two readings, another field")
        }
      }
    }
  }

  private static func isSame(_ a: ResponseHead, _ b: ResponseHead) -> Bool {
    a.end == b.end && a.reasonStart == b.reasonStart && a.reasonEnd == b.reasonEnd
      && a.status == b.status && a.minorVersion == b.minorVersion && a.framing == b.framing
      && a.connection == b.connection && a.isUpgrade == b.isUpgrade
      && a.keepsUpgrade == b.keepsUpgrade && a.hasDate == b.hasDate
  }

  private static func checkShape(
    _ head: ResponseHead, _ parser: borrowing HeadParser, _ bytes: UnsafeRawBufferPointer,
    _ fieldsMax: Int
  ) throws(Finding) {
    try require((100...999).contains(head.status), "a status of three digits")
    try require(
      head.reasonStart >= 12 && head.reasonStart <= head.reasonEnd && head.reasonEnd < head.end,
      "the reason phrase's place")
    for byte in bytes[head.reasonStart..<head.reasonEnd] {
      try require(byte == 0x09 || byte >= 0x20 && byte != 0x7F, "a phrase has no controls")
    }
    try HeadLaws.checkFields(
      parser, bytes, from: head.reasonEnd + 2, to: head.end, fieldsMax: fieldsMax)
    if let seconds = parser.table(in: bytes).keepAliveSeconds {
      try require((0...1_000_000).contains(seconds), "Keep-Alive in seconds")
    }
  }

  private static func checkMeaning(
    _ head: ResponseHead, _ parser: borrowing HeadParser, _ bytes: UnsafeRawBufferPointer,
    _ method: Method
  ) throws(Finding) {
    guard let found = HeadLaws.framing(parser, bytes, minorVersion: head.minorVersion) else {
      throw Finding(description: "two readings of the framing fields")
    }
    let isBare = method == .head || head.status < 200 || head.status == 204 || head.status == 304
    let length = found.length.map { $0 > 0 ? Framing.length($0) : .none }
    let expected = isBare ? .none : found.isChunked ? .chunked : length ?? .untilClose
    try require(head.framing == expected, "framing is \(head.framing), not \(expected)")
    try require(
      head.connection.close == HeadLaws.asks("close", parser, bytes), "Connection: close")
    try require(
      head.hasDate == (HeadLaws.find("date", parser, bytes).count > 0), "whether it has a Date")
    try require(!head.isUpgrade || head.status == 101, "only a 101 changes the protocol")
  }

  /// The head as a client gets it is one answer, with the same status and content.
  private static func checkPassedOn(
    _ head: ResponseHead, _ parser: borrowing HeadParser, _ input: FuzzInput, _ method: Method,
    _ out: inout HeadParser
  ) throws(Finding) {
    let text: StaticString = "4711"
    let identifier = UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    let added =
      input.options & 64 == 0
      ? ResponseFields() : ResponseFields(requestID: identifier, servedBy: (.none, 80))
    let response = ForwardedResponse(
      head: head, fields: parser.table(in: input.bytes), isChunked: head.framing == .chunked,
      confirmsKeepAlive: input.options & 32 != 0, closes: head.framing == .untilClose, added: added)
    let room = UnsafeMutableRawBufferPointer.allocate(
      byteCount: input.bytes.count + 512, alignment: 1)
    defer { room.deallocate() }
    var writer = ByteWriter(room)
    response.write(to: &writer)
    try require(!writer.hasOverflowed, "half a kilobyte more than the head is enough")
    var again = ResponseHead()
    let sent = writer.written
    let verdict = out.parse(sent, answering: method, into: &again)
    let shown = String(decoding: sent, as: UTF8.self)
    try require(verdict == .complete, "what is sent on is \(verdict): \(shown)")
    try require(again.end == sent.count, "it is one answer: \(shown)")
    try require(
      again.status == head.status && again.framing == head.framing
        && again.isUpgrade == head.isUpgrade, "it means another thing: \(shown)")
    if head.forbidsLength {
      try require(HeadLaws.find("content-length", out, sent).count == 0, "a length: \(shown)")
    }
    try HeadLaws.checkPassedOn(
      parser, input.bytes, out, sent,
      ours: ["upgrade", "transfer-encoding", "connection", "x-request-id", "x-served-by", "via"])
  }
}
