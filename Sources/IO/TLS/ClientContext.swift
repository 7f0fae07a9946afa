// The client's side of TLS: what servers' certificates are checked against, our own certificate.
import COpenSSL
import CSystem

/// What a `ClientContext` is made of.
package struct ClientContextOptions: Sendable {
  /// PEM: the authorities of servers' certificates; nil: the system's.
  package var ca: [UInt8]?
  /// Our certificate, for servers that ask for one.
  package var pair: CertificatePair?
  /// PEM: revocation lists of `ca`; nil: revocation is not checked.
  package var revocations: [UInt8]?
  package var isTLS13Only = false
  /// Any certificate is accepted.
  package var isInsecure = false
  package var protocols = ApplicationProtocols.http1
  package init() {}
}

/// TLS of connections to servers, for one thread.
// SAFETY: immutable; OpenSSL's contexts may be used by several threads, which wait for each other
// there. So each worker has its own; threads of hooks share that of the control thread.
package final class ClientContext: @unchecked Sendable {
  /// Our own certificate; nil: none is shown.
  package let certificate: CertificateFacts?
  let library: TLSLibrary
  let context: OpaquePointer
  let isInsecure: Bool

  /// Error: a certificate, a key or an authority cannot be used; it says which.
  package init(_ options: ClientContextOptions, library: TLSLibrary) throws(TLSError) {
    self.library = library
    isInsecure = options.isInsecure
    var own: Certificate?
    if let pair = options.pair { own = try Certificate(pair, library) }
    certificate = own?.facts
    guard let context = SSL_CTX_new_ex(library.context, nil, TLS_client_method()) else {
      throw TLSError(openSSL: "no TLS context")
    }
    self.context = context
    SSL_CTX_set_security_level(context, TLSOption.securityLevel)
    sy_ssl_ctx_set_versions(context, options.isTLS13Only ? TLS1_3_VERSION : TLS1_2_VERSION)
    SSL_CTX_set_options(context, TLSOption.noRenegotiation | TLSOption.noCompression)
    sy_ssl_ctx_set_mode(context, TLSOption.releaseBuffers | TLSOption.movingBuffer)
    sy_ssl_ctx_set_read_ahead(context)
    SSL_CTX_set_cipher_list(context, ServerContext.ciphers)
    _ = sy_ssl_ctx_set_groups(context, ServerContext.groups)
    SSL_CTX_set_msg_callback(context, KeyUpdates.note)
    let offered = options.protocols.offered
    SSL_CTX_set_alpn_protos(context, offered, UInt32(offered.count))
    if let own {
      guard SSL_CTX_use_cert_and_key(context, own.own, own.key, own.chain, 1) == 1 else {
        throw TLSError(openSSL: "\(own.facts.name): cannot be used")
      }
    }
    try setAuthorities(options)
    keepSessions()
  }

  deinit { SSL_CTX_free(context) }

  private func setAuthorities(_ options: ClientContextOptions) throws(TLSError) {
    guard !isInsecure else {
      SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nil)
      return
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
    let store = SSL_CTX_get_cert_store(context)
    if let authorities = options.ca {
      let found = try withSource(authorities) {
        sy_add_authorities(store, nil, $0, library.context)
      }
      guard found > 0 else { throw TLSError(openSSL: "`ca`: no certificate in PEM form") }
    } else {
      guard SSL_CTX_set_default_verify_paths(context) == 1 else {
        throw TLSError(
          openSSL: "the system's authorities cannot be read; install ca-certificates or set `ca`")
      }
    }
    if let revocations = options.revocations {
      let found = try withSource(revocations) { sy_add_revocations(store, $0) }
      guard found > 0 else { throw TLSError(openSSL: "`crl`: no revocation list in PEM form") }
    }
  }

  private func keepSessions() {
    sy_ssl_ctx_set_cache(context, Int(SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL))
    SSL_CTX_sess_set_new_cb(context) { ssl, session in
      guard let ssl, let owner = SSL_get_ex_data(ssl, 0) else { return 0 }
      Unmanaged<TLSPeer>.fromOpaque(owner).takeUnretainedValue().keep(session)
      return 1
    }
  }
}

/// One server as one thread knows it: its name and the sessions to resume.
// SAFETY: only the thread of its context uses it.
package final class TLSPeer: @unchecked Sendable {
  let context: ClientContext
  /// A host name or an address.
  let name: String
  private let isAddress: Bool
  /// Sessions to resume, the newest last. One of TLS 1.3 is used once (RFC 8446 §C.4).
  private var sessions: [OpaquePointer] = []
  private static let sessionsMax = 8

  /// `name`: what the server's certificate must be for, a host name or an address without a port.
  package init(_ context: ClientContext, name: String) {
    self.context = context
    self.name = name
    var room = in6_addr()
    isAddress = inet_pton(AF_INET, name, &room) == 1 || inet_pton(AF_INET6, name, &room) == 1
  }

  /// Whether connections to both are made with the same context and for the same name.
  package func isLike(_ other: TLSPeer) -> Bool {
    context === other.context && name == other.name
  }

  deinit { for session in sessions { SSL_SESSION_free(session) } }

  /// Keeps the session for a later connection. Takes over the reference.
  func keep(_ session: OpaquePointer?) {
    guard let session else { return }
    if sessions.count == Self.sessionsMax { SSL_SESSION_free(sessions.removeFirst()) }
    sessions.append(session)
  }

  private func resume(_ ssl: OpaquePointer) {
    guard let session = sessions.last else { return }
    SSL_set_session(ssl, session)
    guard SSL_SESSION_get_protocol_version(session) == TLS1_3_VERSION else { return }
    SSL_SESSION_free(sessions.removeLast())
  }

  /// A connection to the server; nil: memory is lacking.
  func open() -> OpaquePointer? {
    guard let ssl = SSL_new(context.context) else { return nil }
    SSL_set_connect_state(ssl)
    SSL_set_ex_data(ssl, 0, Unmanaged.passUnretained(self).toOpaque())
    if !isAddress { _ = sy_ssl_set_name(ssl, name) }
    if !context.isInsecure {
      let parameters = SSL_get0_param(ssl)
      X509_VERIFY_PARAM_set_hostflags(
        parameters, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
      let isSet =
        isAddress
        ? X509_VERIFY_PARAM_set1_ip_asc(parameters, name)
        : X509_VERIFY_PARAM_set1_host(parameters, name, name.utf8.count)
      guard isSet == 1 else {
        SSL_free(ssl)
        return nil
      }
    }
    resume(ssl)
    return ssl
  }
}
