// Lines on standard input, which may come in any pieces.
import CSystem

struct OrderSource {
  private static let lineMax = 4_096
  private var bytes: [UInt8] = []
  private var lines: [String] = []
  /// Whoever gave orders is gone.
  private(set) var isEnded = false

  /// Reads what is there. False when that was the end.
  mutating func read() -> Bool {
    var chunk = [UInt8](repeating: 0, count: Self.lineMax)
    let count = sy_read(0, &chunk, chunk.count)
    guard count > 0 else {
      end()
      return false
    }
    take(chunk[..<count])
    return true
  }

  mutating func readAll() { while read() {} }

  /// The next order; nil when there is none yet.
  mutating func next() -> String? { lines.isEmpty ? nil : lines.removeFirst() }

  mutating func take(_ piece: ArraySlice<UInt8>) {
    for byte in piece {
      if byte != 0x0A {
        // What is too long is cut, and is no order then.
        if bytes.count < Self.lineMax { bytes.append(byte) }
        continue
      }
      finishLine()
    }
  }

  private mutating func end() {
    finishLine()
    isEnded = true
  }

  private mutating func finishLine() {
    let line = String(decoding: bytes, as: UTF8.self)
    bytes.removeAll(keepingCapacity: true)
    if line.contains(where: { $0 != " " }) { lines.append(line) }
  }
}
