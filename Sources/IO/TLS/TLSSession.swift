// The TLS state of one connection, beside the loop's own.
// Invariant: plaintext is queued only before the handshake is over, ciphertext only after it.
import COpenSSL
import CSystem

/// A trivial type in memory that is zero at first; `free` gives back what it owns.
struct TLSSession {
  enum Phase: UInt8 {
    /// The connection to the server is being opened.
    case connecting
    case handshake
    /// The handshake is over, but its last bytes are not sent.
    case flushing
    case established
  }
  /// What was seen at the end of the received bytes, to be reported after them.
  enum End: UInt8 {
    case none, clean, cut, failed
  }
  /// A connection may ask for new keys this often in a second (HAProxy's limit too).
  static let keyUpdatesMax: Int32 = 100

  /// nil: no byte of the handshake has come.
  var ssl: OpaquePointer?
  /// One of the two, retained.
  var context: Unmanaged<ServerContext>?
  var peer: Unmanaged<TLSPeer>?
  /// Bytes that came before the handshake was begun.
  var early: UnsafeMutableRawPointer?
  var earlyStart: Int32 = 0
  var earlyEnd: Int32 = 0
  /// Bytes of the handshake, and those that go before it in the clear, which the kernel refused.
  var raw = OutputQueue()
  /// The subject of the client's certificate, then its names.
  var clientText: UnsafeMutablePointer<UInt8>?
  var subjectCount: UInt16 = 0
  var namesCount: UInt16 = 0
  var phase = Phase.handshake
  var end = End.none
  var endCode: Int16 = 0
  /// The raw value of `TLSFailure` + 1; 0: it has not failed.
  var failure: UInt8 = 0
  /// Our end was announced, or the connection is to be reset.
  var hasSaidEnd = false
  /// The handshake chose HTTP/2.
  var isHTTP2 = false
  var isReset = false
  /// The set of certificates that the client asked for; −1: it named no server.
  var set: Int16 = -1
  /// How many bytes more than the owner's were sent since `hasInput` was last asked.
  var overhead: Int32 = 0
  /// The peer's requests for new keys in the present second.
  var keyUpdateCount: Int32 = 0
  var keyUpdateSecond: Int32 = 0

  /// Gives back everything but queued bytes.
  mutating func free() {
    if let ssl {
      // A session whose connection was just closed can be resumed all the same.
      if failure == 0 { SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN) }
      SSL_free(ssl)
    }
    ssl = nil
    context?.release()
    context = nil
    peer?.release()
    peer = nil
    early?.deallocate()
    early = nil
    clientText?.deallocate()
    clientText = nil
  }
}
