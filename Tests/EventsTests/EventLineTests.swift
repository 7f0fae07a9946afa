import Fleet
import FoundationEssentials
import HTTP
import Primitives
import Testing

@testable import Events

private func line(
  _ format: LogPolicy.Format, _ message: String,
  _ pairs: KeyValuePairs<String, any LogValue> = [:], name: String? = nil
) -> String {
  let room = UnsafeMutableRawBufferPointer.allocate(
    byteCount: EventLine.byteCountMax, alignment: 8)
  defer { room.deallocate() }
  var writer = ByteWriter(room)
  EventLine.write(
    format, .warning, message, pairs, name: name, at: .milliseconds(86_400_007), to: &writer)
  #expect(!writer.hasOverflowed)
  return String(decoding: writer.written, as: UTF8.self)
}

@Suite struct EventLineTests {
  private let head = "time=1970-01-02T00:00:00.007Z level=warning "

  @Test func aNameIsTheLastKey() {
    #expect(
      line(.logfmt, "m", ["left": 2], name: "gpu-1") == head + "msg=\"m\" left=2 name=gpu-1\n")
    #expect(line(.json, "m", name: "b").hasSuffix("\"msg\":\"m\",\"name\":\"b\"}\n"))
    #expect(line(.json, "m", ["a": "x"], name: "b").hasSuffix(",\"a\":\"x\",\"name\":\"b\"}\n"))
  }

  @Test func logfmtQuotesWhatNeedsIt() {
    #expect(
      line(.logfmt, "a b", ["pool": "text", "reason": "it is so", "empty": "", "count": 3])
        == head + "msg=\"a b\" pool=text reason=\"it is so\" empty=\"\" count=3\n")
  }

  @Test func jsonHasNumbersAndText() throws {
    let text = line(
      .json, "a b", ["pool": "te\"xt", "count": 3, "seconds": 1.5, "bad": Double.infinity])
    #expect(
      text == "{\"time\":\"1970-01-02T00:00:00.007Z\",\"level\":\"warning\",\"msg\":\"a b\","
        + "\"pool\":\"te\\\"xt\",\"count\":3,\"seconds\":1.5,\"bad\":\"inf\"}\n")
  }

  private struct Read: Decodable {
    var msg: String
    var a: String
    var b: String
  }

  private static let hostile = [
    "\n", "\r\n", "a\nlevel=error msg=forged", "\u{0}\u{1}\u{1B}[2J\u{7F}\u{85}",
    "\u{2028}\u{2029}",
    "\"},{\"level\":\"error\"}", "\\", "\\\\\"", "=", " ", "é→🎈",
    String(decoding: [0xFF, 0xC0], as: UTF8.self),
    String(repeating: "x", count: 100_000), String(repeating: "\u{1}", count: 100_000),
    String(repeating: "🎈", count: 100_000),
  ]

  @Test(arguments: hostile.indices, LogPolicy.Format.allCases)
  func whateverComesIsOneBoundedLine(_ index: Int, _ format: LogPolicy.Format) throws {
    let value = Self.hostile[index]
    let text = line(format, "m", ["a": value, "b": value])
    #expect(text.utf8.count <= EventLine.byteCountMax)
    #expect(text.utf8.count { $0 == 0x0A } == 1 && text.hasSuffix("\n"))
    let isTame = text.unicodeScalars.dropLast().allSatisfy {
      $0.value >= 0x20 && !(0x7F...0x9F).contains($0.value) && $0.value | 1 != 0x2029
    }
    #expect(isTame)
    guard format == .json else { return }
    let read = try JSONDecoder().decode(Read.self, from: Data(text.utf8))
    #expect(read.msg == "m")
    for back in [read.a, read.b] {
      if value.utf8.count <= EventLine.valueBytesMax {
        #expect(back == value)
      } else {
        #expect(back.hasSuffix("…") && value.hasPrefix(back.dropLast()))
      }
    }
  }

  @Test func manyLongValuesAreCutAndEveryKeyIsThere() throws {
    let long = String(repeating: "\u{1}", count: 5_000)
    let pairs: KeyValuePairs<String, any LogValue> = [
      "k01": long, "k02": long, "k03": long, "k04": long, "k05": long, "k06": long, "k07": long,
      "k08": long, "k09": long, "k10": long, "k11": long, "k12": long,
    ]
    for format in LogPolicy.Format.allCases {
      let text = line(format, long, pairs)
      #expect(text.utf8.count <= EventLine.byteCountMax && text.hasSuffix("\n"))
      for (key, _) in pairs { #expect(text.contains(key)) }
    }
    _ = try JSONSerialize.check(line(.json, long, pairs))
  }
}

private enum JSONSerialize {
  static func check(_ text: String) throws -> [String: String] {
    try JSONDecoder().decode([String: String].self, from: Data(text.utf8))
  }
}
