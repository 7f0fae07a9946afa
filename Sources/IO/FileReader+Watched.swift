// Files that are watched for changes, and that may hold keys: the content with the stamp that it
// had before it was read, so that a change while it was read is noticed later.
import CSystem
import Glibc

extension FileReader {
  /// A regular file as it was read.
  public struct Content: Sendable {
    public var bytes: [UInt8]
    /// Taken before the first byte was read.
    public let stamp: FileStamp
    /// Every user of the machine may read the file.
    public let isReadableByOthers: Bool
  }

  /// The content of a regular file; nil: it has more than `byteCountMax` bytes. No copy of the
  /// bytes is left behind. Errors: those of open(2), stat(2) and read(2); ESPIPE for what is no
  /// regular file.
  public static func content(
    _ path: String, byteCountMax: Int
  ) throws(IOError) -> Content? {
    let opened = sy_open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
    guard opened >= 0 else { throw IOError("open", -opened) }
    let fd = Int32(opened)
    defer { sy_close(fd) }
    var parts: [Int64] = [0, 0, 0, 0, 0]
    let mode = sy_fstamp(fd, &parts)
    guard mode >= 0 else { throw IOError("stat", -mode) }
    let stamp = FileStamp(parts)
    guard stamp.byteCount <= Int64(byteCountMax) else { return nil }
    var failure: IOError?
    // One byte more: a file that grows is seen as too large, or changes its stamp.
    let bytes = [UInt8](unsafeUninitializedCapacity: Int(stamp.byteCount) + 1) { room, count in
      while count < room.count {
        let received = sy_read(fd, room.baseAddress.map { $0 + count }, room.count - count)
        if received < 0 { failure = IOError("read", -received) }
        if received <= 0 { break }
        count += received
      }
    }
    if let failure { throw failure }
    guard bytes.count <= byteCountMax else { return nil }
    return Content(bytes: bytes, stamp: stamp, isReadableByOthers: mode & 0o004 != 0)
  }

  /// The names of the entries of a directory, sorted by their bytes; nil: there are more than
  /// `countMax`. Errors: those of opendir(3).
  public static func names(
    inDirectory path: String, countMax: Int
  ) throws(IOError) -> [String]? {
    struct Found {
      var names: [String] = []
      var countMax: Int
    }
    var found = Found(countMax: countMax)
    let result = withUnsafeMutablePointer(to: &found) { owner in
      sy_each_entry(path, owner) { owner, name in
        guard let found = owner?.assumingMemoryBound(to: Found.self), let name else { return 0 }
        found.pointee.names.append(String(cString: name))
        return found.pointee.names.count <= found.pointee.countMax ? 1 : 0
      }
    }
    guard result >= 0 else { throw IOError("opendir", -result) }
    guard found.names.count <= countMax else { return nil }
    return found.names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}

extension FileReader {
  /// The paths that match a pattern of the shell (glob(7)), sorted by their bytes; nil: there are
  /// more than `countMax`. A pattern without wildcards matches the path itself, if it exists.
  /// Errors: those of glob(3) for folders that cannot be read.
  public static func paths(
    matching pattern: String, countMax: Int
  ) throws(IOError) -> [String]? {
    var found = glob_t()
    defer { globfree(&found) }
    let code = glob(pattern, GLOB_NOSORT | GLOB_ERR, nil, &found)
    if code == GLOB_NOMATCH { return [] }
    guard code == 0 else { throw IOError("glob", Int(code == GLOB_NOSPACE ? ENOMEM : EIO)) }
    guard found.gl_pathc <= countMax else { return nil }
    let paths = (0..<Int(found.gl_pathc)).compactMap { index in
      found.gl_pathv[index].map { String(cString: $0) }
    }
    return paths.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}

extension [UInt8] {
  /// Overwrites the bytes with zeros, where no other array shares them.
  public mutating func wipe() {
    withUnsafeMutableBytes { sy_wipe($0.baseAddress, $0.count) }
  }
}
