// Laws of request heads: one verdict however the bytes were split, offsets within the head, framing
// as the fields say, the same meaning behind an empty line, and a head that is sent on to an
// endpoint as exactly one request with the same content.
import Balancer
import HTTP
import Primitives

enum RequestHeadTarget {
  static let target = FuzzTarget(
    "head", byteCountMax: 700,
    words: HeadWords.all + [
      "GET / HTTP/1.1\r\n", "POST ", "OPTIONS * HTTP/1.1\r\n", "CONNECT ", "TRACE ", "http://",
      " HTTP/1.0\r\n", "Host: a\r\n", "Expect: 100-continue\r\n", "Max-Forwards: ", "[::1]",
      "X-Forwarded-For: ", "X-Forwarded-Proto: ", "X-Request-Id: ", "traceparent: ",
      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "X-Steelyard-Endpoint: ",
    ],
    check: { data throws(Finding) in try RequestHeadTarget.check(data) },
    seeds: { files in
      let own = [HeadWords.request, "\r\n" + HeadWords.request, HeadWords.oldRequest]
      return (files.framingRows + own.map { Array($0.utf8) }).filter { $0.count <= 4_096 }.map {
        FuzzInput.make($0, options: 0, seed: 1)
      }
    })

  // SAFETY: a target runs on one thread at a time.
  nonisolated(unsafe) private static let parsers = HeadParsers.all()

  /// What one call of the parser gave.
  private struct Reading {
    var verdict: HeadVerdict
    var head: RequestHead
  }

  static func check(_ data: UnsafeRawBufferPointer) throws(Finding) {
    let input = FuzzInput(data)
    let parsers = Self.parsers[Int(input.options & 7)]
    let whole = read(input.bytes, &parsers.whole)
    try checkPrefixes(input, whole, parsers.whole, &parsers.part)
    if whole.verdict == .complete {
      try require(whole.head.end <= parsers.byteCountMax, "a head over the limit is complete")
      try checkShape(whole.head, parsers.whole, input.bytes, parsers.fieldsMax)
      try checkMeaning(whole.head, parsers.whole, input.bytes)
      if !parsers.takesTrace {
        try checkPassedOn(whole.head, parsers.whole, input, &parsers.sent)
      }
    }
    try checkEmptyLine(input, whole, parsers.whole, &parsers.part, parsers.byteCountMax)
  }

  private static func read(
    _ bytes: UnsafeRawBufferPointer, _ parser: inout HeadParser
  ) -> Reading {
    var head = RequestHead()
    let verdict = parser.parse(bytes, into: &head)
    return Reading(verdict: verdict, head: head)
  }

  /// No beginning of a head is anything but incomplete, or wrong in the same way.
  private static func checkPrefixes(
    _ input: FuzzInput, _ whole: Reading, _ parser: borrowing HeadParser, _ other: inout HeadParser
  ) throws(Finding) {
    var random = input.random
    let count = input.bytes.count
    var cuts = [random.index(below: count + 1), random.index(below: count + 1)]
    if whole.verdict == .complete { cuts += [whole.head.end - 1, whole.head.end] }
    for cut in cuts {
      let part = try input.bytes.withCopy(of: 0..<cut) { copy throws(Finding) in
        read(UnsafeRawBufferPointer(copy), &other)
      }
      switch whole.verdict {
      case .incomplete: try require(part.verdict == .incomplete, "a part of nothing is something")
      case .rejected(let error):
        try require(
          part.verdict == .incomplete || part.verdict == .rejected(error),
          "\(error) became \(part.verdict) after \(cut) bytes")
      case .complete where cut < whole.head.end:
        try require(part.verdict == .incomplete, "complete before its end: \(part.verdict)")
      case .complete:
        try require(part.verdict == .complete, "what follows a head changes it")
        try checkSame(whole.head, parser, part.head, other, movedBy: 0)
      }
    }
  }

