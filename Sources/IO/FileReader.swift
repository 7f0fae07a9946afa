// Reads whole small files: configuration, and the pages of /proc.
import CSystem

public enum FileReader {
  /// The bytes of a file, at most `byteCountMax`; nil beyond that. Errors: open(2)'s and read(2)'s.
  public static func read(_ path: String, byteCountMax: Int) throws(IOError) -> [UInt8]? {
    let opened = sy_open(path, O_RDONLY)
    guard opened >= 0 else { throw IOError("open", -opened) }
    let fd = Int32(opened)
    defer { sy_close(fd) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = sy_read(fd, &chunk, chunk.count)
      guard count >= 0 else { throw IOError("read", -count) }
      if count == 0 { return bytes }
      bytes += chunk[..<count]
      if bytes.count > byteCountMax { return nil }
    }
  }
}
