// HTTP/2 as the operator describes it: at a listener, and to the endpoints of a pool.
public import Primitives

/// HTTP/2 of a listener's clients (RFC 9113).
public struct HTTP2Policy: Sendable, Equatable {
  /// The requests that a connection may carry at once. Range 1...1_000.
  public var streamsMax = 100
  /// The age at which a connection takes no further requests, so that its client connects anew and
  /// is spread again over the balancers and workers; nil: no limit.
  public var ageMax: Nanoseconds? = .seconds(3_600)
  /// The number of requests after which a connection takes no further ones; nil: no limit.
  /// Range 1...1_000_000_000.
  public var requestsMax: Int?
  public init() {}
}

/// The HTTP version of the connections to a pool's endpoints.
public enum EndpointProtocol: String, Sendable, Hashable, CaseIterable {
  case http1, http2
  /// HTTP/2 if the endpoint chooses it in the TLS handshake (ALPN), else HTTP/1.1.
  case auto
}
