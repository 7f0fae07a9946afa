// The address of an admin server on the command line: `127.0.0.1:9900`, `localhost:9900`, or the
// same as in a browser, `http://localhost:9900/`; with TLS `https://HOST:PORT`, where HOST may be
// any name, because certificates are for names.
import IO
import Primitives

struct AdminAddress: Equatable {
  /// As it was given: a name or an address without a port; IPv6 without brackets.
  let name: String
  let port: UInt16
  /// nil: the name has to be looked up.
  let address: SocketAddress?
  /// nil: the text has no scheme.
  let isTLS: Bool?

  /// nil: the text is none.
  init?(_ text: String) {
    var rest = text[...]
    if text.hasPrefix("http://") {
      (isTLS, rest) = (false, text.dropFirst("http://".count))
    } else if text.hasPrefix("https://") {
      (isTLS, rest) = (true, text.dropFirst("https://".count))
    } else {
      isTLS = nil
    }
    if rest.count < text.count, rest.hasSuffix("/") { rest.removeLast() }
    if let found = SocketAddress(String(rest)) {
      (address, port, name) = (found, found.port, "\(IPAddress(found))")
      return
    }
    guard let colon = rest.lastIndex(of: ":"), let port = UInt16(rest[rest.index(after: colon)...]),
      rest[rest.index(after: colon)...].utf8.allSatisfy({ (0x30...0x39).contains($0) })
    else { return nil }
    let name = rest[..<colon]
    self.port = port
    self.name = String(name)
    if name.lowercased() == "localhost" {
      address = .loopback(port: port)
    } else {
      guard isTLS == true, HostNameText.isValid(name) else { return nil }
      address = nil
    }
  }

  /// The address, looked up where it is a name. Blocks.
  func resolved() throws(HostResolver.Failure) -> SocketAddress {
    if let address { return address }
    return try HostResolver.resolve(name, port: port)[0]
  }
}
