// Writes and makes whole files: the output of commands.
import CSystem

public enum FileWriter {
  /// Replaces the file's content, or creates the file. Errors: those of open(2) and write(2); bytes
  /// written before an error remain.
  public static func write(_ bytes: [UInt8], to path: String) throws(IOError) {
    let opened = sy_create(path)
    guard opened >= 0 else { throw IOError("open", -opened) }
    try write(bytes, Int32(opened))
  }

  /// Makes a file that is not there yet, and writes it. `mode`: who may do what with it, as for
  /// chmod(2), less the process's mask. Errors: those of open(2), EEXIST above all, and write(2).
  public static func create(_ bytes: [UInt8], at path: String, mode: UInt32) throws(IOError) {
    let opened = sy_create_new(path, mode)
    guard opened >= 0 else { throw IOError("open", -opened) }
    try write(bytes, Int32(opened))
  }

  /// Puts a whole file in place of the one at the path: it has the old content or the new one,
  /// whenever the machine stops. `mode` as in `create`. Errors: those of open(2), write(2),
  /// fsync(2) and rename(2).
  public static func replace(_ bytes: [UInt8], at path: String, mode: UInt32) throws(IOError) {
    let next = "\(path).new"
    // One that was left behind is of no use.
    if isTaken(next) { try remove(next) }
    try create(bytes, at: next, mode: mode)
    let synced = sy_sync_file(next)
    guard synced >= 0 else { throw IOError("fsync", -synced) }
    let renamed = sy_rename(next, path)
    guard renamed >= 0 else { throw IOError("rename", -renamed) }
  }

  /// Whether there is something at the path, a broken symbolic link too.
  public static func isTaken(_ path: String) -> Bool { sy_exists(path) != 0 }

  /// Removes the file, or the symbolic link. Errors: those of unlink(2).
  public static func remove(_ path: String) throws(IOError) {
    let result = sy_unlink(path)
    guard result >= 0 else { throw IOError("unlink", -result) }
  }

  /// Makes a directory unless there is one. Errors: those of mkdir(2).
  public static func makeDirectory(_ path: String) throws(IOError) {
    let result = sy_make_directory(path)
    guard result >= 0 || -result == Int(EEXIST) else { throw IOError("mkdir", -result) }
  }

  /// The absolute path without symbolic links; nil: there is nothing at the path.
  public static func realPath(_ path: String) -> String? {
    guard let real = sy_real_path(path) else { return nil }
    defer { free(real) }
    return String(cString: real)
  }

  private static func write(_ bytes: [UInt8], _ fd: Int32) throws(IOError) {
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
