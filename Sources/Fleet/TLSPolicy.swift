// TLS as the operator describes it: on the side that accepts connections (listeners, the admin
// address) and on the side that opens them (endpoints, scrapes, checks, hooks). Files are named
// here and read elsewhere; no key is stored.
public import Primitives

/// The lowest protocol version that is accepted.
public enum TLSVersion: String, Sendable, Hashable, CaseIterable {
  case tls12 = "1.2"
  case tls13 = "1.3"
}

/// The files of a certificate, PEM: the chain, the server's own certificate first, and its private
/// key. They may be one file.
public struct CertificateFiles: Sendable, Hashable {
  public var certificate: String
  public var key: String
  public init(certificate: String, key: String) {
    self.certificate = certificate
    self.key = key
  }
}

/// TLS of a listener or of the admin address.
public struct ServerTLS: Sendable, Hashable {
  /// Where certificates come from.
  public enum Source: Sendable, Hashable {
    case files(CertificateFiles)
    /// A directory of pairs: `NAME.crt` or `NAME.pem` with `NAME.key`.
    case directory(String)
  }
  /// Whether a client has to show a certificate.
  public enum ClientAuthentication: String, Sendable, Hashable, CaseIterable {
    case require, optional
  }
  /// The keys with which session tickets are encrypted.
  public enum TicketKeys: Sendable, Hashable {
    /// The process makes them and replaces them every 12 hours.
    case made
    /// A file of base64 lines, 80 bytes each: the first key encrypts, all decrypt.
    case file(String)
    /// No tickets: every connection begins with a full handshake.
    case off
  }

  /// The first certificate is the default, for clients that name no server or an unknown one.
  public var certificates: [Source]
  public var versionMin = TLSVersion.tls12
  /// The cipher suites of TLS 1.2, as OpenSSL's cipher list; nil: those with forward secrecy and
  /// authenticated encryption.
  public var ciphers: String?
  /// The key exchange groups, as OpenSSL's list; nil: X25519, P-256, P-384.
  public var groups: String?
  /// The file of the authorities that clients' certificates are checked against; nil: clients are
  /// asked for none.
  public var clientCA: String?
  public var clientAuthentication = ClientAuthentication.require
  /// The file of revocation lists of `clientCA`; nil: revocation is not checked.
  public var revocations: String?
  public var tickets = TicketKeys.made
  /// The request field in which the subject of the client's certificate is sent on; what clients
  /// send under that name is removed. nil: none.
  public var subjectField: String?
  /// The same for the certificate's subject alternative names.
  public var namesField: String?
  /// The `max-age` of `Strict-Transport-Security`; nil: the field is not added.
  public var strictTransport: Nanoseconds?

  public init(certificates: [Source]) { self.certificates = certificates }
}

/// TLS of connections that steelyard opens.
public struct ClientTLS: Sendable, Hashable {
  /// The file of the authorities that servers' certificates are checked against; nil: the
  /// system's.
  public var ca: String?
  /// The name that the server's certificate must have, and that is sent as SNI; nil: the host name
  /// of the endpoint, or its address, which is checked but not sent.
  public var serverName: String?
  /// The certificate shown to a server that asks for one.
  public var certificate: CertificateFiles?
  /// The file of revocation lists of `ca`; nil: revocation is not checked.
  public var revocations: String?
  public var versionMin = TLSVersion.tls12
  /// Any certificate is accepted.
  public var isInsecure = false
  public init() {}
}
