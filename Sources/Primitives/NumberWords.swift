// Numbers as people read them: the one place that makes such text, independent of the locale. Two
// others write numbers for programs: `Decimal` (Configuration) those of a file, exactly, and
// `PageCursor` (Exposition) those of a metrics page, without allocation.

/// Numbers for people.
package enum NumberWords {
  /// What stands in a table for an unknown number.
  package static let unknown = "–"

  /// `value` with `places` decimals (0...4); very large or non-finite numbers as Swift writes them.
  package static func fixed(_ value: Double, _ places: Int = 2) -> String {
    guard value.isFinite, value.magnitude < 1e12 else { return "\(value)" }
    let scale = places == 0 ? 1.0 : places == 1 ? 10 : places == 2 ? 100 : places == 3 ? 1e3 : 1e4
    let units = Int64((value * scale).rounded(.toNearestOrAwayFromZero))
    // Digits from last to first, in place: this runs for every endpoint whose weight moves.
    return String(unsafeUninitializedCapacity: 24) { room in
      var rest = units.magnitude
      var start = 24
      var count = 0
      repeat {
        if count == places, places > 0 {
          start -= 1
          room[start] = UInt8(ascii: ".")
        }
        start -= 1
        room[start] = UInt8(ascii: "0") + UInt8(rest % 10)
        rest /= 10
        count += 1
      } while rest > 0 || count <= places
      if units < 0 {
        start -= 1
        room[start] = UInt8(ascii: "-")
      }
      for index in start..<24 { room[index - start] = room[index] }
      return 24 - start
    }
  }

  /// About four digits, without trailing zeros.
  package static func short(_ value: Double) -> String {
    let size = value.magnitude
    if value == value.rounded() || size >= 10_000 { return fixed(value, 0) }
    return trimmed(
      fixed(value, size >= 1_000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4))
  }

  /// At most `places` decimals, without trailing zeros.
  package static func atMost(_ places: Int, of value: Double) -> String {
    trimmed(fixed(value, places))
  }

  /// So many significant digits, without trailing zeros and without an exponent: `0.00123`. Whole
  /// numbers below 2^53 are exact. Requires: `value` is finite, its magnitude is below 2^53.
  package static func significant(_ value: Double, digits: Int = 3) -> String {
    let size = value.magnitude
    if value == value.rounded() { return String(Int64(value)) }
    var decimals = digits
    var power = 1.0
    while decimals > 0, size >= power {
      decimals -= 1
      power *= 10
    }
    if size < 1 {
      var edge = 0.1
      while decimals < 12, size < edge {
        decimals += 1
        edge /= 10
      }
    }
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let units = Int64((size * scale).rounded())
    if units == 0 { return "0" }
    var whole = String(units)
    if decimals > 0 {
      if whole.utf8.count <= decimals {
        whole = String(repeating: "0", count: decimals + 1 - whole.utf8.count) + whole
      }
      let point = whole.index(whole.endIndex, offsetBy: -decimals)
      var fraction = whole[point...]
      while fraction.last == "0" { fraction.removeLast() }
      whole = String(whole[..<point]) + (fraction.isEmpty ? "" : "." + fraction)
    }
    return value < 0 ? "-" + whole : whole
  }

  /// Three digits: `1.20`, `45.7`, `789`; more before the point.
  package static func threeDigits(_ value: Double) -> String {
    fixed(value, value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2)
  }

  /// Two digits: `3.5`, `0.05`, `12`.
  package static func factor(_ value: Double) -> String {
    let size = value.magnitude
    if size >= 9.95 { return fixed(value, 0) }
    if size >= 0.995 { return fixed(value, 1) }
    return size >= 0.0995 ? fixed(value, 2) : trimmed(fixed(value, 3))
  }

  /// A ratio as a percentage: `91 %`, `0.4 %`.
  package static func percent(_ ratio: Double) -> String {
    let size = (ratio * 100).magnitude
    return trimmed(fixed(ratio * 100, size >= 10 ? 0 : 1)) + " %"
  }

  /// Seconds with their unit: `0.8 ms`, `76 ms`, `1.53 s`, `31 s`, `5 min`.
  package static func duration(_ seconds: Double) -> String {
    let size = seconds.magnitude
    if size < 0.01 { return trimmed(fixed(seconds * 1e3, 2)) + " ms" }
    if size < 0.9995 { return fixed(seconds * 1e3, 0) + " ms" }
    if size < 9.995 { return trimmed(fixed(seconds, 2)) + " s" }
    if size < 120 { return fixed(seconds, 0) + " s" }
    return size < 7_200 ? fixed(seconds / 60, 0) + " min" : fixed(seconds / 3_600, 1) + " h"
  }

  /// Seconds with three digits, for comparisons: `1.23 s`, `45.6 ms`, `789 µs`.
  package static func comparedDuration(_ seconds: Double) -> String {
    guard seconds.isFinite else { return "\(seconds)" }
    if seconds >= 0.9995 { return threeDigits(seconds) + " s" }
    if seconds >= 0.000_999_5 { return threeDigits(seconds * 1e3) + " ms" }
    return threeDigits(seconds * 1e6) + " µs"
  }

  private static func trimmed(_ text: String) -> String {
    guard text.contains(".") else { return text }
    var text = text
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text
  }
}
