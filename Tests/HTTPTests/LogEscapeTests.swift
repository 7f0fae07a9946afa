import FoundationEssentials
import HTTP
import Testing

private func written(_ body: (inout ByteWriter) -> Void) -> String? {
  let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 1_024, alignment: 8)
  defer { memory.deallocate() }
  var writer = ByteWriter(memory)
  body(&writer)
  return writer.hasOverflowed ? nil : String(decoding: writer.written, as: UTF8.self)
}

@Suite struct LogEscapeTests {
  private static let rows: [(bytes: [UInt8], json: String)] = [
    (Array("plain".utf8), "plain"), ([], ""), (Array("\"\\".utf8), "\\\"\\\\"),
    (Array("\r\n\t".utf8), "\\r\\n\\t"), ([0, 0x1F, 0x7F], "\\u0000\\u001f\\u007f"),
    (Array("é→🎈".utf8), "é→🎈"), ([0xC2, 0x85], "\\u0085"), ([0xC2, 0xA0], "\u{A0}"),
    ([0xE2, 0x80, 0xA8], "\\u2028"), ([0xE2, 0x80, 0xA9], "\\u2029"),
    ([0xE2, 0x80, 0xAA], "\u{202A}"),
    // Overlong, surrogate, beyond Unicode, cut, stray.
    ([0xC0, 0x80], "\\ufffd\\ufffd"), ([0xED, 0xA0, 0x80], "\\ufffd\\ufffd\\ufffd"),
    ([0xF4, 0x90, 0x80, 0x80], "\\ufffd\\ufffd\\ufffd\\ufffd"),
    ([0x61, 0xE2, 0x82], "a\\ufffd\\ufffd"), ([0xFF, 0x61], "\\ufffda"),
    ([0xE0, 0x9F, 0x80], "\\ufffd\\ufffd\\ufffd"),
    ([0xF0, 0x8F, 0x80, 0x80], "\\ufffd\\ufffd\\ufffd\\ufffd"),
  ]

  @Test(arguments: rows.indices)
  func bytesBecomeAJSONString(_ index: Int) {
    let row = Self.rows[index]
    #expect(row.bytes.withUnsafeBytes { bytes in written { $0.append(json: bytes) } } == row.json)
  }

  @Test func everyPairOfBytesIsReadBackByAJSONParser() throws {
    for first in UInt8.min...UInt8.max {
      for second in stride(from: UInt8.min, to: UInt8.max, by: 3) {
        let bytes = [first, second]
        let text = try #require(bytes.withUnsafeBytes { all in written { $0.append(json: all) } })
        let back = try JSONDecoder().decode([String].self, from: Data("[\"\(text)\"]".utf8))
        // Swift gives one U+FFFD for the beginning of a sequence, we one for each byte.
        func joined(_ text: String) -> [Substring] { text.split(separator: "\u{FFFD}") }
        #expect(back.map(joined) == [joined(String(decoding: bytes, as: UTF8.self))])
        #expect(text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F })
      }
    }
  }

  @Test(arguments: [
    ("a", "a"), ("", "\"\""), ("a b", "\"a b\""), ("a=b", "\"a=b\""), ("a\"b", "\"a\\\"b\""),
    ("a\\b", "\"a\\\\b\""), ("é", "\"é\""), ("/x?y", "/x?y"),
  ])
  func logfmtIsBareWhereItIsSafe(_ text: String, _ expected: String) {
    let found = Array(text.utf8).withUnsafeBytes { bytes in written { $0.append(logfmt: bytes) } }
    #expect(found == expected)
  }

  @Test(arguments: [
    ("", "-"), ("a b=c", "a b=c"), ("\"\\", "\\x22\\x5C"), ("\n", "\\x0A"), ("é", "\\xC3\\xA9"),
    ("\u{7F}", "\\x7F"),
  ])
  func combinedEscapesAsNginx(_ text: String, _ expected: String) {
    let found = Array(text.utf8).withUnsafeBytes { bytes in written { $0.append(combined: bytes) } }
    #expect(found == expected)
  }
}
