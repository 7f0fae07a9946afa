// TLS of a connection to a server, and what a failed handshake is called: the reason, and what to
// write in the configuration where that helps.
package import IO

/// With what certificates a connection is opened, and who the server has to be.
package struct ClientSecurity: Sendable, Equatable {
  /// Best of the thread that carries out the exchange: threads that share one wait for each other.
  package let context: ClientContext
  /// A host name or an address without a port: the server's certificate has to be for it.
  package let name: String

  package init(_ context: ClientContext, name: String) {
    self.context = context
    self.name = name
  }

  package static func == (a: ClientSecurity, b: ClientSecurity) -> Bool {
    a.context === b.context && a.name == b.name
  }
}

extension ClientFailure {
  /// A TLS connection to the server called `name` that failed.
  package init(_ failure: TLSFailure, name: String) {
    let advice: String? =
      switch failure {
      case .selfSigned:
        "name it as `ca: FILE` in `tls`, or accept any certificate with `insecure: true`"
      case .unknownAuthority:
        "name the authority's file as `ca: FILE` in `tls`, or accept any certificate with "
          + "`insecure: true`"
      case .wrongName:
        "it is not for \(name); say with `server_name: NAME` in `tls` whom it is for"
      case .plainHTTP, .notTLS: "the server wants no `tls`"
      case .noCertificate, .refusedByPeer:
        "name one that the server accepts as `cert: FILE` and `key: FILE` in `tls`"
      default: nil
      }
    self.init(.tls, advice.map { "\(failure.words): \($0)" } ?? "\(failure.words)")
    tls = failure
  }
}
