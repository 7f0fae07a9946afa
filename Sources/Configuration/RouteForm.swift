// Scalars of routes: hosts, methods, names of header fields, statuses, locations, bodies. A value
// that becomes part of a head must not be able to end a line of it.
import Fleet
import Primitives

extension Form<HostPattern> {
  /// `example.com`, `*.example.com`, `10.0.0.1`, `[fd00::1]` (as clients write it); stored in lower
  /// case.
  static var hostPattern: Form {
    Form(
      read: { scalar throws(Misfit) in
        let text = scalar.text
        let what = "a host, like `example.com` or `*.example.com`"
        if text == "*" || text == "*." {
          throw .expected(what, hint: "leave `host` out for every host")
        }
        let isWildcard = text.hasPrefix("*.")
        let name = String(isWildcard ? text.dropFirst(2) : text[...]).lowercased()
        if name.hasPrefix("["), !isWildcard, SocketAddress(host: name, port: 80) != nil {
          return .exact(name)
        }
        if let colon = name.firstIndex(of: ":"), isName(String(name[..<colon])),
          Decimal.isInteger(String(name[name.index(after: colon)...]))
        {
          throw .expected(
            what, hint: "the port is not compared: write `\(name[..<colon])`")
        }
        guard isName(name), !scalar.isNull else { throw .expected(what) }
        return isWildcard ? .wildcard(name) : .exact(name)
      },
      write: {
        switch $0 {
        case .exact(let name): YAMLText.scalar(name)
        case .wildcard(let name): YAMLText.scalar("*." + name)
        }
      })
  }

  // Labels of letters, digits, "-" and "_", with single dots between them (RFC 1035 §2.3.1).
  private static func isName(_ text: String) -> Bool {
    let isGood = text.utf8.allSatisfy {
      switch $0 {
      case 0x30...0x39, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
      default: false
      }
    }
    return isGood && (1...253).contains(text.utf8.count) && !text.hasPrefix(".")
      && !text.hasSuffix(".") && !text.contains("..")
  }
}

extension Form<String> {
  /// A request method; methods are case-sensitive (RFC 9110 §9.1).
  static var methodName: Form {
    Form(
      read: { scalar throws(Misfit) in
        let text = scalar.text
        let isGood = text.utf8.allSatisfy { (0x41...0x5A).contains($0) || $0 == 0x2D || $0 == 0x5F }
        guard isGood, (1...32).contains(text.utf8.count) else {
          let upper = text.uppercased()
          let isLower = upper != text && Printable.isTame(text)
          throw .expected(
            "a method, like `POST`", hint: isLower ? "methods have case: write `\(upper)`" : nil)
        }
        guard !["CONNECT", "TRACE"].contains(text) else {
          throw .problem("`\(text)` is refused before routes are looked at")
        }
        return text
      },
      write: YAMLText.scalar)
  }

  /// A header field's name (RFC 9110 §5.6.2), in lower case.
  static var fieldName: Form {
    Form(
      read: { scalar throws(Misfit) in
        let text = scalar.text.lowercased()
        guard (1...64).contains(text.utf8.count), text.utf8.allSatisfy(isToken) else {
          throw .expected("a name of letters, digits and `-`, at most 64")
        }
        return text
      },
      write: YAMLText.scalar)
  }

  /// The `Host` field sent to endpoints.
  static var hostField: Form {
    Form(
      read: { scalar throws(Misfit) in
        let isGood = scalar.text.utf8.allSatisfy {
          switch $0 {
          case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x3A, 0x5B, 0x5D, 0x5F: true
          default: false
          }
        }
        guard isGood, (1...253).contains(scalar.text.utf8.count), !scalar.isNull else {
          throw .expected("a host name, with a port or without")
        }
        return scalar.text
      },
      write: YAMLText.scalar)
  }

