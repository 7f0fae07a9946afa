// Decodes content in the gzip coding, for servers that compress unasked.
// Source: RFC 9110 §8.4.1.3, RFC 1952; zlib does the work. The size of the decoded content is
// limited, so that small content cannot become large.
import CZlib

enum GzipContent {
  enum Failure: Error, Equatable {
    /// The decoded content exceeds the limit.
    case tooLarge
    /// The content is not complete and valid gzip.
    case malformed
  }

  private static let pieceByteCount = 65_536

  /// Whether the content begins like gzip (RFC 1952 §2.3.1).
  static func isGzip(_ content: [UInt8]) -> Bool { content.starts(with: [0x1F, 0x8B]) }

  /// The decoded content, of one or more members.
  static func plain(
    _ content: [UInt8], byteCountMax: Int
  ) throws(Failure) -> [UInt8] {
    var stream = z_stream()
    guard sy_gunzip_begin(&stream) == Z_OK else { throw .malformed }
    defer { inflateEnd(&stream) }
    var plain: [UInt8] = []
    // zlib does not write to its input, but declares it writable.
    var input = content
    var piece = [UInt8](repeating: 0, count: pieceByteCount)
    let verdict = input.withUnsafeMutableBufferPointer { input -> Failure? in
      stream.next_in = input.baseAddress
      stream.avail_in = UInt32(clamping: input.count)
      while true {
        let status = piece.withUnsafeMutableBufferPointer { piece in
          stream.next_out = piece.baseAddress
          stream.avail_out = UInt32(pieceByteCount)
          return inflate(&stream, Z_NO_FLUSH)
        }
        let count = pieceByteCount - Int(stream.avail_out)
        guard count <= byteCountMax - plain.count else { return .tooLarge }
        plain += piece[..<count]
        switch status {
        case Z_OK: continue
        case Z_STREAM_END:
          if stream.avail_in == 0 { return nil }
          guard inflateReset(&stream) == Z_OK else { return .malformed }
        default: return .malformed
        }
      }
    }
    if let verdict { throw verdict }
    return plain
  }
}
