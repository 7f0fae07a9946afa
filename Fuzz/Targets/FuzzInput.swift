// An input of the targets that have choices: a byte of options, a byte that chooses splits, and the
// bytes that are parsed.
import Primitives

/// An input taken apart.
struct FuzzInput {
  let options: UInt8
  /// What is parsed; its end is the end of the memory.
  let bytes: UnsafeRawBufferPointer
  private let seed: UInt8

  init(_ data: UnsafeRawBufferPointer) {
    options = data.first ?? 0
    seed = data.count > 1 ? data[1] : 0
    bytes = UnsafeRawBufferPointer(rebasing: data[min(2, data.count)...])
  }

  /// Chance of this input.
  var random: RandomSource { RandomSource(seed: UInt64(seed)) }

  /// The input that has these bytes and options.
  static func make(_ bytes: [UInt8], options: UInt8 = 0, seed: UInt8 = 0) -> [UInt8] {
    [options, seed] + bytes
  }

  /// The pieces that the bytes come in. Seed 0: each byte alone, where there are not many.
  func pieces(_ body: (Range<Int>) throws(Finding) -> Bool) throws(Finding) {
    var random = random
    let longest = 1 + random.index(below: 80)
    let isSingle = seed == 0 && bytes.count <= 100
    var start = 0
    while start < bytes.count {
      let count = isSingle ? 1 : min(1 + random.index(below: longest), bytes.count - start)
      guard try body(start..<start + count) else { return }
      start += count
    }
  }
}

extension UnsafeRawBufferPointer {
  /// Calls `body` with a copy of some of the bytes that ends where its memory ends, so that a
  /// sanitizer sees a read behind them. `headroom` bytes before them may be written.
  func withCopy<Result>(
    of range: Range<Int>, headroom: Int = 0,
    _ body: (UnsafeMutableRawBufferPointer) throws(Finding) -> Result
  ) throws(Finding) -> Result {
    let room = UnsafeMutableRawBufferPointer.allocate(
      byteCount: headroom + range.count, alignment: 1)
    defer { room.deallocate() }
    let copy = UnsafeMutableRawBufferPointer(rebasing: room[headroom...])
    copy.copyBytes(from: self[range])
    return try body(copy)
  }

  /// Whether some of the bytes are the text, whatever the case of ASCII letters. Requires: `text`
  /// is in lower case.
  func isText(_ range: Range<Int>, _ text: StaticString) -> Bool {
    guard range.count == text.utf8CodeUnitCount else { return false }
    for (offset, index) in range.enumerated()
    where lowercased(self[index]) != text.utf8Start[offset] {
      return false
    }
    return true
  }

  /// Whether two runs of bytes are one text, whatever the case of ASCII letters.
  func isSame(_ a: Range<Int>, _ other: UnsafeRawBufferPointer, _ b: Range<Int>) -> Bool {
    guard a.count == b.count else { return false }
    for offset in 0..<a.count
    where lowercased(self[a.lowerBound + offset]) != lowercased(other[b.lowerBound + offset]) {
      return false
    }
    return true
  }

  /// The elements of a comma-separated list without blanks around them, empty ones left out.
  func elements(of list: Range<Int>) -> [Range<Int>] {
    var result: [Range<Int>] = []
    for part in self[list].split(separator: 0x2C) {
      var (start, end) = (part.startIndex, part.endIndex)
      while start < end, self[start] == 0x20 || self[start] == 0x09 { start += 1 }
      while end > start, self[end - 1] == 0x20 || self[end - 1] == 0x09 { end -= 1 }
      if start < end { result.append(start..<end) }
    }
    return result
  }
}

private func lowercased(_ byte: UInt8) -> UInt8 {
  byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
}
