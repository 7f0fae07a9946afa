// Numbers in the few columns of a table: units without blanks, a dash for unknown ones.

/// `NumberWords` for cells of tables.
package enum Quantity {
  package static let unknown = NumberWords.unknown

  /// With so many decimals, 0…3.
  package static func fixed(_ value: Double?, _ decimals: Int) -> String {
    guard let value, value.isFinite, abs(value) < 1e12 else { return unknown }
    return NumberWords.fixed(value, decimals)
  }

  /// A whole number.
  package static func count(_ value: Double?) -> String { fixed(value, 0) }

  /// `0.25`, `12.5`, `480`, `12.5k`.
  package static func rate(_ value: Double?) -> String {
    guard let value, value.isFinite else { return unknown }
    switch abs(value) {
    case 0: return "0"
    case ..<10: return fixed(value, 2)
    case ..<100: return fixed(value, 1)
    case ..<10_000: return fixed(value, 0)
    case ..<1_000_000: return fixed(value / 1_000, 1) + "k"
    default: return fixed(value / 1_000_000, 1) + "M"
    }
  }

  /// A ratio in percent: `0`, `0.4`, `12`.
  package static func percent(_ ratio: Double?) -> String {
    guard let ratio, ratio.isFinite else { return unknown }
    if ratio == 0 { return "0" }
    return fixed(ratio * 100, abs(ratio) < 0.0995 ? 1 : 0)
  }

  /// `0.4ms`, `12ms`, `1.24s`, `95s`.
  package static func duration(_ seconds: Double?) -> String {
    guard let seconds, seconds.isFinite, abs(seconds) < 1e11 else { return unknown }
    switch seconds {
    case ..<0.00995: return fixed(seconds * 1000, 1) + "ms"
    case ..<0.9995: return fixed(seconds * 1000, 0) + "ms"
    case ..<9.995: return fixed(seconds, 2) + "s"
    case ..<99.95: return fixed(seconds, 1) + "s"
    default: return fixed(seconds, 0) + "s"
    }
  }

  /// A time ago or a duration: `8 s`, `12 min`, `3 h 12 min`, `4 d 2 h`.
  package static func span(_ seconds: Double?) -> String {
    guard let seconds, seconds.isFinite, seconds < 1e11 else { return unknown }
    let whole = max(0, Int(seconds))
    switch whole {
    case ..<60: return "\(whole) s"
    case ..<3_600: return "\(whole / 60) min"
    case ..<86_400: return "\(whole / 3_600) h \(whole % 3_600 / 60) min"
    default: return "\(whole / 86_400) d \(whole % 86_400 / 3_600) h"
    }
  }

  /// A weight with at most three decimals, as `steelyard weights` accepts them.
  package static func weight(_ value: Double?) -> String {
    guard let value, value.isFinite, abs(value) < 1e12 else { return unknown }
    return NumberWords.atMost(value.magnitude < 10 ? 3 : 2, of: value)
  }
}
