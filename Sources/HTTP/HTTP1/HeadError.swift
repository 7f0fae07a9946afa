// Every way in which a head can be wrong, with the status it earns. Malformed is rejected, never
// repaired: a proxy that repairs lets two parties read two different messages (RFC 9112 §11.2).

/// Why a request or response head, or chunked content, was refused.
public enum HeadError: UInt8, Error, Sendable, CaseIterable, BitwiseCopyable {
  case badMethod, badTarget, targetTooLong, badVersion, unsupportedVersion, badStatusLine
  /// A line that ends in LF alone.
  case bareLF
  /// A CR without LF.
  case badLineEnd
  case foldedLine, badFieldName, badFieldValue, tooManyFields, headTooLarge
  case missingHost, severalHosts, badHost
  case badContentLength, severalContentLengths, lengthAndTransferEncoding
  case severalTransferEncodings, badTransferEncoding, unknownTransferCoding
  case transferCodingBefore11
  case badConnectionOption, unknownExpectation, methodRefused, badMaxForwards
  case badChunkSize, badChunkExtension, badChunkEnd, badTrailer, contentTooLarge
  /// Of an endpoint: a 101 to a request that offered no other protocol, or none that it names.
  case unexpectedUpgrade
  /// Of an endpoint: more bytes of interim answers than it may send.
  case interimsTooLarge

  /// The status of the answer (RFC 9110 §15.5, §15.6; RFC 6585 §5 for 431).
  public var status: Int {
    switch self {
    case .targetTooLong: 414
    case .unsupportedVersion: 505
    case .tooManyFields, .headTooLarge: 431
    case .unknownTransferCoding, .methodRefused: 501
    case .unknownExpectation: 417
    case .contentTooLarge: 413
    case .badMethod, .badTarget, .badVersion, .badStatusLine, .bareLF, .badLineEnd, .foldedLine,
      .badFieldName, .badFieldValue, .missingHost, .severalHosts, .badHost, .badContentLength,
      .severalContentLengths, .lengthAndTransferEncoding, .severalTransferEncodings,
      .badTransferEncoding,
      .transferCodingBefore11, .badConnectionOption, .badMaxForwards, .badChunkSize,
      .badChunkExtension, .badChunkEnd, .badTrailer, .unexpectedUpgrade, .interimsTooLarge:
      400
    }
  }

  /// For metrics and logs; a finite set.
  public var label: String {
    switch self {
    case .badMethod: "bad_method"
    case .badTarget: "bad_target"
    case .targetTooLong: "target_too_long"
    case .badVersion: "bad_version"
    case .unsupportedVersion: "unsupported_version"
    case .badStatusLine: "bad_status_line"
    case .bareLF: "bare_lf"
    case .badLineEnd: "bad_line_end"
    case .foldedLine: "folded_line"
    case .badFieldName: "bad_field_name"
    case .badFieldValue: "bad_field_value"
    case .tooManyFields: "too_many_fields"
    case .headTooLarge: "head_too_large"
    case .missingHost: "missing_host"
    case .severalHosts: "several_hosts"
    case .badHost: "bad_host"
    case .badContentLength: "bad_content_length"
    case .severalContentLengths: "several_content_lengths"
    case .lengthAndTransferEncoding: "length_and_transfer_encoding"
    case .severalTransferEncodings: "several_transfer_encodings"
    case .badTransferEncoding: "bad_transfer_encoding"
    case .unknownTransferCoding: "unknown_transfer_coding"
    case .transferCodingBefore11: "transfer_coding_before_1_1"
    case .badConnectionOption: "bad_connection_option"
    case .unknownExpectation: "unknown_expectation"
    case .methodRefused: "method_refused"
    case .badMaxForwards: "bad_max_forwards"
    case .badChunkSize: "bad_chunk_size"
    case .badChunkExtension: "bad_chunk_extension"
    case .badChunkEnd: "bad_chunk_end"
    case .badTrailer: "bad_trailer"
    case .contentTooLarge: "content_too_large"
    case .unexpectedUpgrade: "unexpected_upgrade"
    case .interimsTooLarge: "interims_too_large"
    }
  }

  /// Which rule was broken, in a few plain words for the log.
  public var text: String {
    switch self {
    case .badMethod: "the method is no token, or too long"
    case .badTarget: "the target is no path, URL or *"
    case .targetTooLong: "the request line is too long"
    case .badVersion: "the request line does not end with HTTP/1.x"
    case .unsupportedVersion: "another version of HTTP"
    case .badStatusLine: "no status line"
    case .bareLF: "line ends with LF only"
    case .badLineEnd: "CR without LF"
    case .foldedLine: "folded line"
    case .badFieldName: "a field without a colon, or with a bad name"
    case .badFieldValue: "control character in a field"
    case .tooManyFields: "too many fields"
    case .headTooLarge: "head too large"
    case .missingHost: "no Host field"
    case .severalHosts: "two Host fields"
    case .badHost: "Host is no host and port"
    case .badContentLength: "Content-Length is no number"
    case .severalContentLengths: "two Content-Length fields"
    case .lengthAndTransferEncoding: "Content-Length beside Transfer-Encoding"
    case .severalTransferEncodings: "two Transfer-Encoding fields"
    case .badTransferEncoding: "Transfer-Encoding is not chunked"
    case .unknownTransferCoding: "unknown transfer coding"
    case .transferCodingBefore11: "Transfer-Encoding in HTTP/1.0"
    case .badConnectionOption: "bad Connection option"
    case .unknownExpectation: "unknown expectation"
    case .methodRefused: "CONNECT or TRACE"
    case .badMaxForwards: "Max-Forwards is no number"
    case .badChunkSize: "bad chunk size line"
    case .badChunkExtension: "bad chunk extension"
    case .badChunkEnd: "chunk does not end where its size says"
    case .badTrailer: "bad trailer section"
    case .contentTooLarge: "content too large"
    case .unexpectedUpgrade: "101 that was not asked for"
    case .interimsTooLarge: "too many interim answers"
    }
  }
}
