// What tells one content of a file from another without reading it. A link is followed, so that a
// link that is turned to another file (as Kubernetes replaces secrets) is a change.
import CSystem

/// The identity of a file's content at one moment.
public struct FileStamp: Sendable, Hashable {
  let device: Int64
  let inode: Int64
  let byteCount: Int64
  /// Nanoseconds since 1970: the last change of the content, and of the inode.
  let modifiedAt: Int64
  let changedAt: Int64

  /// The stamp of the regular file that `path` leads to. Errors: those of stat(2); ESPIPE for what
  /// is no regular file.
  public init(_ path: String) throws(IOError) {
    var parts: [Int64] = [0, 0, 0, 0, 0]
    let mode = sy_stamp(path, &parts)
    guard mode >= 0 else { throw IOError("stat", -mode) }
    self.init(parts)
  }

  init(_ parts: [Int64]) {
    device = parts[0]
    inode = parts[1]
    byteCount = parts[2]
    modifiedAt = parts[3]
    changedAt = parts[4]
  }
}
