// The content of one long answer, sent in pieces and, if the client accepts that, compressed on the
// way. Other connections of the loop have their turn between two pieces.
import HTTP

final class AdminBody {
  /// The size of a piece; larger content is sent in pieces.
  static let pieceByteCount = 128 << 10
  /// The largest size that is not worth compressing.
  static let plainByteCount = 1_024

  private let content: [UInt8]
  private let gzip: GzipStream?
  private let isChunked: Bool
  /// The connection is closed after the content.
  var closes: Bool
  private var offset = 0

  /// The bytes of memory that the content holds until it is sent.
  var byteCount: Int { content.count }
  var isDone: Bool { offset == content.count }

  /// `isChunked`: the chunked coding is used, because the length is not known in advance.
  init(_ content: [UInt8], gzip: GzipStream?, isChunked: Bool, closes: Bool) {
    self.content = content
    self.gzip = gzip
    self.isChunked = isChunked
    self.closes = closes
  }

  /// The next bytes to send; there may be none before the last piece. Requires: the content is not
  /// finished.
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

  /// A whole content, compressed; nil: there is no memory for it.
  static func compressed(_ content: [UInt8]) -> [UInt8]? {
    guard let gzip = GzipStream() else { return nil }
    var result: [UInt8] = []
    content.withUnsafeBytes { gzip.append($0, isLast: true, to: &result) }
    return result
  }
}
