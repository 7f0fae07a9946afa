// Content of TLS connections: records are decrypted into the loop's buffer and reported as
// `.received`; what the owner sends is encrypted into one buffer and sent with one call. Nothing
// above sees that.
// HOT PATH: no lock, no existential. OpenSSL allocates a buffer while a record is under way.
import COpenSSL
import CSystem
import Primitives

extension IOLoop {
  /// The most plaintext of a record.
  private static let recordMax = 16_384
  /// What a record has beside its plaintext, at most (RFC 8446 §5.2, RFC 5246 §6.2.3).
  private static let recordOverhead = 2_048

  /// Prepares the bridge for a call of OpenSSL.
  mutating func beginCall(_ index: Int) -> UnsafeMutablePointer<TLSBridge> {
    guard let bridge = tls?.bridge else { preconditionFailure("no TLS connection was begun") }
    bridge.pointee.begin(fd: connections[index].fd, hasHangup: connections[index].hasHangup)
    let session = sessions + index
    if let early = session.pointee.early {
      let start = Int(session.pointee.earlyStart)
      bridge.pointee.early = UnsafeRawBufferPointer(
        start: early + start, count: Int(session.pointee.earlyEnd) - start)
    }
    ERR_clear_error()
    return bridge
  }

  mutating func receiveSecure(_ index: Int) -> IOEvent? {
    let session = sessions + index
    if connections[index].isConnecting { return handshake(index) }
    if session.pointee.end != .none { return reportEnd(index) }
    guard let ssl = session.pointee.ssl else { return nil }
    let limit = Int(connections[index].readLimit)
    let bridge = beginCall(index)
    var count = 0
    var isOver = false
    while count < limit {
      var part = 0
      let result = SSL_read_ex(ssl, scratch + Self.headroom + count, limit - count, &part)
      guard result == 1 else {
        isOver = true
        noteEnd(index, SSL_get_error(ssl, result))
        break
      }
      count += part
      if bridge.pointee.isDrained, SSL_has_pending(ssl) == 0 {
        isOver = true
        break
      }
    }
    if session.pointee.early != nil { endEarly(index) }
    noteKeyUpdates(index)
    if bridge.pointee.outputCount > 0 { _ = sendAsIs(index, bridge.pointee.written) }
    if isOver, bridge.pointee.isDrained, session.pointee.end == .none {
      connections[index].isReadable = false
    } else {
      enqueue(index)
    }
    if count > 0 {
      receivedCount = count
      return report(.received, index, value: count)
    }
    return session.pointee.end == .none ? nil : reportEnd(index)
  }

  /// Notes why no more plaintext came, unless there simply was none.
  private mutating func noteEnd(_ index: Int, _ error: Int32) {
    guard let bridge = tls?.bridge, let ssl = sessions[index].ssl else { return }
    switch error {
    case SSL_ERROR_WANT_READ: break
    case SSL_ERROR_ZERO_RETURN: sessions[index].end = .clean
    case SSL_ERROR_SYSCALL where bridge.pointee.hasEnded: sessions[index].end = .cut
    case SSL_ERROR_SYSCALL where bridge.pointee.failure != 0:
      sessions[index].end = .failed
      sessions[index].endCode = Int16(truncatingIfNeeded: bridge.pointee.failure)
    default:
      sessions[index].end = .failed
      sessions[index].endCode = Int16(EPROTO)
      sessions[index].failure = TLSFailure(verification: SSL_get_verify_result(ssl)).rawValue + 1
    }
  }

  private mutating func reportEnd(_ index: Int) -> IOEvent {
    connections[index].isEnded = true
    switch sessions[index].end {
    case .none, .clean: return report(.eof, index)
    case .cut: return report(.eof, index, value: 1)
    case .failed:
      let code =
        connections[index].failure != 0 ? connections[index].failure : sessions[index].endCode
      if code == Int16(EPROTO) { note(.badRecord, index) }
      return report(.failed, index, value: Int(code))
    }
  }

