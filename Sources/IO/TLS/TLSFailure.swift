// Why a TLS connection failed, as a bounded set of reasons, told from OpenSSL's error queue.
import COpenSSL

/// The reason of a failed handshake or of a TLS connection that broke.
public enum TLSFailure: UInt8, Sendable, CaseIterable, BitwiseCopyable {
  /// The peer's first bytes are a request or an answer of HTTP.
  case plainHTTP
  /// The peer's bytes are no TLS.
  case notTLS
  /// No protocol version in common.
  case noCommonVersion
  /// No cipher suite, signature algorithm or group in common.
  case noCommonCipher
  /// No application protocol (ALPN) in common.
  case noCommonProtocol
  /// The peer has shown no certificate, and has to.
  case noCertificate
  /// The peer's certificate was signed by nobody known here.
  case unknownAuthority
  case selfSigned
  case expired
  case notYetValid
  case wrongName
  case revoked
  /// The peer's certificate is not acceptable for another reason.
  case badCertificate
  /// The peer refused our certificate or its signer.
  case refusedByPeer
  /// The peer sent another alert.
  case alert
  /// The peer closed or reset the connection during the handshake.
  case cutInHandshake
  /// The handshake was not over in time.
  case timeout
  /// The peer asks for new keys too often.
  case tooManyKeyUpdates
  /// A record that cannot be decrypted, or that breaks the protocol.
  case badRecord
  /// Memory or random numbers are lacking.
  case local

  /// The label of the metric: bounded, of letters and `_`.
  public var label: StaticString {
    switch self {
    case .plainHTTP: "plain_http"
    case .notTLS: "not_tls"
    case .noCommonVersion: "no_common_version"
    case .noCommonCipher: "no_common_cipher"
    case .noCommonProtocol: "no_common_protocol"
    case .noCertificate: "no_certificate"
    case .unknownAuthority: "unknown_authority"
    case .selfSigned: "self_signed"
    case .expired: "expired"
    case .notYetValid: "not_yet_valid"
    case .wrongName: "wrong_name"
    case .revoked: "revoked"
    case .badCertificate: "bad_certificate"
    case .refusedByPeer: "refused_by_peer"
    case .alert: "alert"
    case .cutInHandshake: "cut_in_handshake"
    case .timeout: "timeout"
    case .tooManyKeyUpdates: "key_updates"
    case .badRecord: "bad_record"
    case .local: "local"
    }
  }

  /// The reason in words, for the log.
  public var words: StaticString {
    switch self {
    case .plainHTTP: "the peer speaks plain HTTP"
    case .notTLS: "the peer does not speak TLS"
    case .noCommonVersion: "no protocol version in common"
    case .noCommonCipher: "no cipher suite, signature or group in common"
    case .noCommonProtocol: "no application protocol in common"
    case .noCertificate: "the peer has shown no certificate"
    case .unknownAuthority: "the certificate's authority is unknown"
    case .selfSigned: "the certificate is self-signed"
    case .expired: "the certificate has expired"
    case .notYetValid: "the certificate is not valid yet"
    case .wrongName: "the certificate is for another name"
    case .revoked: "the certificate was revoked"
    case .badCertificate: "the certificate is not acceptable"
    case .refusedByPeer: "the peer refused our certificate"
    case .alert: "the peer sent an alert"
    case .cutInHandshake: "the peer ended the connection in the handshake"
    case .timeout: "the handshake took too long"
    case .tooManyKeyUpdates: "the peer asks for new keys too often"
    case .badRecord: "a record that cannot be read"
    case .local: "a lack of memory"
    }
  }
}

extension TLSFailure {
  /// The reason of OpenSSL's present error. `verification`: SSL_get_verify_result. Empties the
  /// thread's error queue.
  init(verification: Int) {
    let code = ERR_peek_error()
    ERR_clear_error()
    let reason = Int32(truncatingIfNeeded: code & 0x7F_FFFF)
    if reason == SSL_R_CERTIFICATE_VERIFY_FAILED {
      self.init(certificate: Int32(truncatingIfNeeded: verification))
      return
    }
    self =
      switch reason {
      case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST: .plainHTTP
      case SSL_R_WRONG_VERSION_NUMBER, SSL_R_UNKNOWN_PROTOCOL, SSL_R_PACKET_LENGTH_TOO_LONG:
        .notTLS
      case SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_VERSION_TOO_LOW, SSL_R_VERSION_TOO_HIGH,
        SSL_R_NO_PROTOCOLS_AVAILABLE, SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        .noCommonVersion
      case SSL_R_NO_SHARED_CIPHER, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, SSL_R_NO_SUITABLE_GROUPS,
        SSL_R_NO_SUITABLE_KEY_SHARE, SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS,
        SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, SSL_R_TLSV1_ALERT_INSUFFICIENT_SECURITY:
        .noCommonCipher
      case SSL_R_NO_APPLICATION_PROTOCOL, SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
        .noCommonProtocol
      case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        .noCertificate
      case SSL_R_TLSV1_ALERT_UNKNOWN_CA, SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
        SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED,
        SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
        .refusedByPeer
      case 1_000..<1_256: .alert
      case 0: .cutInHandshake
      default: sy_error_library(code) == ERR_LIB_SSL ? .badRecord : .local
      }
  }

  private init(certificate code: Int32) {
    self =
      switch code {
      case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
        X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, X509_V_ERR_CERT_UNTRUSTED:
        .unknownAuthority
      case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: .selfSigned
      case X509_V_ERR_CERT_HAS_EXPIRED: .expired
      case X509_V_ERR_CERT_NOT_YET_VALID: .notYetValid
      case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: .wrongName
      case X509_V_ERR_CERT_REVOKED: .revoked
      default: .badCertificate
      }
  }
}
