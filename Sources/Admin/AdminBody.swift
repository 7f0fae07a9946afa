// The content of one answer that is sent piece by piece, compressed as it goes where the client
// wants that: the loop's other connections have their turn between two pieces.
import HTTP

final class AdminBody {
  /// Content above this goes piece by piece; a piece takes so many bytes of it.
  static let pieceByteCount = 128 << 10
  /// Content up to this is not worth compressing.
  static let plainByteCount = 1_024

  private let content: [UInt8]
  private let gzip: GzipStream?
  private let isChunked: Bool
  /// The connection ends with it.
  let closes: Bool
  private var offset = 0

  /// What the content holds in memory until it is sent.
  var byteCount: Int { content.count }
  var isDone: Bool { offset == content.count }

  /// `isChunked`: in the chunked coding, as its length is not known before its end.
  init(_ content: [UInt8], gzip: GzipStream?, isChunked: Bool, closes: Bool) {
    self.content = content
    self.gzip = gzip
    self.isChunked = isChunked
    self.closes = closes
  }

  /// The next bytes to send, which may be none before the last piece. Requires: it is not done.
  func next() -> [UInt8] {
    let end = min(content.count, offset + Self.pieceByteCount)
    let isLast = end == content.count
    var piece: [UInt8] = []
    content.withUnsafeBytes { bytes in
      let part = UnsafeRawBufferPointer(rebasing: bytes[offset..<end])
      if let gzip {
        gzip.append(part, isLast: isLast, to: &piece)
      } else {
        piece.append(contentsOf: part)
      }
    }
    offset = end
    guard isChunked else { return piece }
    // RFC 9112 §7.1; a chunk of no bytes would be the end.
    var chunk: [UInt8] = []
    if !piece.isEmpty {
      chunk = Array("\(String(piece.count, radix: 16))\r\n".utf8) + piece + [0x0D, 0x0A]
    }
    if isLast { chunk += Array("0\r\n\r\n".utf8) }
    return chunk
  }

  /// All of a content at once, compressed; nil where there is no memory for it.
  static func compressed(_ content: [UInt8]) -> [UInt8]? {
    guard let gzip = GzipStream() else { return nil }
    var result: [UInt8] = []
    content.withUnsafeBytes { gzip.append($0, isLast: true, to: &result) }
    return result
  }
}
