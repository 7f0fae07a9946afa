// Reads whole small files: configuration, tokens, and files of /proc. Never waits for a writer
// unless the caller gives a limit: a FIFO, a terminal or a device must not block a thread.
import CSystem
public import Primitives

public enum FileReader {
  /// The bytes of a file, at most `byteCountMax`; nil: it is larger. A file that is not regular (a
  /// pipe, a terminal, a device) is read for at most `timeout`, until its end. Errors: those of
  /// open(2) and read(2); ESPIPE for a file that is not regular if `timeout` is zero; ETIMEDOUT if
  /// its end did not come in time.
  public static func read(
    _ path: String, byteCountMax: Int, timeout: Nanoseconds = .zero
  ) throws(IOError) -> [UInt8]? {
    let opened = sy_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
    guard opened >= 0 else { throw IOError("open", -opened) }
    let fd = Int32(opened)
    defer { sy_close(fd) }
    var isRegular: Int32 = 0
    let size = sy_fstat_size(fd, &isRegular)
    guard size >= 0 else { throw IOError("stat", -size) }
    guard isRegular != 0 || timeout > .zero else { throw IOError("read", Int(ESPIPE)) }
    let deadline = Clock.now + timeout
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = sy_read(fd, &chunk, chunk.count)
      if count == -Int(EAGAIN), isRegular == 0 {
        let left = Int32(clamping: Int((deadline - Clock.now).seconds * 1_000))
        guard left > 0, sy_poll(fd, 0, left) != 0 else { throw IOError("read", Int(ETIMEDOUT)) }
        continue
      }
      guard count >= 0 else { throw IOError("read", -count) }
      if count == 0 { return bytes }
      bytes += chunk[..<count]
      if bytes.count > byteCountMax { return nil }
    }
  }

  /// Whether the path names a regular file that this process may execute.
  public static func isProgram(_ path: String) -> Bool { sy_is_program(path) != 0 }

  /// Whether the path names a regular file, which can be read without waiting, and whether every
  /// user of the machine may read it. Errors: those of stat(2).
  public static func nature(
    _ path: String
  ) throws(IOError) -> (isRegular: Bool, isReadableByOthers: Bool) {
    var isRegular: Int32 = 0
    let mode = sy_mode(path, &isRegular)
    guard mode >= 0 else { throw IOError("stat", -mode) }
    return (isRegular != 0, mode & 0o004 != 0)
  }
}
