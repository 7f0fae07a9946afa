// Numbers and foreign bytes as people read them, for reasons and errors. No locale.

enum Wording {
  /// `value` with that many decimals; very large or not finite ones as Swift writes them.
  static func fixed(_ value: Double, _ places: Int = 2) -> String {
    guard value.isFinite, value.magnitude < 1e12 else { return "\(value)" }
    let scale = [1.0, 10, 100, 1_000, 10_000][places]
    let units = Int64((value * scale).rounded(.toNearestOrAwayFromZero))
    let digits = String(units.magnitude)
    let sign = units < 0 ? "-" : ""
    guard places > 0 else { return sign + digits }
    let padded = String(repeating: "0", count: max(0, places + 1 - digits.count)) + digits
    return sign + padded.dropLast(places) + "." + padded.suffix(places)
  }

  /// About four digits, without zeros at the end.
  static func short(_ value: Double) -> String {
    let size = value.magnitude
    if value == value.rounded() || size >= 10_000 { return fixed(value, 0) }
    var text = fixed(
      value, size >= 1_000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4)
    while text.contains("."), text.hasSuffix("0") || text.hasSuffix(".") { text.removeLast() }
    return text
  }

  /// The beginning of foreign bytes: printable ASCII on one line, at most 80 characters.
  static func snippet(_ bytes: UnsafeRawBufferPointer) -> String {
    var text = ""
    for byte in bytes.prefix(80) {
      text.unicodeScalars.append(
        byte > 0x1F && byte < 0x7F ? Unicode.Scalar(byte) : byte == 0x0A ? " " : "?")
    }
    return bytes.count > 80 ? text + "…" : text
  }
}
