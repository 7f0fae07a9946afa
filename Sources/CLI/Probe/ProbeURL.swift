// The URL of a metrics page on the command line. Nothing is resolved here.
import Fleet
import Primitives

/// `http://HOST[:PORT][/PATH]` or `https://…`; the scheme may be left out.
struct ProbeURL: Sendable, Equatable {
  /// A name or an address; IPv6 in brackets.
  var host: String
  var port: UInt16?
  /// The scheme is `https`.
  var isTLS = false
  /// The path, which begins with "/"; nil: there is none, or only "/".
  var path: String?

  /// Reads a URL. Errors: the text is not one.
  init(_ text: String) throws(UsageError) {
    var rest = text[...]
    if let end = text.range(of: "://") {
      let scheme = text[..<end.lowerBound].lowercased()
      isTLS = scheme == "https"
      guard isTLS || scheme == "http" else {
        throw UsageError("probe", "URL begins with http:// or https://, not \(scheme)://")
      }
      rest = text[end.upperBound...]
    }
    let authority = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    let target = rest[authority.endIndex...].prefix { $0 != "#" }
    if !target.isEmpty, target != "/" {
      path = target.first == "?" ? "/" + target : String(target)
    }
    if authority.contains("@") {
      throw UsageError("probe", "URL with a password: it would not be sent")
    }
    var name = authority
    if let colon = authority.lastIndex(of: ":"), !authority.hasSuffix("]") {
      name = authority[..<colon]
      let digits = authority[authority.index(after: colon)...]
      guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
        let number = UInt16(digits), number > 0
      else { throw UsageError("probe", "URL with port \(digits): it is 1 to 65535") }
      port = number
    }
    guard Self.isHost(name) else {
      throw UsageError(
        "probe",
        name.contains(":")
          ? "URL with an IPv6 address: write it in brackets, http://[::1]:8000"
          : "URL without a host: \(text)")
    }
    host = String(name)
  }

  private static func isHost(_ name: Substring) -> Bool {
    if name.hasPrefix("[") { return SocketAddress(host: String(name), port: 1) != nil }
    return (1...253).contains(name.utf8.count)
      && name.utf8.allSatisfy {
        switch $0 {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
      }
  }
}

extension String {
  /// The first occurrence of `part`.
  fileprivate func range(of part: String) -> Range<String.Index>? {
    var start = startIndex
    while start < endIndex {
      if self[start...].hasPrefix(part) {
        return start..<index(start, offsetBy: part.count)
      }
      start = index(after: start)
    }
    return nil
  }
}
