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

  /// Whether a path names a regular file, which is read without waiting for anybody, and whether
  /// every user of the machine may read it. Errors: stat(2)'s.
  public static func nature(
    _ path: String
  ) throws(IOError) -> (isRegular: Bool, isReadableByOthers: Bool) {
    var isRegular: Int32 = 0
    let mode = sy_mode(path, &isRegular)
    guard mode >= 0 else { throw IOError("stat", -mode) }
    return (isRegular != 0, mode & 0o004 != 0)
  }
}
