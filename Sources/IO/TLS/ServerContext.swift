// The server's side of TLS: certificates by server name, what is accepted of clients, ticket keys.
// Invariant: immutable; a change of any of it is a new context, and running connections keep
// theirs.
import COpenSSL
import CSystem

/// What a `ServerContext` is made of.
package struct ServerContextOptions: Sendable {
  /// The first is the default. Not empty.
  package var pairs: [CertificatePair]
  package var isTLS13Only = false
  /// The cipher suites of TLS 1.2, as OpenSSL's list; nil: `ServerContext.ciphers`.
  package var ciphers: String?
  /// The key exchange groups, as OpenSSL's list; nil: `ServerContext.groups`.
  package var groups: String?
  /// PEM: the authorities of clients' certificates; nil: clients are asked for none.
  package var clientCA: [UInt8]?
  package var requiresClientCertificate = false
  /// PEM: revocation lists of `clientCA`; nil: revocation is not checked.
  package var revocations: [UInt8]?
  /// The first encrypts, all decrypt; empty: no tickets.
  package var ticketKeys: [TicketKey] = []
  /// Subject and names of clients' certificates are kept for `IOLoop.clientCertificate`.
  package var keepsClientNames = false
  /// HTTP/2 is chosen where the client offers it; else HTTP/1.1.
  package var offersHTTP2 = false

  package init(pairs: [CertificatePair]) { self.pairs = pairs }
}

/// TLS of a listener, for one thread.
// SAFETY: immutable; OpenSSL's objects are used by one thread at a time: the one that made them,
// then the one that they were made for.
package final class ServerContext: @unchecked Sendable {
  /// Forward secrecy and authenticated encryption alone. Shorter keys first: they are faster.
  package static let ciphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    + "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
  static let ciphers13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
  package static let groups = "X25519:P-256:P-384"
  /// The time for which a session can be resumed, seconds.
  static let sessionSeconds = 7_200

  package let certificates: [CertificateFacts]
  let library: TLSLibrary
  let context: OpaquePointer
  let names: ServerNames
  let ticketKeys: [TicketKey]
  let keepsClientNames: Bool
  let offersHTTP2: Bool
  private let loaded: [Certificate]

  /// Error: a certificate, a key, an authority or a setting cannot be used; it says which.
  package init(_ options: ServerContextOptions, library: TLSLibrary) throws(TLSError) {
    self.library = library
    var loaded: [Certificate] = []
    for pair in options.pairs { loaded.append(try Certificate(pair, library)) }
    guard let first = loaded.first else {
      throw TLSError("a listener with TLS needs a certificate")
    }
    self.loaded = loaded
    certificates = loaded.map(\.facts)
    names = ServerNames(certificates.map(\.names))
    ticketKeys = options.ticketKeys
    keepsClientNames = options.keepsClientNames
    offersHTTP2 = options.offersHTTP2
    guard let context = SSL_CTX_new_ex(library.context, nil, TLS_server_method()) else {
      throw TLSError(openSSL: "no TLS context")
    }
    self.context = context
    try setProtocol(options)
    try setCertificate(first)
    try setClients(options)
    setCallbacks()
  }

  deinit { SSL_CTX_free(context) }

  private func setProtocol(_ options: ServerContextOptions) throws(TLSError) {
    SSL_CTX_set_security_level(context, TLSOption.securityLevel)
    sy_ssl_ctx_set_versions(context, options.isTLS13Only ? TLS1_3_VERSION : TLS1_2_VERSION)
    var flags = TLSOption.noRenegotiation | TLSOption.serverPreference | TLSOption.noCompression
    flags |= TLSOption.prefersChaCha
    if ticketKeys.isEmpty { flags |= TLSOption.noTicket }
    SSL_CTX_set_options(context, flags)
    sy_ssl_ctx_set_mode(context, TLSOption.releaseBuffers | TLSOption.movingBuffer)
    sy_ssl_ctx_set_read_ahead(context)
    sy_ssl_ctx_set_cache(context, Int(SSL_SESS_CACHE_OFF))
    SSL_CTX_set_timeout(context, Self.sessionSeconds)
    SSL_CTX_set_num_tickets(context, ticketKeys.isEmpty ? 0 : 1)
    let ciphers = options.ciphers ?? Self.ciphers
    guard SSL_CTX_set_cipher_list(context, ciphers) == 1 else {
      throw TLSError(openSSL: "`ciphers: \(ciphers)` names no cipher that OpenSSL knows")
    }
    SSL_CTX_set_ciphersuites(context, Self.ciphers13)
    let groups = options.groups ?? Self.groups
    guard sy_ssl_ctx_set_groups(context, groups) == 1 else {
      throw TLSError(openSSL: "`groups: \(groups)` names a group that OpenSSL does not know")
    }
  }

  private func setCertificate(_ certificate: Certificate) throws(TLSError) {
    guard
      SSL_CTX_use_cert_and_key(
        context, certificate.own, certificate.key, certificate.chain, 1) == 1
    else { throw TLSError(openSSL: "\(certificate.facts.name): cannot be used") }
  }

  private func setClients(_ options: ServerContextOptions) throws(TLSError) {
    // A ticket is good only where the same is asked of clients.
    var digest = [UInt8](repeating: 0, count: 32)
    var policy: [UInt8] = [options.requiresClientCertificate ? 1 : 0]
    policy += (options.clientCA ?? []) + [0] + (options.revocations ?? [])
    var count: Int = 0
    EVP_Q_digest(library.context, "SHA256", nil, policy, policy.count, &digest, &count)
    SSL_CTX_set_session_id_context(context, digest, 32)
    guard let authorities = options.clientCA else { return }
    let store = SSL_CTX_get_cert_store(context)
    let found = try withSource(authorities) {
      sy_add_authorities(store, context, $0, library.context)
    }
    guard found > 0 else { throw TLSError(openSSL: "`client_ca`: no certificate in PEM form") }
    if let revocations = options.revocations {
      let found = try withSource(revocations) { sy_add_revocations(store, $0) }
      guard found > 0 else { throw TLSError(openSSL: "`crl`: no revocation list in PEM form") }
    }
    let required = options.requiresClientCertificate ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | required, nil)
  }

  private func setCallbacks() {
    let owner = Unmanaged.passUnretained(self).toOpaque()
    sy_ssl_ctx_accept_names(context)
    SSL_CTX_set_ex_data(context, 0, owner)
    SSL_CTX_set_cert_cb(
      context,
      { ssl, owner in
        guard let ssl, let owner else { return 0 }
        return Unmanaged<ServerContext>.fromOpaque(owner).takeUnretainedValue().chooses(for: ssl)
      }, owner)
    SSL_CTX_set_alpn_select_cb(
      context,
      { _, chosen, count, offered, offeredCount, owner in
        guard let owner else { return SSL_TLSEXT_ERR_ALERT_FATAL }
        let context = Unmanaged<ServerContext>.fromOpaque(owner).takeUnretainedValue()
        return ApplicationProtocols.choose(
          UnsafeRawBufferPointer(start: offered, count: Int(offeredCount)),
          allowsHTTP2: context.offersHTTP2, chosen, count)
      }, owner)
    SSL_CTX_set_msg_callback(context, KeyUpdates.note)
    guard !ticketKeys.isEmpty else { return }
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context) { ssl, name, vector, cipher, mac, encrypts in
      guard let ssl, let name, let vector, let cipher, let mac,
        let owner = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0)
      else { return -1 }
      return TicketCoder.prepare(
        Unmanaged<ServerContext>.fromOpaque(owner).takeUnretainedValue(),
        isTLS13: SSL_version(ssl) == TLS1_3_VERSION, name, vector, cipher, mac,
        encrypts: encrypts == 1)
    }
  }

  /// Gives a connection the certificates of the name that its client asked for. Returns 1, or 0 if
  /// that failed.
  private func chooses(for ssl: OpaquePointer) -> Int32 {
    let set = set(of: ssl)
    if set == ServerNames.defaultSet, names.sets[set].count == 1 { return 1 }
    for index in names.sets[set].reversed() {
      let certificate = loaded[index]
      guard SSL_use_cert_and_key(ssl, certificate.own, certificate.key, certificate.chain, 1) == 1
      else { return 0 }
    }
    return 1
  }

  /// The set of certificates of the name that the client asked for.
  func set(of ssl: OpaquePointer) -> Int {
    guard let name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) else {
      return ServerNames.defaultSet
    }
    return names.set(for: UnsafeRawBufferPointer(start: name, count: strlen(name)))
  }
}

