// The canary: a request of the operator's own that tries an endpoint which is out of favour, so
// that no client's request has to.
public import Primitives

/// What is sent. A good answer is complete and has a status 200...299.
public struct CanaryPolicy: Sendable, Equatable {
  public var method: HealthPolicy.Method = .get
  /// With a query, if wanted.
  public var path = "/"
  /// The Host field; nil: the address.
  public var host: String?
  /// At most 16.
  public var fields: [HealthPolicy.Field] = []
  /// 1...65_536 bytes, with POST only; nil: none.
  public var content: String?
  /// From sending to the answer's last byte, at most.
  public var timeout: Nanoseconds = .seconds(10)
  public init() {}
}
