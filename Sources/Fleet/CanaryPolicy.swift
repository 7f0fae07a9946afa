// The canary: a request defined by the operator that tries an ejected or sick endpoint, so that no
// client's request has to try it first.
public import Primitives

/// The request that is sent. Its answer is good if it is complete and has a status 200...299.
public struct CanaryPolicy: Sendable, Equatable {
  public var method: HealthPolicy.Method = .get
  /// The request target's path; it may have a query.
  public var path = "/"
  /// The Host field; nil: the endpoint's address.
  public var host: String?
  /// Further fields of the request. At most 16.
  public var fields: [HealthPolicy.Field] = []
  /// TLS of the connection, which is the pool's; nil: it is in the clear.
  public var tls: ClientTLS?
  /// The request's content, 1...65_536 bytes, only with POST; nil: none.
  public var content: String?
  /// The longest time from sending the request to the last byte of the answer.
  public var timeout: Nanoseconds = .seconds(10)
  public init() {}
}
