// Reads tokens of the admin API from files and the environment.
import CSystem
import Fleet
import IO
import Primitives

enum TokenReader {
  /// What is wrong with a token's source, and what to do about it.
  struct Failure: Error, Equatable {
    /// The source is not there, or cannot be read.
    var isMissing = false
    let message: String
  }

  /// A token, and whether every user of the machine may read its file.
  struct Found {
    let token: Secret
    var isReadableByOthers = false
  }

  private static let advice =
    "a token is 16 to 4096 visible ASCII characters on one line; make one with "
    + "`openssl rand -hex 32`"

  static func read(_ source: TokenSource) throws(Failure) -> Found {
    switch source {
    case .environment(let name):
      guard let text = environment(name) else {
        throw Failure(
          isMissing: true, message: "the environment variable \(name) is not set: \(advice)")
      }
      guard let token = Secret(text.utf8) else {
        throw Failure(message: "the environment variable \(name) holds no token: \(advice)")
      }
      return Found(token: token)
    case .file(let path): return try read(path)
    }
  }

  /// The value of an environment variable.
  static func environment(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  private static func read(_ path: String) throws(Failure) -> Found {
    let nature: (isRegular: Bool, isReadableByOthers: Bool)
    let bytes: [UInt8]?
    do throws(IOError) {
      nature = try FileReader.nature(path)
      // Reading a FIFO would wait for its writer.
      bytes =
        nature.isRegular
        ? try FileReader.read(path, byteCountMax: Secret.byteCountRange.upperBound + 2) : nil
    } catch {
      let help =
        error.isAccessDenied ? "the user that steelyard runs as has to be able to read it" : advice
      throw Failure(
        isMissing: true, message: "cannot read the token file \(path): \(error.reason): \(help)")
    }
    guard let bytes, let token = Secret(withoutNewline(bytes)) else {
      throw Failure(
        message: nature.isRegular
          ? "the token file \(path) holds no token: \(advice)"
          : "the token file \(path) is no regular file")
    }
    return Found(token: token, isReadableByOthers: nature.isReadableByOthers)
  }

  /// One line end at the end does not count.
  private static func withoutNewline(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
    var rest = bytes[...]
    if rest.last == 0x0A {
      rest.removeLast()
      if rest.last == 0x0D { rest.removeLast() }
    }
    return rest
  }
}