  /// The target of a redirect: an absolute URL or a path, with `{path}` in it at most once, and
  /// with `{host}` as the host of the URL.
  /// `{path}` must follow text that keeps the client's path from becoming a host: `//evil.example`
  /// is a path to us and a host to a browser.
  static var location: Form {
    Form(
      read: { scalar throws(Misfit) in
        let text = scalar.text
        let what = "an absolute URL or a path of at most 2048 visible ASCII characters"
        let isGood = text.utf8.allSatisfy { (0x21...0x7E).contains($0) && $0 != 0x5C }
        guard isGood, text.utf8.count <= 2_048 else { throw .expected(what) }
        let isURL = text.hasPrefix("http://") || text.hasPrefix("https://")
        guard isURL || text.hasPrefix("/") && !text.hasPrefix("//") else {
          throw .expected(what, hint: "it begins with `https://`, `http://` or a single `/`")
        }
        let parts = split(withoutHost(text))
        guard parts.count <= 2, !parts.joined().contains(where: { $0 == "{" || $0 == "}" }) else {
          throw .problem(
            "a location has `{path}` at most once, and no other braces",
            hint: text.contains(Redirect.hostPlaceholder)
              ? "the host of the request is `https://{host}{path}`, also with a port" : nil)
        }
        let authority = parts[0].drop { $0 != "/" }.drop { $0 == "/" }
        if parts.count == 2, authority.isEmpty {
          throw .problem(
            "before `{path}` a host or part of a path is needed: the client could name any host",
            hint: "for example `https://example.com{path}` or `/new{path}`")
        }
        if isURL, authority.isEmpty { throw .expected(what, hint: "a host is missing") }
        return text
      },
      write: YAMLText.scalar)
  }

  // The location with a name in the place of `{host}`, where that is the whole host.
  private static func withoutHost(_ text: String) -> String {
    for scheme in ["https://", "http://"] {
      let start = scheme + Redirect.hostPlaceholder
      guard text.hasPrefix(start) else { continue }
      let rest = text.dropFirst(start.count)
      let isWhole = rest.isEmpty || ["/", ":", "{", "?", "#"].contains(rest.first)
      return isWhole ? scheme + "host" + rest : text
    }
    return text
  }

  // Splits around each `{path}`.
  private static func split(_ text: String) -> [Substring] {
    var parts: [Substring] = []
    var rest = text[...]
    while let range = rest.firstRange(of: Redirect.placeholder) {
      parts.append(rest[..<range.lowerBound])
      rest = rest[range.upperBound...]
    }
    return parts + [rest]
  }

  /// The body of a fixed answer.
  static var body: Form {
    Form(
      read: { scalar throws(Misfit) in
        guard scalar.text.utf8.count <= 4_096, !scalar.isNull else {
          throw .expected("text of at most 4 KiB")
        }
        return scalar.text
      },
      write: YAMLText.quoted)
  }

  /// A media type with its parameters, as the value of a header field.
  static var mediaType: Form {
    Form(
      read: { scalar throws(Misfit) in
        let text = scalar.text
        let isGood = text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
        guard isGood, (3...128).contains(text.utf8.count), text.contains("/"),
          !text.hasPrefix(" "), !text.hasSuffix(" ")
        else { throw .expected("a media type, like `application/json`") }
        return text
      },
      write: YAMLText.scalar)
  }

  private static func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    default: Array("!#$%&'*+-.^_`|~".utf8).contains(byte)
    }
  }
}

extension Form<Int> {
  /// A redirect that clients follow by themselves (RFC 9110 §15.4).
  static var redirectStatus: Form {
    status("301, 302, 303, 307 or 308") { [301, 302, 303, 307, 308].contains($0) }
  }

  /// 2xx, 4xx or 5xx; a 3xx needs a location.
  static var answerStatus: Form {
    status("200 to 299 or 400 to 599") { (200...299).contains($0) || (400...599).contains($0) }
  }

  private static func status(_ what: String, _ isGood: @escaping (Int) -> Bool) -> Form {
    let count = Form<Int>.count(100...599)
    return Form(
      read: { scalar throws(Misfit) in
        guard let value = try? count.read(scalar), isGood(value) else { throw .expected(what) }
        return value
      },
      write: { "\($0)" })
  }
}
