// The bytes of a configuration file: the starts of its lines, and libyaml's positions as byte
// offsets. Lines end at LF, CR LF or CR, as in editors (YAML 1.1 also ends them at U+0085 and
// U+2028).

/// The bytes of one file, without a byte order mark.
struct SourceText {
  let bytes: [UInt8]
  /// Byte offsets, ascending; the first is 0.
  private let lineStarts: [Int]
  /// The byte offset of every 64th Unicode scalar; empty if all bytes are ASCII.
  private let checkpoints: [Int]
  private static let stride = 64

  init(_ file: [UInt8]) {
    let hasMark = file.starts(with: [0xEF, 0xBB, 0xBF])
    let bytes = hasMark ? Array(file.dropFirst(3)) : file
    var lineStarts = [0]
    var isASCII = true
    bytes.withUnsafeBufferPointer { bytes in
      for index in bytes.indices {
        let byte = bytes[index]
        if byte >= 0x80 { isASCII = false }
        let isEnd =
          byte == 0x0A || byte == 0x0D && !(bytes.count > index + 1 && bytes[index + 1] == 0x0A)
        if isEnd { lineStarts.append(index + 1) }
      }
    }
    self.bytes = bytes
    self.lineStarts = lineStarts
    checkpoints = isASCII ? [] : Self.checkpoints(of: bytes)
  }

  // The first is 0 even if the text begins with a continuation byte.
  private static func checkpoints(of bytes: [UInt8]) -> [Int] {
    var checkpoints: [Int] = []
    var count = 0
    for (offset, byte) in bytes.enumerated() where offset == 0 || byte & 0xC0 != 0x80 {
      if count % stride == 0 { checkpoints.append(offset) }
      count += 1
    }
    return checkpoints
  }

  /// The byte offset of the Unicode scalar with that index; the end of the text for one past the
  /// last.
  func offset(ofScalar index: Int) -> Int {
    if checkpoints.isEmpty { return min(index, bytes.count) }
    let checkpoint = index / Self.stride
    guard checkpoint < checkpoints.count else { return bytes.count }
    var offset = checkpoints[checkpoint]
    var left = index % Self.stride
    while left > 0, offset < bytes.count {
      offset += 1
      while offset < bytes.count, bytes[offset] & 0xC0 == 0x80 { offset += 1 }
      left -= 1
    }
    return offset
  }

  /// Line and column of a byte offset, both counted from 1, the column in Unicode scalars.
  func position(of offset: Int) -> (line: Int, column: Int) {
    let index = lineIndex(of: offset)
    return (index + 1, scalarIndex(of: offset) - scalarIndex(of: lineStarts[index]) + 1)
  }

  /// The line at the offset, without its end; bytes that are not UTF-8 become U+FFFD.
  func line(at offset: Int) -> String {
    let index = lineIndex(of: offset)
    var end = index + 1 < lineStarts.count ? lineStarts[index + 1] : bytes.count
    while end > lineStarts[index], bytes[end - 1] == 0x0A || bytes[end - 1] == 0x0D { end -= 1 }
    return String(decoding: bytes[lineStarts[index]..<end], as: UTF8.self)
  }

  /// The line with that number, counted from 1, as in `line(at:)`; nil: there is none. If it is
  /// longer than `bytesMax`, only its beginning.
  func line(_ number: Int, bytesMax: Int) -> String? {
    let index = number - 1
    guard lineStarts.indices.contains(index) else { return nil }
    let end = index + 1 < lineStarts.count ? lineStarts[index + 1] : bytes.count
    guard end - lineStarts[index] > bytesMax else { return line(at: lineStarts[index]) }
    let start = lineStarts[index]
    return String(decoding: bytes[start..<(start + bytesMax)], as: UTF8.self)
  }

  /// The offset of the first byte that is not well-formed UTF-8; nil: all bytes are.
  var invalidOffset: Int? {
    if checkpoints.isEmpty { return nil }
    if String(validating: bytes, as: UTF8.self) != nil { return nil }
    var decoder = UTF8()
    var iterator = bytes.makeIterator()
    var offset = 0
    while case .scalarValue(let scalar) = decoder.decode(&iterator) {
      offset += UTF8.width(scalar)
    }
    return offset
  }

  // The number of Unicode scalars before the offset.
  private func scalarIndex(of offset: Int) -> Int {
    let end = min(offset, bytes.count)
    if checkpoints.isEmpty { return end }
    let checkpoint = Self.lastIndex(in: checkpoints, notAfter: end)
    let rest = bytes[checkpoints[checkpoint]..<end].count { $0 & 0xC0 != 0x80 }
    return checkpoint * Self.stride + rest
  }

  private func lineIndex(of offset: Int) -> Int { Self.lastIndex(in: lineStarts, notAfter: offset) }

  // Requires: ascending, the first not after the offset (else 0).
  private static func lastIndex(in starts: [Int], notAfter offset: Int) -> Int {
    var low = 0
    var high = starts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= offset { low = middle } else { high = middle }
    }
    return low
  }
}
