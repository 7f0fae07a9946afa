// Numbers and reasons for people: in the log, in tables and in decisions. No locale.
import Fleet

enum DecimalText {
  /// Three decimals.
  static func fixed(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "\(value)" }
    let thousandths = Int((abs(value) * 1000).rounded())
    let (whole, rest) = thousandths.quotientAndRemainder(dividingBy: 1000)
    let digits = String(rest + 1000).dropFirst()
    return (value < 0 ? "-" : "") + "\(whole).\(digits)"
  }

  /// Three decimals at most, no zeros at the end.
  static func short(_ value: Double) -> String {
    var text = fixed(value)
    guard text.contains(".") else { return text }
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text
  }
}
