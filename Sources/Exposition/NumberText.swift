// A number on the page: checked when its line is read, converted to a Double only when needed.
// Accepts what Go's strconv.ParseFloat accepts from Prometheus: decimal with or without point and
// exponent, nan, inf, infinity in any case; no hexadecimal, no underscore, no overflow.
// HOT PATH: no allocation (but for numbers beyond 1 KiB), no lock, no existential, no clock.
import CSystem

/// A decimal number split into mantissa and exponent, with its text for the slow case.
struct NumberText {
  private enum Kind: UInt8 { case decimal, longDecimal, nan, infinity }

  let start: Position
  /// The first 19 significant digits.
  private var mantissa: UInt64 = 0
  private let count: Int32
  /// The power of ten that `mantissa` is multiplied by; clamped far beyond the range of a Double.
  private var exponent: Int16 = 0
  private var kind = Kind.decimal
  private var isNegative = false

  /// Reads the token at `start`, up to a blank or `end`. nil: it is not a number. Requires: `start`
  /// < `end`, at most Int32.max bytes apart.
  init?(_ start: Position, _ end: Position) {
    self.start = start
    var position = start
    if position.pointee == UInt8(ascii: "-") || position.pointee == UInt8(ascii: "+") {
      isNegative = position.pointee == UInt8(ascii: "-")
      position += 1
      guard position < end else { return nil }
    }
    if position.pointee | 0x20 >= UInt8(ascii: "a") {
      var tokenEnd = position
      while tokenEnd < end, !ByteClass.isBlank(tokenEnd.pointee) { tokenEnd += 1 }
      count = Int32(tokenEnd - start)
      let word = UnsafeBufferPointer(start: position, count: tokenEnd - position)
      guard let named = Self.named(word, isSigned: position != start) else { return nil }
      kind = named
      return
    }
    var power = 0
    var digitCount = 0
    guard Self.scanMantissa(&position, end, &mantissa, &power, &digitCount, &kind) else {
      return nil
    }
    if position < end, position.pointee | 0x20 == UInt8(ascii: "e") {
      guard let written = Self.scanPower(&position, end) else { return nil }
      power += written
    }
    guard position == end || ByteClass.isBlank(position.pointee) else { return nil }
    count = Int32(position - start)
    exponent = Int16(clamping: power)
    if mantissa == 0 { return }
    if digitCount + power >= 309 {
      guard digitCount + power == 309, slowValue.isFinite else { return nil }
    }
  }

  /// The end of the token.
  var end: Position { start + Int(count) }

  var isFinite: Bool { kind == .decimal || kind == .longDecimal }

  /// The nearest Double (ties to even).
  /// Source: Clinger, "How to read floating point numbers accurately" (1990), the exact case.
  var value: Double {
    let magnitude: Double
    switch kind {
    case .nan: return .nan
    case .infinity: magnitude = .infinity
    case .longDecimal: return slowValue
    case .decimal:
      if mantissa == 0 {
        magnitude = 0
      } else if mantissa <= 1 << 53, exponent >= -22, exponent <= 22 {
        let exact = Double(mantissa)
        let power = powerOfTen(Int(exponent.magnitude))
        magnitude = exponent < 0 ? exact / power : exact * power
      } else {
        return slowValue
      }
    }
    return isNegative ? -magnitude : magnitude
  }

  /// Calls strtod on a terminated copy; the text has already been checked. Requires: the C locale.
  private var slowValue: Double {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(count) + 1) { copy in
      memcpy(copy.baseAddress!, start, Int(count))
      copy[Int(count)] = 0
      return strtod(copy.baseAddress!, nil)
    }
  }

  /// Reads digits with at most one point; returns false if there is no digit.
  @inline(__always) private static func scanMantissa(
    _ position: inout Position, _ end: Position, _ mantissa: inout UInt64, _ power: inout Int,
    _ digitCount: inout Int, _ kind: inout Kind
  ) -> Bool {
    var point: Position?
    let first = position
    while position < end {
      let digit = position.pointee &- UInt8(ascii: "0")
      if digit < 10 {
        if digitCount < 19 {
          mantissa = mantissa &* 10 &+ UInt64(digit)
          if mantissa != 0 { digitCount += 1 }
          if point != nil { power -= 1 }
        } else {
          if digit != 0 { kind = .longDecimal }
          if point == nil { power += 1 }
        }
      } else if position.pointee == UInt8(ascii: "."), point == nil {
        point = position
      } else {
        break
      }
      position += 1
    }
    return position - first > (point == nil ? 0 : 1)
  }

  /// Reads `e`, an optional sign, and at least one digit. Saturates far beyond the range of a
  /// Double, even for the longest mantissa that a line can hold.
  private static func scanPower(_ position: inout Position, _ end: Position) -> Int? {
    position += 1
    guard position < end else { return nil }
    let isNegative = position.pointee == UInt8(ascii: "-")
    if isNegative || position.pointee == UInt8(ascii: "+") { position += 1 }
    let first = position
    var power = 0
    while position < end, ByteClass.isDigit(position.pointee) {
      if power < 1 << 40 { power = power * 10 + Int(position.pointee &- UInt8(ascii: "0")) }
      position += 1
    }
    guard position > first else { return nil }
    return isNegative ? -power : power
  }

  private static func named(_ word: UnsafeBufferPointer<UInt8>, isSigned: Bool) -> Kind? {
    func isWord(_ name: StaticString) -> Bool {
      guard word.count == name.utf8CodeUnitCount else { return false }
      for index in 0..<word.count where word[index] | 0x20 != name.utf8Start[index] {
        return false
      }
      return true
    }
    if isWord("nan") { return isSigned ? nil : .nan }
    return isWord("inf") || isWord("infinity") ? .infinity : nil
  }
}

/// 10^exponent, exactly. A switch instead of an array, because it becomes a constant table.
/// Requires: 0...22.
private func powerOfTen(_ exponent: Int) -> Double {
  switch exponent {
  case 0: 1
  case 1: 1e1
  case 2: 1e2
  case 3: 1e3
  case 4: 1e4
  case 5: 1e5
  case 6: 1e6
  case 7: 1e7
  case 8: 1e8
  case 9: 1e9
  case 10: 1e10
  case 11: 1e11
  case 12: 1e12
  case 13: 1e13
  case 14: 1e14
  case 15: 1e15
  case 16: 1e16
  case 17: 1e17
  case 18: 1e18
  case 19: 1e19
  case 20: 1e20
  case 21: 1e21
  default: 1e22
  }
}
