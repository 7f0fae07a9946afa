// Fields by which a request is followed through several servers, and who may steer it by a field.
public import Primitives

/// What is done with identifiers of requests.
public struct Tracing: Sendable, Equatable {
  /// `X-Request-Id`.
  public enum RequestID: String, Sendable, CaseIterable {
    /// The client's is passed on where it is acceptable, else one is made.
    case accept
    /// One is made for every request.
    case make
    /// The field is passed on as any other.
    case none
  }
  /// W3C `traceparent`.
  public enum Traceparent: String, Sendable, CaseIterable {
    /// The client's trace goes on with a span of ours.
    case renew
    /// The same, and a request without one begins a trace.
    case make
    /// Passed on as it is where it is valid, else dropped.
    case keep
  }

  public var requestID = RequestID.accept
  /// The response has the request's `X-Request-Id`.
  public var answersRequestID = true
  public var traceparent = Traceparent.renew
  /// The response says in `X-Served-By` which endpoint gave it.
  public var servedBy = false
  public init() {}
}

/// Wishes of clients: `X-Steelyard-Endpoint` names the endpoint that shall answer.
public struct ClientHints: Sendable, Equatable {
  /// Whose clientHints are heard; nobody's by default.
  public var trusted: [AddressRange] = []
  public init() {}
}

/// Which version of the PROXY protocol is sent.
public enum ProxyHeader: String, Sendable, Equatable, CaseIterable {
  case none, v1, v2
}
