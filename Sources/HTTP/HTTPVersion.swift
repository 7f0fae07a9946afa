// The version of HTTP that a request came with.

/// A version of HTTP.
public enum HTTPVersion: UInt8, Sendable, CaseIterable {
  case http10, http11, http2

  /// The label for metrics and logs; a finite set.
  public var label: String {
    switch self {
    case .http10: "HTTP/1.0"
    case .http11: "HTTP/1.1"
    case .http2: "HTTP/2"
    }
  }
}
