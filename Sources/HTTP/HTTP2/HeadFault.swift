// Why a head of HTTP/2 is malformed (RFC 9113 §8.1.1): its stream is reset. Invariant: the reasons
// are finite in number.

/// The rule that a head or a trailer section broke.
public enum HeadFault: UInt8, Error, CaseIterable, Sendable, BitwiseCopyable {
  case badName, badValue
  case unknownPseudoField, repeatedPseudoField, latePseudoField, missingPseudoField
  case badMethod, badScheme, badPath, badAuthority, badStatus, connectRefused
  /// `Host` beside another `:authority`.
  case otherHost
  /// A field of a connection of HTTP/1, or `te` that is not "trailers".
  case connectionField
  case badContentLength
  /// An interim answer that ends its stream.
  case interimEnd

  /// The label for logs; a finite set.
  public var label: String {
    switch self {
    case .badName: "bad_name"
    case .badValue: "bad_value"
    case .unknownPseudoField: "unknown_pseudo_field"
    case .repeatedPseudoField: "repeated_pseudo_field"
    case .latePseudoField: "late_pseudo_field"
    case .missingPseudoField: "missing_pseudo_field"
    case .badMethod: "bad_method"
    case .badScheme: "bad_scheme"
    case .badPath: "bad_path"
    case .badAuthority: "bad_authority"
    case .badStatus: "bad_status"
    case .connectRefused: "connect_refused"
    case .otherHost: "other_host"
    case .connectionField: "connection_field"
    case .badContentLength: "bad_content_length"
    case .interimEnd: "interim_end"
    }
  }

  /// Which rule was broken, in a few plain words for the log.
  public var text: String {
    switch self {
    case .badName: "a field name is no lower-case token"
    case .badValue: "a control character in a field, or white space around its value"
    case .unknownPseudoField: "an unknown pseudo-field"
    case .repeatedPseudoField: "a pseudo-field twice"
    case .latePseudoField: "a pseudo-field behind other fields"
    case .missingPseudoField: "a pseudo-field is missing"
    case .badMethod: "the method is no token, or too long"
    case .badScheme: "the scheme is none"
    case .badPath: "the path is none"
    case .badAuthority: "the authority is empty, or none"
    case .badStatus: "the status is none, or 101"
    case .connectRefused: "CONNECT"
    case .otherHost: "host differs from :authority"
    case .connectionField: "a field of HTTP/1 connections"
    case .badContentLength: "content-length is no number, twice there, or not 0 without content"
    case .interimEnd: "an interim answer without a final one"
    }
  }
}
