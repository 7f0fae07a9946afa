// A decoded field, and the checks of its bytes, eight at a time: nearly all names are lower-case
// letters and hyphens, nearly all values visible ASCII. What is not is looked at byte by byte.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// A decoded field. Valid until the next one is decoded.
struct FieldBytes {
  let name: UnsafePointer<UInt8>
  let nameCount: Int
  let value: UnsafePointer<UInt8>
  let valueCount: Int

  @inline(__always)
  init(
    name: UnsafePointer<UInt8>, _ nameCount: Int, value: UnsafePointer<UInt8>, _ valueCount: Int
  ) {
    (self.name, self.nameCount) = (name, nameCount)
    (self.value, self.valueCount) = (value, valueCount)
  }

  @inline(__always) func isNamed(_ word: StaticString) -> Bool {
    isWord(name, 0, nameCount, word)
  }

  /// A token without upper-case letters (RFC 9113 §8.2.1).
  @inline(__always) var isNameRight: Bool {
    guard nameCount > 0 else { return false }
    var offset = 0
    while offset &+ 8 <= nameCount {
      guard Words.isLower(Words.load(name + offset)) else { return isNameOdd }
      offset &+= 8
    }
    if offset == nameCount { return true }
    return Words.isLower(Words.last(name, nameCount)) || isNameOdd
  }

  /// The same, byte by byte.
  @inline(never) private var isNameOdd: Bool {
    for index in 0..<nameCount {
      let byte = name[index]
      if !ByteClasses.isToken(byte) || byte >= 0x41 && byte <= 0x5A { return false }
    }
    return true
  }

  /// No control but HTAB, and no white space at either end (RFC 9113 §8.2.1).
  @inline(__always) var isValueRight: Bool {
    guard valueCount > 0 else { return true }
    guard !Words.isBlank(value[0]), !Words.isBlank(value[valueCount &- 1]) else { return false }
    var offset = 0
    while offset &+ 8 <= valueCount {
      guard Words.hasNoControl(Words.load(value + offset)) else { return isValueOdd }
      offset &+= 8
    }
    if offset == valueCount { return true }
    return Words.hasNoControl(Words.last(value, valueCount)) || isValueOdd
  }

  @inline(never) private var isValueOdd: Bool {
    for index in 0..<valueCount {
      let byte = value[index]
      if byte < 0x20 && byte != 0x09 || byte == 0x7F { return false }
    }
    return true
  }
}

/// Eight bytes as a number.
enum Words {
  private static let ones: UInt64 = 0x0101_0101_0101_0101
  private static let highs: UInt64 = 0x8080_8080_8080_8080

  @inline(__always) static func load(_ bytes: UnsafePointer<UInt8>) -> UInt64 {
    UnsafeRawPointer(bytes).loadUnaligned(as: UInt64.self)
  }

  /// The last bytes, eight of them or all; where there are less than eight, some stand twice.
  /// Requires: count > 0.
  @inline(__always)
  static func last(_ bytes: UnsafePointer<UInt8>, _ count: Int) -> UInt64 {
    if count >= 8 { return load(bytes + (count &- 8)) }
    if count >= 4 {
      let raw = UnsafeRawPointer(bytes)
      let low = raw.loadUnaligned(as: UInt32.self)
      let high = raw.loadUnaligned(fromByteOffset: count &- 4, as: UInt32.self)
      return UInt64(low) | UInt64(high) << 32
    }
    let few =
      UInt64(bytes[0]) | UInt64(bytes[count &>> 1]) << 8 | UInt64(bytes[count &- 1]) << 16
    return few | few << 32 | UInt64(bytes[0]) << 24 | UInt64(bytes[0]) << 56
  }

  /// Whether all bytes are lower-case letters or hyphens. With the high bit out of the way no sum
  /// carries into the next byte.
  @inline(__always) static func isLower(_ word: UInt64) -> Bool {
    let low = word & ~highs
    let isLetter = (low &+ ones &* 0x1F) & ~(low &+ ones &* 0x05)
    let isOther = (low ^ ones &* 0x2D) &+ ones &* 0x7F
    return (~isLetter & isOther | word) & highs == 0
  }

  /// Whether no byte is below SP, or DEL (Mycroft's trick).
  @inline(__always) static func hasNoControl(_ word: UInt64) -> Bool {
    let below20 = (word &- ones &* 0x20) & ~word
    let seven = word ^ (ones &* 0x7F)
    let is7F = (seven &- ones) & ~seven
    return (below20 | is7F) & highs == 0
  }

  @inline(__always) static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

  /// Copies a token in lower case.
  @inline(__always)
  static func copyLower(
    _ source: UnsafePointer<UInt8>, _ count: Int, to target: UnsafeMutablePointer<UInt8>
  ) {
    guard count >= 8 else {
      for index in 0..<count { target[index] = ASCII.lowercased(source[index]) }
      return
    }
    var offset = 0
    while offset < count {
      // The last eight bytes overlap those before them.
      let start = min(offset, count &- 8)
      UnsafeMutableRawPointer(target + start).storeBytes(
        of: lower(load(source + start)), as: UInt64.self)
      offset &+= 8
    }
  }

  /// Requires: ASCII.
  @inline(__always) private static func lower(_ word: UInt64) -> UInt64 {
    let isUpper = (word &+ ones &* 0x3F) & ~(word &+ ones &* 0x25) & highs
    return word | isUpper &>> 2
  }
}
