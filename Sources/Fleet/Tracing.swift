// Header fields that identify a request across several servers, and the clients that may choose an
// endpoint by a field.
public import Primitives

/// How request identifiers are treated.
public struct Tracing: Sendable, Equatable {
  /// Treatment of `X-Request-Id`.
  public enum RequestID: String, Sendable, CaseIterable {
    /// The client's identifier is passed on if it is acceptable; otherwise a new one is made.
    case accept
    /// A new identifier is made for every request.
    case make
    /// The field is passed on like any other.
    case none
  }
  /// Treatment of W3C `traceparent`.
  public enum Traceparent: String, Sendable, CaseIterable {
    /// The client's trace continues with a span of steelyard's.
    case renew
    /// The same; a request without a trace begins one.
    case make
    /// A valid field is passed on unchanged, an invalid one is dropped.
    case keep
  }

  public var requestID = RequestID.accept
  /// Whether the response has the request's `X-Request-Id`.
  public var answersRequestID = true
  public var traceparent = Traceparent.renew
  /// Whether the response names its endpoint in `X-Served-By`.
  public var servedBy = false
  public init() {}
}

/// Endpoint preferences of clients: `X-Steelyard-Endpoint` names the endpoint that is to answer.
public struct ClientHints: Sendable, Equatable {
  /// Clients whose preferences are used; none by default.
  public var trusted: [AddressRange] = []
  public init() {}
}

/// The version of the PROXY protocol header that is sent.
public enum ProxyHeader: String, Sendable, Equatable, CaseIterable {
  case none, v1, v2
}
