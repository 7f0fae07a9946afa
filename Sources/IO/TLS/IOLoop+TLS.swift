// TLS on a connection of a loop, as the owner sees it: begin it, and ask what came of it. After
// that the owner sends and receives plaintext as on any connection.
import COpenSSL
import CSystem

extension IOLoop {
  /// Makes the connection, which was accepted, a TLS connection. `.connected` follows when the
  /// handshake is over, or `.failed`. `received`: bytes of the client that were already read.
  package mutating func startTLS(
    _ id: ConnectionID, _ context: ServerContext,
    received: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
  ) {
    assert(isOpen(id))
    let index = Int(id.index)
    var session = TLSSession()
    session.context = Unmanaged.passRetained(context)
    if let source = received.baseAddress, !received.isEmpty {
      let room = UnsafeMutableRawPointer.allocate(byteCount: received.count, alignment: 16)
      room.copyMemory(from: source, byteCount: received.count)
      session.early = room
      session.earlyEnd = Int32(received.count)
      connections[index].isReadable = true
    }
    begin(session, index)
    if connections[index].isReadable { enqueue(index) }
  }

  /// Makes the connection, which is being opened, a TLS connection. Bytes that were sent before
  /// this call go first, in the clear; those sent later are encrypted, and wait for the handshake.
  /// `.connected` follows when the handshake is over, or `.failed`.
  package mutating func startTLS(_ id: ConnectionID, _ peer: TLSPeer) {
    assert(isOpen(id) && connections[Int(id.index)].isConnecting)
    let index = Int(id.index)
    var session = TLSSession()
    session.peer = Unmanaged.passRetained(peer)
    session.phase = .connecting
    session.raw = connections[index].output
    connections[index].output = OutputQueue()
    begin(session, index)
  }

  private mutating func begin(_ session: TLSSession, _ index: Int) {
    if tls == nil { tls = TLSRoom() }
    (sessions + index).initialize(to: session)
    connections[index].channel = .secure
    connections[index].isConnecting = true
  }

  /// Makes a connection whose handshake failed a plain one again, to answer a client that speaks
  /// plain HTTP.
  package mutating func leaveTLS(_ id: ConnectionID) {
    assert(isOpen(id) && isSecure(id))
    let index = Int(id.index)
    output.clear(&sessions[index].raw)
    sessions[index].free()
    connections[index].channel = .plain
    connections[index].failure = 0
    connections[index].isConnecting = false
    connections[index].isEnded = false
    connections[index].isReadable = true
    enqueue(index)
  }

  /// Whether the connection uses TLS.
  @inlinable public func isSecure(_ id: ConnectionID) -> Bool {
    connections[Int(id.index)].channel == .secure
  }

  /// Whether the handshake is not over.
  package func isHandshaking(_ id: ConnectionID) -> Bool {
    isSecure(id) && sessions[Int(id.index)].phase != .established
  }

  /// Whether the handshake is over and has chosen HTTP/2.
  package func isHTTP2(_ id: ConnectionID) -> Bool {
    isSecure(id) && sessions[Int(id.index)].isHTTP2
  }

  /// Whether the connection was opened with the same context and for the same name as one to `peer`
  /// would be.
  package func hasPeer(_ id: ConnectionID, like peer: TLSPeer?) -> Bool {
    guard let peer, isSecure(id), let own = sessions[Int(id.index)].peer else { return false }
    return own._withUnsafeGuaranteedRef { $0.isLike(peer) }
  }

  /// Whether the handshake was shortened by an earlier session.
  package func isResumed(_ id: ConnectionID) -> Bool {
    guard isSecure(id), let ssl = sessions[Int(id.index)].ssl else { return false }
    return SSL_session_reused(ssl) == 1
  }

  /// Why TLS failed; nil: it has not, or the connection does not use it.
  package func tlsFailure(_ id: ConnectionID) -> TLSFailure? {
    guard isSecure(id), sessions[Int(id.index)].failure > 0 else { return nil }
    return TLSFailure(rawValue: sessions[Int(id.index)].failure - 1)
  }

  /// Whether the certificate of the connection was chosen for the host of a request, a name without
  /// a port (RFC 9110 §15.5.20). A client that named no server is not asked.
  package func servesHost(_ id: ConnectionID, _ host: UnsafeRawBufferPointer) -> Bool {
    guard isSecure(id) else { return true }
    let session = sessions + Int(id.index)
    guard session.pointee.set >= 0, let context = session.pointee.context else { return true }
    return context._withUnsafeGuaranteedRef {
      $0.names.sets.count == 1 || $0.names.set(for: host) == Int(session.pointee.set)
    }
  }

  /// The subject (RFC 2253) and the alternative names (`DNS:a.example,URI:spiffe://…`) of the
  /// certificate that the client has shown; nil: none, or the context does not keep them. Visible
  /// ASCII; valid until the connection is closed.
  package func clientCertificate(
    _ id: ConnectionID
  ) -> (subject: UnsafeRawBufferPointer, names: UnsafeRawBufferPointer)? {
    guard isSecure(id), let text = sessions[Int(id.index)].clientText else { return nil }
    let session = sessions + Int(id.index)
    let (first, second) = (Int(session.pointee.subjectCount), Int(session.pointee.namesCount))
    return (
      UnsafeRawBufferPointer(start: text, count: first),
      UnsafeRawBufferPointer(start: text + first, count: second)
    )
  }

  /// Keeps the text of the client's certificate for `clientCertificate`.
  mutating func keepClientText(_ index: Int, _ ssl: OpaquePointer) {
    guard let certificate = SSL_get0_peer_certificate(ssl) else { return }
    let subject = Array(CertificateText.name(X509_get_subject_name(certificate)).utf8.prefix(1_024))
    let names = Array(
      CertificateText.alternativeNames(certificate).map { kind, text in
        switch kind {
        case GEN_DNS: "DNS:" + text
        case GEN_URI: "URI:" + text
        case GEN_EMAIL: "email:" + text
        default: "IP:" + text
        }
      }.joined(separator: ",").utf8.prefix(2_048))
    let room = UnsafeMutablePointer<UInt8>.allocate(capacity: max(1, subject.count + names.count))
    room.initialize(from: subject, count: subject.count)
    (room + subject.count).initialize(from: names, count: names.count)
    sessions[index].clientText = room
    sessions[index].subjectCount = UInt16(subject.count)
    sessions[index].namesCount = UInt16(names.count)
  }
}
