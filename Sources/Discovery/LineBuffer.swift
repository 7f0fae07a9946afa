// Bytes of a stream, cut into lines. A stream is one JSON object a line (etcd, Kubernetes).

struct LineBuffer: Sendable {
  /// A longer line is an error.
  static var byteCountMax: Int { 4 << 20 }
  private var bytes: [UInt8] = []
  /// Whether anything has come since `clear`.
  private(set) var isStarted = false

  mutating func clear() {
    bytes = []
    isStarted = false
  }

  /// Takes bytes and returns the lines that are complete with them, without empty ones.
  mutating func take(_ part: [UInt8]) throws(SourceFailure) -> [[UInt8]] {
    isStarted = true
    bytes += part
    var lines: [[UInt8]] = []
    var start = 0
    while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
      if end > start { lines.append(Array(bytes[start..<end])) }
      start = end + 1
    }
    if start > 0 { bytes.removeSubrange(..<start) }
    guard bytes.count <= Self.byteCountMax else {
      bytes = []
      throw SourceFailure(.tooLarge, "a line of more than \(Self.byteCountMax) bytes")
    }
    return lines
  }
}
