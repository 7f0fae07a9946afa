// Handshakes. A step takes a third of a millisecond and more, so a turn of the loop has a limited
// time for them: the streams of other connections go on between two steps.
import COpenSSL
import CSystem
import Primitives

extension IOLoop {
  /// Handshakes begin no further step in a turn after they took this long.
  private static let handshakeTimeMax = Nanoseconds(500_000)

  /// Handles an event of a connection whose handshake is not over.
  mutating func dispatchHandshake(_ index: Int, _ bits: UInt32) -> IOEvent? {
    let connection = connections + index
    if sessions[index].phase == .connecting {
      if bits & (EPOLLERR.rawValue | EPOLLHUP.rawValue) != 0 {
        let code = sy_socket_error(connection.pointee.fd)
        connection.pointee.isEnded = true
        return report(.failed, index, value: Int(code == 0 ? ECONNREFUSED : code))
      }
      guard bits & EPOLLOUT.rawValue != 0 else { return nil }
      sessions[index].phase = .handshake
      // The client begins.
      connection.pointee.isReadable = true
    }
    noteReadable(index, bits)
    if bits & EPOLLOUT.rawValue != 0, sessions[index].raw.byteCount > 0 { flushRaw(index) }
    return handshake(index)
  }

  /// Goes on with the handshake as far as the received bytes allow.
  mutating func handshake(_ index: Int) -> IOEvent? {
    let session = sessions + index
    if session.pointee.phase == .flushing {
      return session.pointee.raw.byteCount == 0 ? established(index) : nil
    }
    guard connections[index].isReadable, !connections[index].isEnded else { return nil }
    if handshakeTime >= Self.handshakeTimeMax {
      enqueue(index)
      return nil
    }
    guard let ssl = session.pointee.ssl ?? open(index) else { return failed(index, .local) }
    let start = Clock.now
    let bridge = beginCall(index)
    let result = SSL_do_handshake(ssl)
    endEarly(index)
    connections[index].isReadable = !bridge.pointee.isDrained || bridge.pointee.hasEnded
    sendRaw(index, bridge.pointee.written)
    handshakeTime = handshakeTime + (Clock.now - start)
    if result == 1 {
      session.pointee.isHTTP2 = ApplicationProtocols.isHTTP2(ssl)
      noteNames(index, ssl)
      session.pointee.phase = .flushing
      return session.pointee.raw.byteCount == 0 ? established(index) : nil
    }
    if SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ { return nil }
    if bridge.pointee.failure != 0 || bridge.pointee.hasEnded, ERR_peek_error() == 0 {
      return failed(index, .cutInHandshake)
    }
    return failed(index, TLSFailure(verification: SSL_get_verify_result(ssl)))
  }

  /// Makes OpenSSL's part of the session with the first byte, so that a connection that sends
  /// nothing costs nothing.
  private mutating func open(_ index: Int) -> OpaquePointer? {
    guard let room = tls else { return nil }
    var made: OpaquePointer?
    if let peer = sessions[index].peer {
      made = peer._withUnsafeGuaranteedRef { $0.open() }
    } else if let context = sessions[index].context {
      made = context._withUnsafeGuaranteedRef { SSL_new($0.context) }
      if let made { SSL_set_accept_state(made) }
    }
    guard let made else { return nil }
    BIO_up_ref(room.bio)
    SSL_set_bio(made, room.bio, room.bio)
    sy_ssl_set_message_argument(made, room.bridge)
    sessions[index].ssl = made
    return made
  }

  private mutating func noteNames(_ index: Int, _ ssl: OpaquePointer) {
    guard let context = sessions[index].context else { return }
    context._withUnsafeGuaranteedRef { context in
      if SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) != nil {
        sessions[index].set = Int16(truncatingIfNeeded: context.set(of: ssl))
      }
      if context.keepsClientNames { keepClientText(index, ssl) }
    }
  }

  /// The handshake is over: what the owner sent meanwhile is encrypted and sent.
  private mutating func established(_ index: Int) -> IOEvent? {
    let connection = connections + index
    sessions[index].phase = .established
    connection.pointee.isConnecting = false
    var waiting = connection.pointee.output
    connection.pointee.output = OutputQueue()
    if waiting.byteCount > 0 {
      while let block = waiting.first {
        let start = Int(block.pointee.start)
        let bytes = UnsafeRawBufferPointer(
          start: output.content(of: block) + start, count: Int(block.pointee.end) - start)
        if connection.pointee.failure == 0 { _ = sendSecure(index, bytes) }
        waiting.remove(block)
        output.give(block)
      }
      if connection.pointee.output.byteCount == 0 { connection.pointee.isDrainedDue = true }
    }
    if connection.pointee.isFinishing, sayEnd(index), connection.pointee.output.byteCount == 0 {
      sy_shutdown_write(connection.pointee.fd)
    }
    // Records may have come with the last bytes of the handshake.
    connection.pointee.isReadable = true
    enqueue(index)
    return report(.connected, index)
  }

  /// Reports that TLS failed.
  mutating func failed(_ index: Int, _ failure: TLSFailure) -> IOEvent {
    note(failure, index)
    connections[index].isEnded = true
    return report(.failed, index, value: Int(EPROTO))
  }

  /// Notes the failure: nothing more is sent.
  mutating func note(_ failure: TLSFailure, _ index: Int) {
    if sessions[index].failure == 0 { sessions[index].failure = failure.rawValue + 1 }
    connections[index].failure = Int16(EPROTO)
    output.clear(&connections[index].output)
    ERR_clear_error()
  }

  // MARK: Bytes of the handshake

  private mutating func flushRaw(_ index: Int) {
    let code = output.flush(&sessions[index].raw, to: connections[index].fd)
    // A read finds the failure.
    if code != 0 { output.clear(&sessions[index].raw) }
  }

  private mutating func sendRaw(_ index: Int, _ bytes: UnsafeRawBufferPointer) {
    guard !bytes.isEmpty else { return }
    var rest = bytes
    if sessions[index].raw.byteCount == 0 {
      let sent = sy_send(connections[index].fd, bytes.baseAddress, bytes.count)
      if sent == bytes.count || sent < 0 && sent != -Int(EAGAIN) { return }
      rest = UnsafeRawBufferPointer(rebasing: bytes[max(0, sent)...])
    }
    if !output.append(rest, to: &sessions[index].raw) { fail(index, ENOBUFS) }
  }

  /// Gives up the memory of bytes that came before the handshake, once they are read.
  mutating func endEarly(_ index: Int) {
    guard let room = sessions[index].early, let bridge = tls?.bridge else { return }
    sessions[index].earlyStart = sessions[index].earlyEnd - Int32(bridge.pointee.early.count)
    guard bridge.pointee.early.isEmpty else { return }
    room.deallocate()
    sessions[index].early = nil
  }
}
