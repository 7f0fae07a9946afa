// Every way in which a head can be wrong, with the status it earns. Malformed is rejected, never
// repaired: a proxy that repairs lets two parties read two different messages (RFC 9112 §11.2).

/// Why a request or response head, or chunked content, was refused.
public enum HeadError: UInt8, Error, Sendable, CaseIterable {
  case badMethod, badTarget, targetTooLong, badVersion, unsupportedVersion, badStatusLine
  /// A line that does not end in CRLF, or a CR elsewhere.
  case badLineEnd
  case foldedLine, badFieldName, badFieldValue, tooManyFields, headTooLarge
  case missingHost, severalHosts, badHost
  case badContentLength, severalContentLengths, lengthAndTransferEncoding
  case badTransferEncoding, unknownTransferCoding, transferCodingBefore11
  case badConnectionOption, unknownExpectation, methodRefused, badMaxForwards
  case badChunkSize, badChunkExtension, badChunkEnd, badTrailer, contentTooLarge

  /// The status of the answer (RFC 9110 §15.5, §15.6; RFC 6585 §5 for 431).
  public var status: Int {
    switch self {
    case .targetTooLong: 414
    case .unsupportedVersion: 505
    case .tooManyFields, .headTooLarge: 431
    case .unknownTransferCoding, .methodRefused: 501
    case .unknownExpectation: 417
    case .contentTooLarge: 413
    case .badMethod, .badTarget, .badVersion, .badStatusLine, .badLineEnd, .foldedLine,
      .badFieldName, .badFieldValue, .missingHost, .severalHosts, .badHost, .badContentLength,
      .severalContentLengths, .lengthAndTransferEncoding, .badTransferEncoding,
      .transferCodingBefore11, .badConnectionOption, .badMaxForwards, .badChunkSize,
      .badChunkExtension, .badChunkEnd, .badTrailer:
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
    }
  }
}