  private static func checkSame(
    _ a: RequestHead, _ parserA: borrowing HeadParser, _ b: RequestHead,
    _ parserB: borrowing HeadParser, movedBy count: Int
  ) throws(Finding) {
    let isSame =
      a.start + count == b.start && a.end + count == b.end && a.methodEnd + count == b.methodEnd
      && a.targetStart + count == b.targetStart && a.targetEnd + count == b.targetEnd
      && a.pathEnd + count == b.pathEnd && a.method == b.method
      && (a.authorityEnd == 0 && b.authorityEnd == 0
        || a.authorityStart + count == b.authorityStart
          && a.authorityEnd + count == b.authorityEnd)
    try require(isSame && isSameMeaning(a, b), "two readings of one head: \(a), \(b)")
    try require(parserA.fieldCount == parserB.fieldCount, "two readings, other fields")
    for index in 0..<parserA.fieldCount {
      try require(
        parserA.fields[index].isSame(parserB.fields[index], movedBy: count),
        "two readings, another field")
    }
  }

  private static func isSameMeaning(_ a: RequestHead, _ b: RequestHead) -> Bool {
    a.framing == b.framing && a.connection == b.connection && a.minorVersion == b.minorVersion
      && a.expectsContinue == b.expectsContinue && a.maxForwards == b.maxForwards
      && a.asksUpgrade == b.asksUpgrade && a.isAsterisk == b.isAsterisk
      && a.isAbsoluteForm == b.isAbsoluteForm
  }

  private static func checkShape(
    _ head: RequestHead, _ parser: borrowing HeadParser, _ bytes: UnsafeRawBufferPointer,
    _ fieldsMax: Int
  ) throws(Finding) {
    try require(head.start == 0 || head.start == 2, "at most one empty line is passed over")
    try require(head.start < head.methodEnd && head.methodEnd - head.start <= 32, "a method")
    try require(
      head.methodEnd < head.targetStart && head.targetStart <= head.pathEnd
        && head.pathEnd <= head.targetEnd && head.targetEnd <= head.end, "the target's place")
    try require(
      head.authorityStart <= head.authorityEnd && head.authorityEnd <= head.end, "the authority")
    for byte in bytes[head.targetStart..<head.targetEnd] {
      try require(byte > 0x20 && byte < 0x7F && byte != 0x23, "a target of visible ASCII")
    }
    for byte in bytes[head.targetStart..<head.pathEnd] {
      try require(byte != 0x3F, "the path ends at the first question mark")
    }
    for byte in bytes[head.authorityStart..<head.authorityEnd] {
      try require(byte > 0x20 && byte < 0x7F && byte != 0x2F && byte != 0x40, "a host and a port")
    }
    // "HTTP/1.x" and CRLF follow the target.
    try HeadLaws.checkFields(
      parser, bytes, from: head.targetEnd + 11, to: head.end, fieldsMax: fieldsMax)
  }

  private static func checkMeaning(
    _ head: RequestHead, _ parser: borrowing HeadParser, _ bytes: UnsafeRawBufferPointer
  ) throws(Finding) {
    guard let framing = HeadLaws.framing(parser, bytes, minorVersion: head.minorVersion) else {
      throw Finding(description: "two readings of the framing fields")
    }
    let expected: Framing =
      framing.isChunked
      ? .chunked : framing.length.map { $0 > 0 ? .length($0) : .none } ?? .none
    try require(head.framing == expected, "framing is \(head.framing), not \(expected)")
    let hosts = HeadLaws.find("host", parser, bytes)
    try require(hosts.count <= 1 && hosts.count >= Int(head.minorVersion), "one Host field")
    if !head.isAbsoluteForm, hosts.count == 1 {
      try require(
        bytes[hosts.value].elementsEqual(bytes[head.authorityStart..<head.authorityEnd]),
        "the authority is what Host says")
    }
    try require(
      head.connection.close == HeadLaws.asks("close", parser, bytes), "Connection: close")
    let method = String(decoding: bytes[head.start..<head.methodEnd], as: UTF8.self)
    let known = Method.allCases.first { $0 != .other && $0.label == method } ?? .other
    try require(head.method == known, "the method is \(method)")
    if method.lowercased() == "connect" { throw Finding(description: "CONNECT is let in") }
  }

