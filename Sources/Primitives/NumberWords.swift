// Numbers as people read them, for reasons, events and errors. Independent of the locale.

/// Numbers for people.
package enum NumberWords {
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

  private static func trimmed(_ text: String) -> String {
    guard text.contains(".") else { return text }
    var text = text
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text
  }
}
