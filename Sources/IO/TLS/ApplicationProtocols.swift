// Which HTTP version a TLS connection carries: offered by the client, chosen by the server in the
// handshake (ALPN, RFC 7301).
import COpenSSL

/// The protocols that a client offers.
package enum ApplicationProtocols: Sendable {
  case http1, http2
  /// HTTP/2 before HTTP/1.1.
  case both

  /// As ALPN writes them: each with its length before it.
  var offered: [UInt8] {
    switch self {
    case .http1: [8] + Array("http/1.1".utf8)
    case .http2: [2] + Array("h2".utf8)
    case .both: Self.http2.offered + Self.http1.offered
    }
  }

  /// The server's choice: HTTP/2 if it is offered and allowed, else HTTP/1.1 if it is offered; a
  /// client that offers others alone is refused. Returns OpenSSL's code. `chosen` points into
  /// `offered`.
  static func choose(
    _ offered: UnsafeRawBufferPointer, allowsHTTP2: Bool,
    _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?, _ count: UnsafeMutablePointer<UInt8>?
  ) -> Int32 {
    var found: UnsafeRawBufferPointer?
    var offset = 0
    while offset < offered.count {
      let length = Int(offered[offset])
      guard offset + 1 + length <= offered.count else { break }
      let name = UnsafeRawBufferPointer(rebasing: offered[(offset + 1)..<(offset + 1 + length)])
      if allowsHTTP2, name.elementsEqual("h2".utf8) {
        found = name
        break
      }
      if found == nil, name.elementsEqual("http/1.1".utf8) { found = name }
      offset += 1 + length
    }
    guard let found else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    chosen?.pointee = found.baseAddress?.assumingMemoryBound(to: UInt8.self)
    count?.pointee = UInt8(found.count)
    return SSL_TLSEXT_ERR_OK
  }

  /// Whether the handshake of the connection has chosen HTTP/2.
  static func isHTTP2(_ ssl: OpaquePointer) -> Bool {
    var name: UnsafePointer<UInt8>?
    var count: UInt32 = 0
    SSL_get0_alpn_selected(ssl, &name, &count)
    return UnsafeRawBufferPointer(start: name, count: Int(count)).elementsEqual("h2".utf8)
  }
}
