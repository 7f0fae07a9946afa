// Byte classes of a metrics page, and the scan to the end of a quoted text. The classes are bit
// sets in constants, since a table in a global would be initialised lazily.
// HOT PATH: no allocation, no lock, no existential, no clock.

enum ByteClass {
  static let quote = UInt8(ascii: "\"")
  static let backslash = UInt8(ascii: "\\")

  /// `[a-zA-Z_:]`, the first byte of a metric name.
  @inline(__always) static func isNameStart(_ byte: UInt8) -> Bool {
    isLabelStart(byte) || byte == UInt8(ascii: ":")
  }

  /// `[a-zA-Z0-9_:]`, a byte of a metric name.
  @inline(__always) static func isName(_ byte: UInt8) -> Bool {
    let set: UInt64 = byte < 64 ? 0x07FF_0000_0000_0000 : 0x07FF_FFFE_87FF_FFFE
    return byte < 128 && (set &>> UInt64(byte)) & 1 != 0
  }

  /// `[a-zA-Z_]`, the first byte of a label name.
  @inline(__always) static func isLabelStart(_ byte: UInt8) -> Bool {
    (byte | 0x20) &- UInt8(ascii: "a") < 26 || byte == UInt8(ascii: "_")
  }

  /// `[a-zA-Z0-9_]`, a byte of a label name.
  @inline(__always) static func isLabel(_ byte: UInt8) -> Bool {
    isName(byte) && byte != UInt8(ascii: ":")
  }

  /// A space or a tab, which separate tokens within a line.
  @inline(__always) static func isBlank(_ byte: UInt8) -> Bool {
    byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t")
  }

  @inline(__always) static func isDigit(_ byte: UInt8) -> Bool {
    byte &- UInt8(ascii: "0") < 10
  }
}

/// A position on the page.
typealias Position = UnsafePointer<UInt8>

/// The first byte at or after `position` that is not blank, or `end`.
@inline(__always) func skipBlanks(_ position: Position, _ end: Position) -> Position {
  var position = position
  while position < end, ByteClass.isBlank(position.pointee) { position += 1 }
  return position
}

/// The result of scanning a quoted text.
struct QuotedScan {
  /// The closing quote, or the end of the line if there is none.
  var end: Position
  var hasEscapes: Bool
  var hasNonASCII: Bool
}

/// Finds the closing quote of the text that begins at `start` (after its opening quote), eight
/// bytes at a time. A backslash escapes the byte after it.
@inline(__always) func scanQuoted(_ start: Position, _ end: Position) -> QuotedScan {
  let ones: UInt64 = 0x0101_0101_0101_0101
  let highs: UInt64 = 0x8080_8080_8080_8080
  let quotes: UInt64 = ones &* 0x22
  let backslashes: UInt64 = ones &* 0x5C
  var position = start
  var escapes = false
  var nonASCII: UInt64 = 0
  while true {
    while end - position >= 8 {
      let raw = UnsafeRawPointer(position).loadUnaligned(as: UInt64.self)
      let word = UInt64(littleEndian: raw)
      let a = word ^ quotes
      let b = word ^ backslashes
      let stops = (((a &- ones) & ~a) | ((b &- ones) & ~b)) & highs
      if stops == 0 {
        nonASCII |= word & highs
        position += 8
        continue
      }
      let index = stops.trailingZeroBitCount >> 3
      nonASCII |= word & highs & ((1 &<< UInt64(index &* 8)) &- 1)
      position += index
      break
    }
    while position < end, position.pointee != ByteClass.quote,
      position.pointee != ByteClass.backslash
    {
      nonASCII |= UInt64(position.pointee & 0x80)
      position += 1
    }
    guard position < end, position.pointee == ByteClass.backslash else { break }
    escapes = true
    guard end - position >= 2 else {
      position = end
      break
    }
    nonASCII |= UInt64(position[1] & 0x80)
    position += 2
  }
  return QuotedScan(end: position, hasEscapes: escapes, hasNonASCII: nonASCII != 0)
}

/// Whether the bytes are well-formed UTF-8.
func isUTF8(_ start: Position, _ end: Position) -> Bool {
  let span = Span(_unsafeStart: start, count: end - start)
  do {
    _ = try UTF8Span(validating: span)
    return true
  } catch {
    return false
  }
}
