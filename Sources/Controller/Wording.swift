// Numbers and foreign bytes as people read them, for reasons and errors. No locale.

enum Wording {
  /// `value` with that many decimals; very large or not finite ones as Swift writes them.
  static func fixed(_ value: Double, _ places: Int = 2) -> String {
    guard value.isFinite, value.magnitude < 1e12 else { return "\(value)" }
    let scale = places == 0 ? 1.0 : places == 1 ? 10 : places == 2 ? 100 : places == 3 ? 1e3 : 1e4
    let units = Int64((value * scale).rounded(.toNearestOrAwayFromZero))
    // Digits from the last to the first: this is done for every endpoint that moves.
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
