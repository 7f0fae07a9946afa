// Certificates and keys in PEM form, and what is said of them: names, validity, issuer.
import CSystem
import COpenSSL

/// The bytes of a certificate file and a key file.
package struct CertificatePair: Sendable {
  /// The files, for messages.
  package var name: String
  /// PEM: the certificate of the server or client first, then those that lead to an authority.
  package var certificate: [UInt8]
  /// PEM, not encrypted.
  package var key: [UInt8]

  package init(name: String, certificate: [UInt8], key: [UInt8]) {
    self.name = name
    self.certificate = certificate
    self.key = key
  }
}

/// What a certificate says.
package struct CertificateFacts: Sendable, Equatable {
  /// The files, as in `CertificatePair`.
  package let name: String
  /// As in RFC 2253: `CN=a.example,O=Example`.
  package let subject: String
  package let issuer: String
  /// The DNS names and addresses that it is for.
  package let names: [String]
  /// Seconds since 1970.
  package let notBefore: Int
  package let notAfter: Int
  /// Like `P-256`, `RSA-2048`.
  package let keyKind: String
}

/// A certificate with its chain and key, read. Belongs to the thread of its library.
final class Certificate {
  let own: OpaquePointer
  /// The further certificates of the chain.
  let chain: OpaquePointer
  let key: OpaquePointer
  let facts: CertificateFacts

  init(_ pair: CertificatePair, _ library: TLSLibrary) throws(TLSError) {
    guard let stack = sy_chain_new() else { throw TLSError("no memory") }
    var own: OpaquePointer?
    var key: OpaquePointer?
    do throws(TLSError) {
      try withSource(pair.certificate) { source throws(TLSError) in
        while let next = Self.next(source, library) {
          if own == nil {
            own = next
          } else {
            _ = sy_chain_push(stack, next)
            X509_free(next)
          }
        }
      }
      guard let own else {
        throw TLSError(openSSL: "\(pair.name): no certificate in PEM form")
      }
      ERR_clear_error()
      key = try withSource(pair.key) { source throws(TLSError) in
        // Without a callback OpenSSL asks the terminal for a password.
        PEM_read_bio_PrivateKey_ex(source, nil, { _, _, _, _ in -1 }, nil, library.context, nil)
      }
      guard let key else { throw Self.keyError(pair) }
      guard X509_check_private_key(own, key) == 1 else {
        throw TLSError(openSSL: "\(pair.name): the key does not belong to the certificate")
      }
    } catch {
      X509_free(own)
      EVP_PKEY_free(key)
      sy_chain_free(stack)
      throw error
    }
    // Both were found, or an error was thrown.
    guard let own, let key else { throw TLSError("no certificate") }
    self.own = own
    self.key = key
    chain = stack
    facts = CertificateFacts(own, key, name: pair.name)
  }

  deinit {
    X509_free(own)
    EVP_PKEY_free(key)
    sy_chain_free(chain)
  }

  private static func next(_ source: OpaquePointer, _ library: TLSLibrary) -> OpaquePointer? {
    var certificate = X509_new_ex(library.context, nil)
    guard certificate != nil, PEM_read_bio_X509(source, &certificate, nil, nil) != nil else {
      X509_free(certificate)
      return nil
    }
    return certificate
  }

  private static func keyError(_ pair: CertificatePair) -> TLSError {
    let text = String(decoding: pair.key.prefix(1 << 16), as: UTF8.self)
    if text.contains("ENCRYPTED") {
      ERR_clear_error()
      return TLSError(
        "\(pair.name): the key is encrypted with a password; store it without one, readable by "
          + "steelyard only")
    }
    return TLSError(openSSL: "\(pair.name): no private key in PEM form")
  }
}

extension CertificateFacts {
  init(_ certificate: OpaquePointer, _ key: OpaquePointer, name: String) {
    self.name = name
    subject = CertificateText.name(X509_get_subject_name(certificate))
    issuer = CertificateText.name(X509_get_issuer_name(certificate))
    names = CertificateText.alternativeNames(certificate).compactMap { kind, text in
      kind == GEN_DNS || kind == GEN_IPADD ? text : nil
    }
    notBefore = Int(sy_seconds(X509_get0_notBefore(certificate)))
    notAfter = Int(sy_seconds(X509_get0_notAfter(certificate)))
    let bits = EVP_PKEY_get_bits(key)
    let type = EVP_PKEY_get0_type_name(key).map { String(cString: $0) } ?? "unknown"
    keyKind = type == "EC" ? "P-\(bits)" : type.hasPrefix("ED") ? type : "\(type)-\(bits)"
  }
}

/// Text of certificates, of visible ASCII characters and spaces alone, whatever they hold.
enum CertificateText {
  /// As in RFC 2253, which escapes everything else.
  static func name(_ name: OpaquePointer?) -> String {
    guard let name, let text = BIO_new(BIO_s_mem()) else { return "" }
    defer { BIO_free(text) }
    guard sy_print_name(text, name) >= 0 else { return "" }
    var bytes: UnsafeMutablePointer<CChar>?
    let count = sy_memory_bytes(text, &bytes)
    return visible(UnsafeRawBufferPointer(start: bytes, count: max(0, count)))
  }

  /// The subject alternative names with their kinds (GEN_DNS, …).
  static func alternativeNames(_ certificate: OpaquePointer) -> [(Int32, String)] {
    var found: [(Int32, String)] = []
    withUnsafeMutablePointer(to: &found) { list in
      sy_alternative_names(certificate, list) { list, kind, bytes, count in
        let value = UnsafeRawBufferPointer(start: bytes, count: Int(max(0, count)))
        let text =
          kind == GEN_IPADD
          ? CertificateText.address(value) : CertificateText.visible(value, but: ",%")
        list?.assumingMemoryBound(to: [(Int32, String)].self).pointee.append((kind, text))
      }
    }
    return found
  }

  private static func address(_ bytes: UnsafeRawBufferPointer) -> String {
    var room = [CChar](repeating: 0, count: 64)
    let family = bytes.count == 4 ? AF_INET : AF_INET6
    guard bytes.count == 4 || bytes.count == 16,
      inet_ntop(family, bytes.baseAddress, &room, 64) != nil
    else { return "" }
    return String(decoding: room.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }

  /// `but`: characters that are escaped too, so that a list of texts is read as it was written.
  static func visible(_ bytes: UnsafeRawBufferPointer, but escaped: String = "") -> String {
    var text = ""
    for byte in bytes {
      if (0x20..<0x7F).contains(byte), !escaped.utf8.contains(byte) {
        text.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        text += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }
    return text
  }
}