  private mutating func noteKeyUpdates(_ index: Int) {
    guard let bridge = tls?.bridge, bridge.pointee.keyUpdateCount > 0 else { return }
    let session = sessions + index
    let second = Int32(truncatingIfNeeded: now.rawValue / 1_000_000_000)
    if session.pointee.keyUpdateSecond != second {
      session.pointee.keyUpdateSecond = second
      session.pointee.keyUpdateCount = 0
    }
    session.pointee.keyUpdateCount += bridge.pointee.keyUpdateCount
    guard session.pointee.keyUpdateCount > TLSSession.keyUpdatesMax else { return }
    session.pointee.failure = TLSFailure.tooManyKeyUpdates.rawValue + 1
    session.pointee.end = .failed
    session.pointee.endCode = Int16(EPROTO)
  }

  /// Encrypts bytes and sends them. As `send`. Requires: the handshake is over.
  mutating func sendSecure(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
    guard let ssl = sessions[index].ssl, let source = bytes.baseAddress, !bytes.isEmpty else {
      return connections[index].output.byteCount == 0
    }
    let bridge = beginCall(index)
    var offset = 0
    while offset < bytes.count {
      if TLSBridge.capacity - bridge.pointee.outputCount < Self.recordMax + Self.recordOverhead {
        _ = sendEncrypted(index)
        if connections[index].failure != 0 { return true }
      }
      var part = 0
      let count = min(bytes.count - offset, Self.recordMax)
      guard SSL_write_ex(ssl, source + offset, count, &part) == 1 else {
        note(.local, index)
        connections[index].isReadable = true
        connections[index].hasHangup = true
        enqueue(index)
        return true
      }
      offset += part
    }
    sessions[index].overhead &-= Int32(truncatingIfNeeded: bytes.count)
    return sendEncrypted(index)
  }

  /// Sends what OpenSSL has written.
  private mutating func sendEncrypted(_ index: Int) -> Bool {
    guard let bridge = tls?.bridge else { return true }
    sessions[index].overhead &+= Int32(truncatingIfNeeded: bridge.pointee.outputCount)
    let isSent = sendAsIs(index, bridge.pointee.written)
    bridge.pointee.outputCount = 0
    return isSent
  }

  /// Whether there is plaintext to read, or the end. Records without content (tickets, new keys)
  /// are taken.
  mutating func hasSecureInput(_ index: Int) -> Bool {
    sessions[index].overhead = 0
    guard connections[index].failure == 0, sessions[index].end == .none,
      let ssl = sessions[index].ssl, !connections[index].isConnecting
    else { return true }
    let bridge = beginCall(index)
    var byte: UInt8 = 0
    var part = 0
    let result = SSL_peek_ex(ssl, &byte, 1, &part)
    let hasNothing = result != 1 && SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ
    if sessions[index].early != nil { endEarly(index) }
    noteKeyUpdates(index)
    if bridge.pointee.outputCount > 0 { _ = sendAsIs(index, bridge.pointee.written) }
    ERR_clear_error()
    guard hasNothing, bridge.pointee.isDrained, sessions[index].end == .none else { return true }
    connections[index].isReadable = false
    return false
  }

  // MARK: The end

  /// Tells the peer that nothing more comes (close_notify). Returns false while the handshake is
  /// not over: it is told later.
  mutating func sayEnd(_ index: Int) -> Bool {
    if connections[index].isConnecting {
      connections[index].isFinishing = true
      return false
    }
    let session = sessions + index
    guard !session.pointee.hasSaidEnd, connections[index].failure == 0,
      let ssl = session.pointee.ssl
    else { return true }
    session.pointee.hasSaidEnd = true
    let bridge = beginCall(index)
    SSL_shutdown(ssl)
    ERR_clear_error()
    if bridge.pointee.outputCount > 0 { _ = sendAsIs(index, bridge.pointee.written) }
    return true
  }

  /// Ends TLS before the connection is closed. A peer that misses bytes is told nothing, so that it
  /// sees that the content was cut.
  mutating func closeSecure(_ index: Int) {
    if sessions[index].phase == .established, !sessions[index].isReset,
      connections[index].output.byteCount == 0
    {
      _ = sayEnd(index)
    }
    output.clear(&sessions[index].raw)
    sessions[index].free()
  }
}
