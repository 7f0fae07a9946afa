// The keys that session tickets are encrypted with (RFC 5077 §4). With a ticket a client resumes
// its session on any thread, and on any steelyard that has the key.
import COpenSSL

/// One key: a name of 16 bytes, an HMAC key and an AES key of 32 bytes each.
package struct TicketKey: Sendable, Equatable {
  package static let byteCount = 80
  package let bytes: [UInt8]

  /// nil: not 80 bytes.
  package init?(bytes: [UInt8]) {
    guard bytes.count == Self.byteCount else { return nil }
    self.bytes = bytes
  }

  /// A new key. Error: the system gives no random numbers.
  package static func random() throws(TLSError) -> TicketKey {
    var bytes = [UInt8](repeating: 0, count: byteCount)
    guard RAND_bytes(&bytes, Int32(byteCount)) == 1, let key = TicketKey(bytes: bytes) else {
      throw TLSError(openSSL: "no random numbers")
    }
    return key
  }
}

/// Finds the key of a ticket for OpenSSL, and prepares cipher and MAC with it.
enum TicketCoder {
  /// As SSL_CTX_set_tlsext_ticket_key_evp_cb wants it: 1 the key is prepared, 2 it is, and the
  /// client gets a new ticket, 0 there is no such key, -1 it failed. Clients use a ticket of TLS
  /// 1.3 once (RFC 8446 §C.4), so they always get another.
  static func prepare(
    _ context: ServerContext, isTLS13: Bool, _ name: UnsafeMutablePointer<UInt8>,
    _ vector: UnsafeMutablePointer<UInt8>, _ cipher: OpaquePointer, _ mac: OpaquePointer,
    encrypts: Bool
  ) -> Int32 {
    let keys = context.ticketKeys
    let position =
      encrypts
      ? 0 : keys.firstIndex { key in (0..<16).allSatisfy { key.bytes[$0] == name[$0] } }
    guard let position, position < keys.count else { return encrypts ? -1 : 0 }
    return keys[position].bytes.withUnsafeBufferPointer { bytes -> Int32 in
      guard let base = bytes.baseAddress else { return -1 }
      let ticketCipher = context.library.ticketCipher
      if encrypts {
        guard RAND_bytes_ex(context.library.context, vector, 16, 0) == 1 else { return -1 }
        name.update(from: base, count: 16)
      }
      let isReady =
        encrypts
        ? EVP_EncryptInit_ex2(cipher, ticketCipher, base + 48, vector, nil) == 1
        : EVP_DecryptInit_ex2(cipher, ticketCipher, base + 48, vector, nil) == 1
      guard isReady, sy_ticket_mac(mac, base + 16, 32) == 1 else { return -1 }
      return position == 0 && !isTLS13 ? 1 : 2
    }
  }
}
