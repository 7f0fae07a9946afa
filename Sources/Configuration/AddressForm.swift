// IP addresses with ports, and the errors in malformed ones.
import Primitives

extension Form<SocketAddress> {
  /// A listening address: `0.0.0.0:8080`, `[::]:8080`, `:8080` for every IPv4 address, `localhost`.
  /// With port 0 the kernel chooses the port.
  static var listenAddress: Form {
    address(portMin: 0, emptyHost: "0.0.0.0", example: "0.0.0.0:8080")
  }

  /// An endpoint's address: `10.0.0.1:8000`, `[fd00::1]:8000`, `localhost:8000`.
  static var endpointAddress: Form { address(portMin: 1, emptyHost: nil, example: "10.0.0.1:8000") }

  private static func address(portMin: UInt16, emptyHost: String?, example: String) -> Form {
    Form(
      read: { scalar throws(Misfit) in
        let text = scalar.text
        let shown = Printable.quoted(text)
        if let scheme = text.firstRange(of: "://") {
          throw .problem(
            "\(shown) is a URL, an address and port is needed",
            hint: "leave out \(Printable.quoted(String(text[..<scheme.upperBound]))) and any path")
        }
        guard !scalar.isNull, !text.isEmpty, let (host, port) = split(text) else {
          throw .expected("an address and port", hint: "write it like `\(example)`")
        }
        // `::1:8000` is an address too, but its author meant a port.
        if SocketAddress(host: "[\(text)]", port: 1) != nil, Printable.isTame(text),
          SocketAddress(host: "[\(host)]", port: 1) == nil
        {
          throw .problem(
            "\(shown) is an IPv6 address without brackets and port",
            hint: "write it like `[\(text)]:8000`")
        }
        guard let port else {
          if let number = UInt16(text), number > 0 {
            throw .problem("\(shown) is no address and port", hint: "write `0.0.0.0:\(number)`")
          }
          throw .problem("\(shown) has no port", hint: "write it like `\(example)`")
        }
        let isNumber = Decimal.isInteger(port)
        guard isNumber, let number = UInt16(port), number >= portMin else {
          throw .problem("the port in \(shown) must be a whole number \(portMin) to 65535")
        }
        if let address = SocketAddress(host: alias(host, emptyHost), port: number) {
          return address
        }
        throw .problem(
          complaint(host, shown, isListening: emptyHost != nil), hint: advice(host, number, example)
        )
      },
      write: { YAMLText.quoted($0.description) })
  }

  // Splits host and port at the last colon; the port is nil if there is none.
  private static func split(_ text: String) -> (host: String, port: String?)? {
    if text.hasPrefix("["), let end = text.lastIndex(of: "]") {
      let rest = text[text.index(after: end)...]
      if rest.isEmpty { return (text, nil) }
      return rest.hasPrefix(":") ? (String(text[...end]), String(rest.dropFirst())) : nil
    }
    guard let colon = text.lastIndex(of: ":") else { return (text, nil) }
    return (String(text[..<colon]), String(text[text.index(after: colon)...]))
  }

  private static func alias(_ host: String, _ emptyHost: String?) -> String {
    if host.isEmpty, let emptyHost { return emptyHost }
    return host.lowercased() == "localhost" ? "127.0.0.1" : host
  }

  private static func complaint(
    _ host: String, _ shown: String, isListening: Bool
  ) -> String {
    if host.isEmpty { return "\(shown) has no address before the port" }
    let isName = host.utf8.contains { ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7A }
    guard isName, !host.contains(":"), !host.hasPrefix("[") else {
      return "\(Printable.quoted(host)) is not an IP address"
    }
    return "\(Printable.quoted(host)) is not an IP address"
      + (isListening ? "; host names are for endpoints: write its address" : " or host name")
  }

  private static func advice(_ host: String, _ port: UInt16, _ example: String) -> String? {
    if host == "*" { return "every address is `0.0.0.0:\(port)`" }
    if host.isEmpty { return "write it like `\(example)`" }
    if host.contains(":"), Printable.isTame(host),
      SocketAddress(host: "[\(host)]", port: port) != nil
    {
      return "write `[\(host)]:\(port)`"
    }
    return nil
  }
}
