// Laws that request and response heads share: where fields lie, what is passed on of them, and what
// the framing fields say, computed again in the dullest way.
import HTTP

/// Laws of a head that was complete.
enum HeadLaws {
  /// Field lines lie one behind the other from `start` to the empty line, hold what RFC 9110 §5
  /// allows, and are no more than `fieldsMax`.
  static func checkFields(
    _ parser: borrowing HeadParser, _ bytes: UnsafeRawBufferPointer, from start: Int, to end: Int,
    fieldsMax: Int
  ) throws(Finding) {
    try require(end <= bytes.count && end >= start + 2, "the head ends within the bytes")
    try require(bytes[end - 2] == 0x0D && bytes[end - 1] == 0x0A, "the head ends with CRLF")
    try require(parser.fieldCount <= fieldsMax, "no more fields than allowed")
    var offset = start
    for index in 0..<parser.fieldCount {
      let field = parser.fields[index]
      let (valueStart, valueEnd) = (Int(field.valueStart), Int(field.valueEnd))
      try require(Int(field.start) == offset, "field lines have no gap")
      try require(
        field.start < field.nameEnd && field.nameEnd < field.valueStart, "a name, a colon")
      try require(field.valueStart <= field.valueEnd, "the value's end is behind its start")
      try require(Int(field.end) <= end - 2 && valueEnd + 2 <= Int(field.end), "a line's end")
      try require(bytes[Int(field.nameEnd)] == 0x3A, "a colon behind the name")
      try require(
        bytes[Int(field.end) - 2] == 0x0D && bytes[Int(field.end) - 1] == 0x0A, "lines end in CRLF")
      for byte in bytes[Int(field.start)..<Int(field.nameEnd)] {
        try require(byte > 0x20 && byte < 0x7F && byte != 0x3A, "a name is made of visible ASCII")
      }
      for byte in bytes[valueStart..<valueEnd] {
        try require(byte == 0x09 || byte >= 0x20 && byte != 0x7F, "a value has no controls")
      }
      if valueStart < valueEnd {
        let (first, last) = (bytes[valueStart], bytes[valueEnd - 1])
        try require(first != 0x20 && first != 0x09 && last != 0x20 && last != 0x09, "no blanks")
      }
      offset = Int(field.end)
    }
    try require(offset == end - 2, "the empty line follows the last field")
  }

  /// The content's framing by RFC 9112 §6.3, from the names of the fields as text: nil where the
  /// head ought to have been refused.
  static func framing(
    _ parser: borrowing HeadParser, _ bytes: UnsafeRawBufferPointer, minorVersion: UInt8
  ) -> (length: Int?, isChunked: Bool)? {
    var length: Int?
    var isChunked = false
    for index in 0..<parser.fieldCount {
      let value = parser.fields[index].valueRange
      if bytes.isText(parser.fields[index].nameRange, "content-length") {
        guard length == nil, !value.isEmpty, value.count <= 18 else { return nil }
        var number = 0
        for byte in bytes[value] {
          guard byte >= 0x30, byte <= 0x39 else { return nil }
          number = number * 10 + Int(byte) - 0x30
        }
        length = number
      } else if bytes.isText(parser.fields[index].nameRange, "transfer-encoding") {
        guard !isChunked, minorVersion == 1, bytes.isText(value, "chunked") else { return nil }
        isChunked = true
      }
    }
    return length != nil && isChunked ? nil : (length, isChunked)
  }

  /// How many fields have the name, and the last of them.
  static func find(
    _ name: StaticString, _ parser: borrowing HeadParser, _ bytes: UnsafeRawBufferPointer
  ) -> (count: Int, value: Range<Int>) {
    var found = (count: 0, value: 0..<0)
    for index in 0..<parser.fieldCount
    where bytes.isText(parser.fields[index].nameRange, name) {
      found = (found.count + 1, parser.fields[index].valueRange)
    }
    return found
  }

  /// Whether the `Connection` fields have the option.
  static func asks(
    _ option: StaticString, _ parser: borrowing HeadParser, _ bytes: UnsafeRawBufferPointer
  ) -> Bool {
    for index in 0..<parser.fieldCount
    where bytes.isText(parser.fields[index].nameRange, "connection") {
      for element in bytes.elements(of: parser.fields[index].valueRange)
      where bytes.isText(element, option) {
        return true
      }
    }
    return false
  }

  /// What is sent on holds no field that is meant for us alone (RFC 9110 §7.6.1): none of the usual
  /// ones, and none that the `Connection` fields of what came name. `sent` are the bytes that `out`
  /// has parsed.
  static func checkPassedOn(
    _ parser: borrowing HeadParser, _ bytes: UnsafeRawBufferPointer, _ out: borrowing HeadParser,
    _ sent: UnsafeRawBufferPointer, ours: [StaticString]
  ) throws(Finding) {
    for index in 0..<out.fieldCount {
      let name = out.fields[index].nameRange
      for word in ["keep-alive", "te", "proxy-connection", "http2-settings"] as [StaticString] {
        try require(!sent.isText(name, word), "\(word) is passed on")
      }
      if ours.contains(where: { sent.isText(name, $0) }) { continue }
      for field in 0..<parser.fieldCount
      where bytes.isText(parser.fields[field].nameRange, "connection") {
        for element in bytes.elements(of: parser.fields[field].valueRange) {
          try require(
            !bytes.isSame(element, sent, name),
            "a field that Connection names is passed on: "
              + String(decoding: sent[name], as: UTF8.self))
        }
      }
    }
  }
}

extension Field {
  var nameRange: Range<Int> { Int(start)..<Int(nameEnd) }
  var valueRange: Range<Int> { Int(valueStart)..<Int(valueEnd) }

  /// Whether it is the other one, moved by so many bytes.
  func isSame(_ other: Field, movedBy count: Int) -> Bool {
    name == other.name && Int(start) + count == Int(other.start)
      && Int(nameEnd) + count == Int(other.nameEnd)
      && Int(valueStart) + count == Int(other.valueStart)
      && Int(valueEnd) + count == Int(other.valueEnd) && Int(end) + count == Int(other.end)
  }
}
