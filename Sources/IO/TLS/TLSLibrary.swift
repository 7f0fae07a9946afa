// One OpenSSL library context for each thread. OpenSSL 3 takes locks when it looks up an algorithm;
// threads that share a context wait for each other there (haproxy#2454). Invariant: all objects
// made with a library context are used by its thread alone, once they are made.
import COpenSSL

/// Why certificates, keys or settings cannot be used; for people.
package struct TLSError: Error, Sendable, Equatable, CustomStringConvertible {
  /// Names the file and what is wrong with it.
  package let message: String
  package init(_ message: String) { self.message = message }
  package var description: String { message }

  /// `message`, with OpenSSL's reason. Empties the thread's error queue.
  init(openSSL message: String) {
    let code = ERR_peek_last_error()
    ERR_clear_error()
    let reason = code == 0 ? nil : ERR_reason_error_string(code).map { String(cString: $0) }
    self.message = reason.map { "\(message): \($0)" } ?? message
  }
}

/// OpenSSL for one thread. It may be made on another one.
// SAFETY: OpenSSL's library contexts may be used by any thread.
package final class TLSLibrary: @unchecked Sendable {
  let context: OpaquePointer
  /// The cipher of session tickets, looked up once.
  let ticketCipher: OpaquePointer

  /// Error: OpenSSL cannot be used, or memory is lacking.
  package init() throws(TLSError) {
    guard let context = OSSL_LIB_CTX_new(),
      let cipher = EVP_CIPHER_fetch(context, "AES-256-CBC", nil)
    else { throw TLSError(openSSL: "OpenSSL cannot be used") }
    self.context = context
    ticketCipher = cipher
  }

  deinit {
    EVP_CIPHER_free(ticketCipher)
    OSSL_LIB_CTX_free(context)
  }
}

/// Lends bytes to OpenSSL as a source to read from.
func withSource<Result>(
  _ bytes: [UInt8], _ body: (OpaquePointer) throws(TLSError) -> Result
) throws(TLSError) -> Result {
  guard let source = bytes.withUnsafeBytes({ BIO_new_mem_buf($0.baseAddress, Int32($0.count)) })
  else { throw TLSError(openSSL: "no memory") }
  defer { BIO_free(source) }
  return try body(source)
}