  /// An empty line before a request changes nothing (RFC 9112 §2.2).
  private static func checkEmptyLine(
    _ input: FuzzInput, _ whole: Reading, _ parser: borrowing HeadParser,
    _ other: inout HeadParser, _ byteCountMax: Int
  ) throws(Finding) {
    let bytes = input.bytes
    guard bytes.first != 0x0D, bytes.count + 2 < byteCountMax else { return }
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count + 2, alignment: 1)
    defer { room.deallocate() }
    (room[0], room[1]) = (0x0D, 0x0A)
    UnsafeMutableRawBufferPointer(rebasing: room[2...]).copyBytes(from: bytes)
    let moved = read(UnsafeRawBufferPointer(room), &other)
    try require(moved.verdict == whole.verdict, "behind an empty line: \(moved.verdict)")
    guard whole.verdict == .complete else { return }
    try checkSame(whole.head, parser, moved.head, other, movedBy: 2)
  }

  /// The head as an endpoint gets it is one request, with the same method, content and offers.
  private static func checkPassedOn(
    _ head: RequestHead, _ parser: borrowing HeadParser, _ input: FuzzInput,
    _ out: inout HeadParser
  ) throws(Finding) {
    let fields = parser.table(in: input.bytes)
    let noted = NotedFields(fields)
    let peer: StaticString = "10.0.0.9"
    let address = UnsafeRawBufferPointer(start: peer.utf8Start, count: peer.utf8CodeUnitCount)
    let isTrusted = input.options & 8 != 0
    let hasIdentifier = input.options & 16 != 0
    if isTrusted {
      _ = ForwardedFor.client(fields, peer: .none, trusted: [])
    }
    var parent: TraceParent?
    if let index = noted.traceparent.only {
      parent = TraceParent(fields.value(index))
    }
    let trace: ForwardedTrace =
      switch (input.options >> 5 & 3, parent) {
      case (0, _): .kept
      case (1, .some(let parent)): .renewed(parent)
      case (2, _):
        .begun(TraceParent(traceHigh: 1, traceLow: 2, span: 3, flags: 1))
      default: .dropped
      }
    let request = ForwardedRequest(
      head: head, fields: fields, noted: noted,
      client: ForwardedClient(
        address: address, peer: address, isPeerTrusted: isTrusted,
        requestID: hasIdentifier ? address : UnsafeRawBufferPointer(start: nil, count: 0),
        trace: trace))
    let room = UnsafeMutableRawBufferPointer.allocate(
      byteCount: input.bytes.count + 1_024, alignment: 1)
    defer { room.deallocate() }
    var writer = ByteWriter(room)
    request.write(to: &writer)
    try require(!writer.hasOverflowed, "a kilobyte more than the head is enough")
    try checkSent(head, parser, input.bytes, writer.written, &out)
    var ours: [StaticString] = ["upgrade", "transfer-encoding", "x-real-ip"]
    if head.maxForwards > 0 { ours.append("max-forwards") }
    if hasIdentifier { ours.append("x-request-id") }
    switch trace {
    case .renewed, .begun: ours.append("traceparent")
    case .kept, .dropped: break
    }
    try HeadLaws.checkPassedOn(parser, input.bytes, out, writer.written, ours: ours)
  }

  private static func checkSent(
    _ head: RequestHead, _ parser: borrowing HeadParser, _ bytes: UnsafeRawBufferPointer,
    _ sent: UnsafeRawBufferPointer, _ out: inout HeadParser
  ) throws(Finding) {
    let reading = read(sent, &out)
    let text = String(decoding: sent, as: UTF8.self)
    try require(reading.verdict == .complete, "what is sent on is \(reading.verdict): \(text)")
    let again = reading.head
    try require(again.end == sent.count && again.start == 0, "it is one request: \(text)")
    try require(
      again.framing == head.framing && again.method == head.method
        && again.asksUpgrade == head.asksUpgrade && again.expectsContinue == head.expectsContinue
        && !again.connection.close, "it means another thing: \(text)")
    // With 0 it is answered here.
    if head.maxForwards != 0 {
      let forwards = head.maxForwards > 0 ? head.maxForwards - 1 : -1
      try require(again.maxForwards == forwards, "Max-Forwards is \(again.maxForwards): \(text)")
    }
    try require(again.authorityEnd > again.authorityStart, "it names a host: \(text)")
    try require(HeadLaws.find("x-real-ip", out, sent).count == 1, "one X-Real-IP: \(text)")
    for index in 0..<out.fieldCount {
      try require(out.fields[index].name != .counterfeit, "a counterfeit goes on: \(text)")
    }
  }
}
