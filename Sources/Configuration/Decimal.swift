// Numbers with units, read exactly: integer arithmetic with overflow checks, and the shortest text
// that is read back as the same value. `check --print` and the command line need that exactness;
// numbers for people are `NumberWords`.
package import Primitives

/// Reads and writes numbers.
package enum Decimal {
  /// Units and their factors; the largest first among those that `size` and `duration` write.
  static let sizes: [(unit: String, factor: Int64)] = [
    ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10),
    ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000), ("kB", 1_000), ("B", 1),
  ]
  /// Factors in nanoseconds.
  static let durations: [(unit: String, factor: Int64)] = [
    ("h", 3_600_000_000_000), ("m", 60_000_000_000), ("ms", 1_000_000), ("s", 1_000_000_000),
  ]

  /// Digits only, without leading zeros, with an optional minus.
  static func isInteger(_ text: String) -> Bool {
    let digits = text.utf8.first == 0x2D ? text.utf8.dropFirst() : text.utf8[...]
    return !digits.isEmpty && digits.allSatisfy(isDigit)
      && (digits.count == 1 || digits.first != 0x30)
  }

  /// Reads `12` or `1.5`, directly followed by a unit: the number times the unit's factor. `bare`
  /// is the factor of a number without a unit. nil: another form, not a whole number, or over 2^63.
  static func read(
    _ text: String, units: [(unit: String, factor: Int64)], bare: Int64? = nil
  ) -> Int64? {
    let bytes = Array(text.utf8)
    let wholeEnd = bytes.firstIndex { !isDigit($0) } ?? bytes.count
    guard wholeEnd > 0, wholeEnd <= 19, wholeEnd == 1 || bytes[0] != 0x30 else { return nil }
    var unitStart = wholeEnd
    if wholeEnd < bytes.count, bytes[wholeEnd] == 0x2E {
      unitStart = bytes[(wholeEnd + 1)...].firstIndex { !isDigit($0) } ?? bytes.count
      guard (1...9).contains(unitStart - wholeEnd - 1) else { return nil }
    }
    let unit = String(decoding: bytes[unitStart...], as: UTF8.self)
    guard let factor = unit.isEmpty ? bare : units.first(where: { $0.unit == unit })?.factor
    else { return nil }
    // The digits as one integer, divided by 10 to the power of the number of decimals.
    var mantissa: UInt64 = 0
    var divisor: UInt64 = 1
    for index in 0..<unitStart where index != wholeEnd {
      let (tens, isOver) = mantissa.multipliedReportingOverflow(by: 10)
      let (next, isOverToo) = tens.addingReportingOverflow(UInt64(bytes[index] - 0x30))
      guard !isOver, !isOverToo else { return nil }
      mantissa = next
      if index > wholeEnd { divisor *= 10 }
    }
    let product = mantissa.multipliedFullWidth(by: UInt64(factor))
    // Otherwise the quotient has more than 64 bits.
    guard product.high < divisor else { return nil }
    let (quotient, remainder) = divisor.dividingFullWidth(product)
    return remainder == 0 ? Int64(exactly: quotient) : nil
  }

  /// A decimal number as in YAML and JSON; nil for anything else, infinities included.
  package static func double(_ text: String) -> Double? {
    let isDecimal = text.utf8.allSatisfy {
      isDigit($0) || $0 == 0x2D || $0 == 0x2B || $0 == 0x2E || $0 == 0x65 || $0 == 0x45
    }
    guard isDecimal, text.utf8.contains(where: isDigit), text.utf8.count <= 64,
      let value = Double(text), value.isFinite
    else { return nil }
    return value
  }

  /// A whole number from 0 to 2^63 - 1; nil for anything else.
  package static func whole(_ text: String) -> UInt64? {
    guard text.utf8.allSatisfy(isDigit), let value = Int64(text) else { return nil }
    return UInt64(value)
  }

  /// The shortest text that is read back as this number. Requires: finite.
  package static func text(_ value: Double) -> String {
    let text = "\(value)"
    return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
  }

  /// Bytes in the largest binary unit that divides them.
  static func size(_ bytes: Int) -> String {
    for (unit, factor) in sizes.prefix(3) where bytes != 0 && Int64(bytes) % factor == 0 {
      return "\(Int64(bytes) / factor)\(unit)"
    }
    return "\(bytes)"
  }

  /// A duration in the largest unit that divides it; below a millisecond as a fraction of one.
  /// Requires: not negative.
  package static func duration(_ span: Nanoseconds) -> String {
    let value = span.rawValue
    for (unit, factor) in [durations[0], durations[1], durations[3], durations[2]]
    where value % factor == 0 && (value != 0 || unit == "s") {
      return "\(value / factor)\(unit)"
    }
    let digits = "\(1_000_000 + value % 1_000_000)".dropFirst()
    let kept = digits.reversed().drop { $0 == "0" }.reversed()
    return "\(value / 1_000_000).\(String(kept))ms"
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
}

/// Durations as operators write them.
package enum DurationText {
  /// Reads `250ms`, `2s`, `1.5m`, `1h`; nil for anything else.
  package static func read(_ text: String) -> Nanoseconds? {
    Decimal.read(text, units: Decimal.durations).map { Nanoseconds($0) }
  }
}
