// Writes whole files: the output of commands.
import CSystem

public enum FileWriter {
  /// Replaces the file's content, or creates the file. Errors: those of open(2) and write(2); bytes
  /// written before an error remain.
  public static func write(_ bytes: [UInt8], to path: String) throws(IOError) {
    let opened = sy_create(path)
    guard opened >= 0 else { throw IOError("open", -opened) }
    let fd = Int32(opened)
    defer { sy_close(fd) }
    var written = 0
    while written < bytes.count {
      let count = bytes.withUnsafeBytes { all in
        let rest = UnsafeRawBufferPointer(rebasing: all[written...])
        return sy_write(fd, rest.baseAddress, rest.count)
      }
      guard count >= 0 else { throw IOError("write", -count) }
      written += count
    }
  }
}