/// Flags of OpenSSL that are macros with casts, which Swift does not see.
enum TLSOption {
  /// Keys of 112 bits and more (RSA-2048), no SHA-1: SSL_CTX_set_security_level(3). Debian's
  /// openssl.cnf says the same, but library contexts of one's own do not read it.
  static let securityLevel: Int32 = 2
  /// ChaCha20 goes first if it does so at the client, which then has no AES in hardware.
  static let prefersChaCha: UInt64 = 1 << 21
  static let noTicket: UInt64 = 1 << 14
  static let noCompression: UInt64 = 1 << 17
  static let serverPreference: UInt64 = 1 << 22
  static let noRenegotiation: UInt64 = 1 << 30
  static let movingBuffer = 2
  static let releaseBuffers = 16
}

/// Counts requests for new keys (KeyUpdate, RFC 8446 §4.6.3), each of which costs work.
enum KeyUpdates {
  private static let message: UInt8 = 24
  static let note:
    @convention(c) (
      Int32, Int32, Int32, UnsafeRawPointer?, Int, OpaquePointer?, UnsafeMutableRawPointer?
    ) -> Void = { isWritten, _, kind, bytes, count, _, owner in
      guard isWritten == 0, kind == SSL3_RT_HANDSHAKE, count > 0, let bytes, let owner,
        bytes.load(as: UInt8.self) == message
      else { return }
      owner.assumingMemoryBound(to: TLSBridge.self).pointee.keyUpdateCount += 1
    }
}
