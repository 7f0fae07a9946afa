// Laws of content: the same pieces, joined, and the same end or error at every split, both for who
// reads it and for who passes it on; what is passed on is read as the same content; and a decoder
// that looks for line ends alone agrees.
import HTTP

enum ChunkedTarget {
  static let target = FuzzTarget(
    "chunked", byteCountMax: 400,
    words: [
      "\r\n", "0\r\n\r\n", "5\r\nhello\r\n", ";a=b", ";a=\"", "\\\"", " ;", "a\r\n", "ffffffff\r\n",
      "000000000000001\r\n", "Content-Length: 5\r\n", "X-A: 1\r\n", "Host: c\r\n", "content_type:",
    ],
    check: { data throws(Finding) in try ChunkedTarget.check(data) },
    seeds: { files in
      let rows = files.framingRows.compactMap { row -> [UInt8]? in
        let end = row.indices.first { row[$0...].starts(with: Array("\r\n\r\n".utf8)) }
        return end.map { Array(row[($0 + 4)...]) }
      }
      let own = [
        "a;x=y;z=\"q\"\r\n0123456789\r\n1 \t; a\r\n!\r\n0;last\r\n\r\nNEXT",
        "1;a=\"\\\"\"\r\na\r\n0\r\nX-A: 1\r\ncontent_type: b\r\nX-B:\r\nHost: c\r\n\r\n",
      ].map { Array($0.utf8) }
      return (rows + own).filter { $0.count <= 4_096 && !$0.isEmpty }.flatMap { bytes in
        [0, 1, 7].map { FuzzInput.make(bytes, options: 0, seed: $0) }
      }
    })

  /// What came of reading some bytes.
  private struct Outcome: Equatable {
    var passed: [UInt8] = []
    /// Where the message ended; nil: it did not.
    var end: Int?
    var error: HeadError?
  }

  static func check(_ data: UnsafeRawBufferPointer) throws(Finding) {
    let input = FuzzInput(data)
    let framing: Framing =
      switch input.options & 7 {
      case 6: .length(Int(input.options >> 3))
      case 7: .untilClose
      default: .chunked
      }
    let whole = try read(input.bytes, framing)
    let split = try readSplit(input, framing)
    try require(whole == split, "split: \(split), whole: \(whole)")
    let passed = try relay(input.bytes, [0..<input.bytes.count], framing, contentOnly: false)
    let ranges = try ranges(of: input)
    let passedSplit = try relay(input.bytes, ranges, framing, contentOnly: false)
    try require(passed == passedSplit, "passed on split: \(passedSplit), whole: \(passed)")
    let bare = try relay(input.bytes, ranges, framing, contentOnly: true)
    try require(bare == whole, "content alone: \(bare), not \(whole)")
    try require(passed.end == whole.end && passed.error == whole.error, "passed on: \(passed)")
    guard framing == .chunked else {
      return try require(passed.passed == whole.passed, "content with a length is as it is")
    }
    guard let end = whole.end else { return }
    try require(decode(input.bytes, end) == whole.passed, "another decoder: \(whole.passed)")
    try checkPassedOn(passed.passed, whole.passed)
  }

  /// What was passed on is one message with the same content, and is passed on as it is.
  private static func checkPassedOn(_ bytes: [UInt8], _ content: [UInt8]) throws(Finding) {
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { copy.deallocate() }
    copy.copyBytes(from: bytes)
    let sent = UnsafeRawBufferPointer(copy)
    let again = try read(sent, .chunked)
    try require(again.end == bytes.count && again.passed == content, "read again: \(again)")
    let twice = try relay(sent, [0..<bytes.count], .chunked, contentOnly: false)
    try require(twice.passed == bytes, "passed on twice: \(twice)")
  }

  private static func ranges(of input: FuzzInput) throws(Finding) -> [Range<Int>] {
    var ranges: [Range<Int>] = []
    try input.pieces { range throws(Finding) in
      ranges.append(range)
      return true
    }
    return ranges
  }

