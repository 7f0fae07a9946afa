// Reads secrets from files and the environment: tokens of the admin API, values of header fields,
// credentials for servers that steelyard asks.
import CSystem
package import Fleet
import IO
package import Primitives

/// Reads a secret once; nothing is kept.
package enum TokenReader {
  /// What is wrong with a token's source, and what to do about it.
  package struct Failure: Error, Equatable {
    /// The source does not exist or cannot be read.
    package var isMissing = false
    /// What is wrong, and what to do.
    package let message: String
  }

  /// A token, and whether every user of the machine may read its file.
  package struct Found {
    /// The secret.
    package let token: Secret
    /// Every user of the machine may read the file.
    package var isReadableByOthers = false
  }

  private static let advice =
    "a token is 16 to 4096 visible ASCII characters on one line; make one with "
    + "`openssl rand -hex 32`"

  /// A token of Kubernetes has about 1,500 bytes.
  private static let credentialMax = 16_384
  private static let credentialAdvice = "a token is visible ASCII characters on one line"

  private static let fieldAdvice =
    "the value of a header field is 1 to 1024 visible ASCII characters on one line"

  /// The token of a source.
  package static func read(_ source: TokenSource) throws(Failure) -> Found {
    switch source {
    case .environment(let name):
      guard let token = Secret(try value(of: name, advice).utf8) else {
        throw Failure(message: "the environment variable \(name) holds no token: \(advice)")
      }
      return Found(token: token)
    case .file(let path):
      let (bytes, isReadableByOthers) = try read(
        path, byteCountMax: Secret.byteCountRange.upperBound, "token", advice)
      guard let token = Secret(bytes) else {
        throw Failure(message: "the token file \(path) holds no token: \(advice)")
      }
      return Found(token: token, isReadableByOthers: isReadableByOthers)
    }
  }

  /// The value of a header field, and whether every user of the machine may read its file.
  package static func fieldValue(
    _ source: TokenSource
  ) throws(Failure) -> (value: String, isReadableByOthers: Bool) {
    switch source {
    case .environment(let name):
      let text = try value(of: name, fieldAdvice)
      guard HealthPolicy.Field.isValue(text.utf8) else {
        throw Failure(message: "the environment variable \(name) holds no value: \(fieldAdvice)")
      }
      return (text, false)
    case .file(let path):
      let (bytes, isReadableByOthers) = try read(path, byteCountMax: 1_024, "value", fieldAdvice)
      guard HealthPolicy.Field.isValue(bytes) else {
        throw Failure(message: "the file \(path) holds no value: \(fieldAdvice)")
      }
      return (String(decoding: bytes, as: UTF8.self), isReadableByOthers)
    }
  }

  /// What a server that steelyard asks wants to know it by, such as a token of Kubernetes.
  package static func credential(_ source: TokenSource) throws(Failure) -> String {
    let (text, place): (ArraySlice<UInt8>, String)
    switch source {
    case .environment(let name):
      text = Array(try value(of: name, credentialAdvice).utf8)[...]
      place = "the environment variable \(name)"
    case .file(let path):
      text = try read(path, byteCountMax: credentialMax, "token", credentialAdvice).0
      place = "the file \(path)"
    }
    guard (1...credentialMax).contains(text.count), text.allSatisfy(Secret.isVisible) else {
      throw Failure(message: "\(place) holds no token: \(credentialAdvice)")
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func value(of name: String, _ advice: String) throws(Failure) -> String {
    guard let text = environment(name) else {
      throw Failure(
        isMissing: true, message: "the environment variable \(name) is not set: \(advice)")
    }
    return text
  }

  /// The value of an environment variable.
  package static func environment(_ name: String) -> String? {
    getenv(name).map { String(cString: $0) }
  }

  private static func read(
    _ path: String, byteCountMax: Int, _ what: String, _ advice: String
  ) throws(Failure) -> (ArraySlice<UInt8>, isReadableByOthers: Bool) {
    let nature: (isRegular: Bool, isReadableByOthers: Bool)
    let bytes: [UInt8]?
    do throws(IOError) {
      nature = try FileReader.nature(path)
      // Reading a FIFO would wait for its writer.
      bytes =
        nature.isRegular ? try FileReader.read(path, byteCountMax: byteCountMax + 2) : nil
    } catch {
      let help =
        error.isAccessDenied ? "the user that steelyard runs as has to be able to read it" : advice
      throw Failure(
        isMissing: true, message: "cannot read the \(what) file \(path): \(error.reason): \(help)")
    }
    guard let bytes else {
      throw Failure(message: "the \(what) file \(path) is no regular file")
    }
    return (withoutNewline(bytes), nature.isReadableByOthers)
  }

  /// One line break at the end does not count.
  private static func withoutNewline(_ bytes: [UInt8]) -> ArraySlice<UInt8> {
    var rest = bytes[...]
    if rest.last == 0x0A {
      rest.removeLast()
      if rest.last == 0x0D { rest.removeLast() }
    }
    return rest
  }
}
