// Content in the gzip coding, piece by piece, so that a long answer need not be compressed at once.
// Source: RFC 9110 §8.4.1.3, RFC 1952; zlib does the work.
import CZlib

/// A compressor for one content. It must stay on one thread.
final class GzipStream {
  /// The fastest level: metrics pages are so repetitive that more effort gains little.
  private static let level: Int32 = 1
  private static let roomByteCount = 65_536

  // zlib keeps the address.
  private let stream: UnsafeMutablePointer<z_stream>
  private var isEnded = false

  /// nil: there is no memory for it (about 270 KB).
  init?() {
    stream = .allocate(capacity: 1)
    stream.initialize(to: z_stream())
    guard sy_gzip_begin(stream, Self.level) == Z_OK else {
      stream.deallocate()
      return nil
    }
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
  }

  /// Compresses `bytes` and appends the output, which may be empty before the last piece. Requires:
  /// nothing follows the last piece.
  func append(_ bytes: UnsafeRawBufferPointer, isLast: Bool, to out: inout [UInt8]) {
    precondition(!isEnded, "nothing follows the last piece")
    isEnded = isLast
    // zlib does not write to its input.
    let input = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
    stream.pointee.next_in = input?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_in = UInt32(bytes.count)
    let capacity = Self.roomByteCount
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: capacity) { room in
      repeat {
        stream.pointee.next_out = room.baseAddress
        stream.pointee.avail_out = UInt32(capacity)
        // Fails only if it is called wrongly.
        let status = deflate(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
        precondition(status != Z_STREAM_ERROR, "the stream is broken")
        let count = capacity - Int(stream.pointee.avail_out)
        out.append(contentsOf: UnsafeBufferPointer(rebasing: room[..<count]))
      } while stream.pointee.avail_out == 0
    }
  }
}
