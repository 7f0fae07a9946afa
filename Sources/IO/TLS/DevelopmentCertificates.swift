// Throw-away certificates to try TLS with: an authority, a pair for servers and one for clients.
// Invariant: the authority's key is never given out, so that nobody can sign with it later.
import COpenSSL

/// An authority and the two certificates that it signed, with P-256 keys, in PEM form.
package struct DevelopmentCertificates {
  /// The names that every server certificate has.
  package static let ownNames = ["localhost", "127.0.0.1", "::1"]

  package let authority: [UInt8]
  package let server: CertificateText
  package let client: CertificateText

  /// A certificate and its key.
  package struct CertificateText {
    package let certificate: [UInt8]
    package let key: [UInt8]
  }

  /// `names`: further host names and IP addresses of the server; a name may begin with `*.`. They
  /// end after `days`. Requires: names without commas and blanks. Errors: OpenSSL has no P-256,
  /// or a name cannot be in a certificate.
  package init(names: [String], days: Int) throws(TLSError) {
    let root = try Issued(
      "steelyard development authority", days: days, issuer: nil,
      [
        (NID_basic_constraints, "critical,CA:TRUE,pathlen:0"),
        (NID_key_usage, "critical,keyCertSign,cRLSign"),
      ])
    let all = Self.ownNames + names
    let subjects = all.map { name in
      let isAddress = name.utf8.allSatisfy { $0 == 0x2E || (0x30...0x39).contains($0) }
      return isAddress || name.contains(":") ? "IP:\(name)" : "DNS:\(name)"
    }
    authority = try root.pem()
    server = try Issued(
      all[0], days: days, issuer: root,
      Self.extensions(use: "serverAuth", subjects.joined(separator: ","))
    ).text()
    client = try Issued(
      "development client", days: days, issuer: root,
      Self.extensions(use: "clientAuth", "DNS:client.localhost")
    ).text()
  }

  private static func extensions(use: String, _ names: String) -> [(Int32, String)] {
    [
      (NID_basic_constraints, "critical,CA:FALSE"), (NID_key_usage, "critical,digitalSignature"),
      (NID_ext_key_usage, use), (NID_subject_alt_name, names),
    ]
  }
}

/// A certificate that was made here, with its key.
private final class Issued {
  private let certificate: OpaquePointer
  private let key: OpaquePointer

  /// `issuer` nil: it signs itself.
  init(
    _ name: String, days: Int, issuer: Issued?, _ extensions: [(Int32, String)]
  ) throws(TLSError) {
    guard let key = sy_make_p256_key() else { throw TLSError(openSSL: "no key can be made") }
    guard let certificate = X509_new() else {
      EVP_PKEY_free(key)
      throw TLSError(openSSL: "no memory")
    }
    (self.certificate, self.key) = (certificate, key)
    var serial: UInt64 = 0
    let isRandom = withUnsafeMutableBytes(of: &serial) { bytes in
      RAND_bytes(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), Int32(bytes.count)) == 1
    }
    // Clocks of other machines may be behind.
    let isDated =
      X509_gmtime_adj(X509_getm_notBefore(certificate), -3_600) != nil
      && X509_gmtime_adj(X509_getm_notAfter(certificate), days * 86_400) != nil
    let subject = X509_get_subject_name(certificate)
    let isNamed =
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, name, -1, -1, 0) == 1
      && X509_set_issuer_name(
        certificate, issuer.map { X509_get_subject_name($0.certificate) } ?? subject) == 1
    guard isRandom, isDated, isNamed, X509_set_version(certificate, 2) == 1,
      ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1) == 1,
      X509_set_pubkey(certificate, key) == 1
    else { throw TLSError(openSSL: "no certificate can be made for \(name)") }
    let own = [(NID_subject_key_identifier, "hash"), (NID_authority_key_identifier, "keyid")]
    for (kind, value) in own + extensions {
      let signer = issuer?.certificate ?? certificate
      guard sy_add_extension(certificate, signer, kind, value) == 1 else {
        throw TLSError(openSSL: "a certificate cannot have \(value)")
      }
    }
    guard X509_sign(certificate, issuer?.key ?? key, EVP_sha256()) > 0 else {
      throw TLSError(openSSL: "no certificate can be signed for \(name)")
    }
  }

  deinit {
    X509_free(certificate)
    EVP_PKEY_free(key)
  }

  func text() throws(TLSError) -> DevelopmentCertificates.CertificateText {
    let keyText = try Self.written { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) }
    return DevelopmentCertificates.CertificateText(certificate: try pem(), key: keyText)
  }

  func pem() throws(TLSError) -> [UInt8] {
    try Self.written { PEM_write_bio_X509($0, certificate) }
  }

  private static func written(_ write: (OpaquePointer) -> Int32) throws(TLSError) -> [UInt8] {
    guard let sink = BIO_new(BIO_s_mem()) else { throw TLSError(openSSL: "no memory") }
    defer { BIO_free(sink) }
    guard write(sink) == 1 else { throw TLSError(openSSL: "nothing can be written") }
    var start: UnsafeMutablePointer<CChar>?
    let count = sy_memory_bytes(sink, &start)
    return Array(UnsafeRawBufferPointer(start: start, count: count))
  }
}
