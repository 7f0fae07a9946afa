// The files of one load: each is read once, however many descriptions name it, and what was read is
// overwritten with zeros afterwards. Errors name the file and what to do.
import Fleet
import IO

/// Reads files for the contexts of one load.
final class CredentialFiles {
  /// The longest file, bytes.
  static let byteCountMax = 1 << 20

  private final class File {
    var content: FileReader.Content
    init(_ content: FileReader.Content) { self.content = content }
  }

  private var files: [String: File] = [:]
  /// Files with secrets that every user of the machine may read.
  private(set) var exposedKeys: [String] = []

  /// The bytes of a file. `what` is what it has to hold, like "certificate".
  func bytes(_ path: String, _ what: String) throws(TLSError) -> [UInt8] {
    if let file = files[path] { return file.content.bytes }
    let content: FileReader.Content?
    do throws(IOError) {
      content = try FileReader.content(path, byteCountMax: Self.byteCountMax)
    } catch {
      throw TLSError(path, what, error)
    }
    guard let content else {
      throw TLSError("the \(what) file \(path) is larger than 1 MiB")
    }
    files[path] = File(content)
    return content.bytes
  }

  /// The same for a file of which only steelyard should know the content.
  func secret(_ path: String, _ what: String) throws(TLSError) -> [UInt8] {
    let bytes = try bytes(path, what)
    if files[path]?.content.isReadableByOthers == true, !exposedKeys.contains(path) {
      exposedKeys.append(path)
    }
    return bytes
  }

  /// A certificate with its key.
  func pair(_ files: CertificateFiles) throws(TLSError) -> CertificatePair {
    CertificatePair(
      name: files.certificate, certificate: try bytes(files.certificate, "certificate"),
      key: try secret(files.key, "key"))
  }

  /// The stamp that a file had before it was read; nil: it was not read.
  func stamp(_ path: String) -> FileStamp? { files[path]?.content.stamp }

  /// Overwrites everything that was read. Requires: nothing that was built of it holds the bytes.
  func wipe() {
    for file in files.values { file.content.bytes.wipe() }
    files = [:]
  }
}

extension TLSError {
  /// A file that cannot be read.
  init(_ path: String, _ what: String, _ error: IOError) {
    let reason = error.isNoRegularFile ? "it is no regular file" : error.reason
    let help =
      error.isAccessDenied ? ": the user that steelyard runs as has to be able to read it" : ""
    self.init("the \(what) file \(path) cannot be read: \(reason)\(help)")
  }
}
