// Scalars of `tls` blocks: files, lists of ciphers and groups, names of request fields. A private
// key that stands in the file itself is refused without being shown.
import Fleet
import Primitives

extension Form<String> {
  /// The path of a PEM file or of a directory of such files.
  static func pemPath(_ what: String = "the path of a file") -> Form {
    Form(
      read: { scalar throws(Misfit) in
        if scalar.isNull || scalar.text.isEmpty { throw .expected(what) }
        guard !scalar.text.contains("-----BEGIN") else {
          throw .problem(
            "certificates and keys do not stand in this file",
            hint: "put this into a file that only steelyard can read, and write its path")
        }
        let isGood = scalar.text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
        guard isGood, scalar.text.utf8.count <= 256 else {
          throw .problem("\(what) has at most 256 bytes and no control characters")
        }
        return scalar.text
      },
      write: YAMLText.scalar)
  }

  /// Cipher suites of TLS 1.2 as OpenSSL's cipher list (openssl-ciphers(1)).
  static var ciphers: Form {
    openSSLList(
      "a list of TLS 1.2 cipher suites as OpenSSL writes it", max: 1_024, "-_+!:@=.,",
      example: "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384",
      refusing: { name in
        name.hasPrefix("TLS_")
          ? "\(Printable.quoted(name)) is a cipher suite of TLS 1.3: those cannot be chosen" : nil
      })
  }

  /// Key exchange groups as OpenSSL's list (SSL_CTX_set1_groups_list(3)).
  static var groups: Form {
    openSSLList(
      "a list of groups as OpenSSL writes it", max: 256, "-_:", example: "X25519:P-256:P-384",
      refusing: { _ in nil })
  }

  // `signs`: what the list may have besides letters and digits. `refusing`: the complaint about an
  // element, nil if it is good.
  private static func openSSLList(
    _ what: String, max: Int, _ signs: String, example: String,
    refusing: @escaping (String) -> String?
  ) -> Form {
    Form(
      read: { scalar throws(Misfit) in
        let isGood = scalar.text.utf8.allSatisfy {
          switch $0 {
          case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
          default: signs.utf8.contains($0)
          }
        }
        let elements = scalar.text.split(separator: ":", omittingEmptySubsequences: false)
        guard isGood, !scalar.isNull, scalar.text.utf8.count <= max,
          elements.allSatisfy({ !$0.isEmpty })
        else {
          throw .expected("\(what), at most \(max) characters", hint: "such as `\(example)`")
        }
        for element in elements {
          if let complaint = refusing(String(element)) { throw .problem(complaint) }
        }
        return scalar.text
      },
      write: YAMLText.scalar)
  }

  /// The name that a server's certificate has: a host name, or an IP address.
  static var serverName: Form {
    Form(
      read: { scalar throws(Misfit) in
        guard HostNameText.isValid(scalar.text) || IPAddress(scalar.text) != nil else {
          throw .expected("a host name or an IP address, without a port")
        }
        return scalar.text.lowercased()
      },
      write: YAMLText.scalar)
  }

  /// A request field in which steelyard sends something on, in lower case.
  static var sentField: Form {
    Form(
      read: { scalar throws(Misfit) in
        let name = try fieldName.read(scalar)
        let isOwn =
          ownFields.contains(name) || name.hasPrefix("x-forwarded-")
          || name.hasPrefix("x-steelyard-")
        if isOwn {
          throw .problem(
            "the field `\(name)` has a meaning of its own on the way to endpoints",
            hint: "choose another name, like `X-Client-Subject`")
        }
        return name
      },
      write: YAMLText.scalar)
  }

  // What steelyard writes or removes itself, and what frames a message.
  private static let ownFields: Set<String> = [
    "connection", "content-encoding", "content-length", "content-type", "cookie", "date", "expect",
    "forwarded", "host", "http2-settings", "keep-alive", "max-forwards", "proxy-connection", "te",
    "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade", "via", "x-real-ip",
    "x-request-id", "x-served-by",
  ]
}

extension Form<Nanoseconds> {
  /// The `max-age` of `Strict-Transport-Security`: a duration, which may be in days.
  static var strictTransport: Form {
    let day = Nanoseconds.seconds(86_400).rawValue
    let range = Nanoseconds.zero ... .seconds(2 * 366 * 86_400)
    return Form(
      read: { scalar throws(Misfit) in
        let units = Decimal.durations + [("d", day)]
        guard let value = Decimal.read(scalar.text, units: units) else {
          throw .expected("a duration", hint: "such as `180d`")
        }
        guard range.contains(Nanoseconds(value)), value % 1_000_000_000 == 0 else {
          throw .expected("0s to 732d, in whole seconds")
        }
        return Nanoseconds(value)
      },
      write: { span in
        span.rawValue > 0 && span.rawValue % day == 0
          ? "\(span.rawValue / day)d" : Decimal.duration(span)
      })
  }
}

extension Form<TLSVersion> {
  /// `"1.2"` or `"1.3"`, quoted for readers that would take it for a number.
  static var tlsVersion: Form {
    Form(read: choice.read, write: { YAMLText.quoted($0.rawValue) })
  }
}
