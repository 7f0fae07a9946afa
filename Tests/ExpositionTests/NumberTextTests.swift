import Primitives
import Testing

@testable import Exposition

@Suite struct NumberTextTests {
  /// The value that a page with this text shows, or nil where it is refused.
  private func value(_ text: String) -> Double? {
    withGuardedPage(Array(text.utf8)) { page in
      let start = page.baseAddress!.assumingMemoryBound(to: UInt8.self)
      guard let number = NumberText(start, start + page.count) else { return nil }
      return number.end == start + page.count ? number.value : nil
    }
  }

  @Test(arguments: [
    ("0", 0), ("-0", -0.0), ("+5", 5), ("1.", 1), (".5", 0.5), ("-.5e1", -5), ("007", 7),
    ("1e5", 1e5), ("1E+5", 1e5), ("1e-5", 1e-5), ("1.5e0005", 1.5e5), ("0e999999999999999", 0),
    ("9007199254740992", 9_007_199_254_740_992), ("9007199254740993", 9_007_199_254_740_992),
    ("9223372036854775794", 0x1p63), ("18446744073709551615", 0x1p64),
    ("1.7976931348623157e308", 1.7976931348623157e308), ("5e-324", .leastNonzeroMagnitude),
    ("1e-400", 0),
    ("0.00000000000000000000000000000000000000001", 1e-41),
    ("10000000000000000000000000000000000000000e-40", 1),
    ("12345678901234567890.1234567890", 12345678901234567890.1234567890),
    ("0.3000000000000000444089209850062616169452667236328125", 0.1 + 0.2),
    ("1.0000000000000000000000000000000000000", 1), ("inf", .infinity), ("+Inf", .infinity),
    ("-inf", -.infinity), ("INFINITY", .infinity), ("-Infinity", -.infinity),
  ])
  func isRead(text: String, expected: Double) {
    #expect(value(text)?.bitPattern == expected.bitPattern)
  }

  @Test(arguments: ["nan", "NaN", "NAN", "Nan"]) func isNotANumber(text: String) {
    #expect(value(text)?.isNaN == true)
  }

  @Test(arguments: [
    "-", "+", ".", "-.", "e5", ".e5", "1e", "1e+", "1e+-5", "1.2.3", "--1", "1-", "0x1", "0x1p-3",
    "0X1", "1p3", "0b1", "0o7", "1_000", "+nan", "-NaN", "infin", "infinityy", "nanx", "i", "n",
    "1e400", "-1e309", "1.8e308", "179769313486231570000e300", "a", "1a", "1,5", "1\u{0}", "\u{0}",
    "١", "1e٢", "∞", "5}", "5\"", "5#", "1e99999999999999999999999999",
  ])
  func isRefused(text: String) {
    #expect(value(text) == nil)
  }

  @Test func everyFormOfThousandsOfNumbersReadsAsSwiftReadsIt() {
    var random = RandomSource(seed: 11)
    for _ in 0..<20_000 {
      let text: String
      switch random.index(below: 5) {
      case 0:
        let double = Double(bitPattern: random.next())
        text = double.isFinite ? "\(double)" : "0"
      case 1: text = "\(Int64(bitPattern: random.next()))"
      case 2: text = "\(random.index(below: 1_000_000)).\(random.next() >> random.next() % 64)"
      case 3: text = "\(random.next() >> random.next() % 64)e\(random.index(below: 620) - 330)"
      default:
        let digits = (0..<1 + random.index(below: 60)).map { _ in "\(random.index(below: 10))" }
        let point = random.index(below: digits.count + 1)
        text =
          digits[..<point].joined() + "." + digits[point...].joined()
          + "E\(random.index(below: 80) - 40)"
      }
      let swift = Double(text)
      let expected = swift.map(\.isInfinite) == true ? nil : swift
      #expect(value(text)?.bitPattern == expected?.bitPattern, "\(text)")
    }
  }

  @Test func aNumberThatFillsALineIsRead() {
    let zeros = String(repeating: "0", count: 60_000)
    #expect(value(zeros + "1") == 1)
    #expect(value("0." + zeros + "1e60001") == 1)
    #expect(value("1" + zeros + "e-60000") == 1)
    #expect(value("0." + String(repeating: "3", count: 60_000)) == 1.0 / 3)
    #expect(value("1" + zeros) == nil)
  }
}