  private static func read(
    _ bytes: UnsafeRawBufferPointer, _ framing: Framing
  ) throws(Finding) -> Outcome {
    var reader = ContentReader(framing)
    var outcome = Outcome()
    _ = try take(bytes, 0, &reader, &outcome)
    return outcome
  }

  private static func readSplit(_ input: FuzzInput, _ framing: Framing) throws(Finding) -> Outcome {
    var reader = ContentReader(framing)
    var outcome = Outcome()
    try input.pieces { range throws(Finding) in
      try input.bytes.withCopy(of: range) { copy throws(Finding) in
        try take(UnsafeRawBufferPointer(copy), range.lowerBound, &reader, &outcome)
      }
    }
    // A message may end without a byte.
    if input.bytes.isEmpty, reader.isComplete { outcome.end = 0 }
    return outcome
  }

  /// False: the message ended or was malformed.
  private static func take(
    _ bytes: UnsafeRawBufferPointer, _ base: Int, _ reader: inout ContentReader,
    _ outcome: inout Outcome
  ) throws(Finding) -> Bool {
    var offset = 0
    while true {
      let start = offset
      let piece = reader.next(bytes, &offset)
      try require(offset >= start && offset <= bytes.count, "the offset leaves the bytes")
      switch piece {
      case .content(let count):
        try require(count > 0 && offset - count >= start, "a piece of \(count) bytes")
        outcome.passed += bytes[(offset - count)..<offset]
      case .more:
        try require(offset == bytes.count, "more, with bytes left")
        if reader.isComplete { outcome.end = base + offset }
        return !reader.isComplete
      case .complete:
        outcome.end = base + offset
        return false
      case .malformed(let error):
        outcome.error = error
        return false
      }
    }
  }

  private static func relay(
    _ bytes: UnsafeRawBufferPointer, _ ranges: [Range<Int>], _ framing: Framing, contentOnly: Bool
  ) throws(Finding) -> Outcome {
    var reader = ContentReader(framing)
    var outcome = Outcome()
    if reader.isComplete { outcome.end = 0 }
    for range in ranges where outcome.end == nil && outcome.error == nil {
      // Before the first bytes there is no room.
      let headroom = range.lowerBound == 0 ? 0 : TrailerName.byteCountMax
      try bytes.withCopy(of: range, headroom: headroom) { copy throws(Finding) in
        let relayed = reader.relay(copy, contentOnly: contentOnly)
        try require(
          relayed.start >= -headroom && relayed.start <= relayed.end
            && relayed.end <= relayed.consumedCount && relayed.consumedCount <= copy.count
            && relayed.contentCount <= relayed.consumedCount,
          "\(relayed) of \(copy.count) bytes")
        if let base = copy.baseAddress {
          outcome.passed += UnsafeRawBufferPointer(
            start: base + relayed.start, count: relayed.end - relayed.start)
        }
        outcome.error = relayed.error
        if reader.isComplete { outcome.end = range.lowerBound + relayed.consumedCount }
      }
    }
    return outcome
  }

  /// Decodes `bytes[..<end]` after RFC 9112 §7.1.3, knowing nothing but lines; nil where that fails
  /// or there is something behind the message.
  private static func decode(_ bytes: UnsafeRawBufferPointer, _ end: Int) -> [UInt8]? {
    var offset = 0
    var content: [UInt8] = []
    func line() -> Range<Int>? {
      let start = offset
      while offset + 1 < end {
        if bytes[offset] == 0x0D, bytes[offset + 1] == 0x0A {
          offset += 2
          return start..<offset - 2
        }
        offset += 1
      }
      return nil
    }
    while let size = line() {
      let digits = bytes[size].prefix {
        UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0
          || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0 | 0x20
      }
      guard let count = Int(String(decoding: digits, as: UTF8.self), radix: 16) else { return nil }
      if count == 0 {
        while let field = line() {
          if field.isEmpty { return offset == end ? content : nil }
        }
        return nil
      }
      guard count <= end - offset else { return nil }
      content += bytes[offset..<offset + count]
      offset += count
      guard line()?.isEmpty == true else { return nil }
    }
    return nil
  }
}
