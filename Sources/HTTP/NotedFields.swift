// The positions of the fields that change how a request is handled, other than its framing, found
// in one pass. A field that occurs twice is ignored.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// The index of a field in a head's table.
@frozen public struct FieldPosition: Sendable, Equatable {
  private var index: Int16 = -1

  @inlinable public init() {}

  /// nil: the field is absent or occurs more than once.
  public var only: Int? { index >= 0 ? Int(index) : nil }
  public var isAbsent: Bool { index == -1 }

  mutating func note(_ found: Int) { index = index == -1 ? Int16(found) : -2 }
}

/// The noted fields of one request head; valid as long as the head.
@frozen public struct NotedFields: Sendable {
  public private(set) var requestID = FieldPosition()
  public private(set) var traceparent = FieldPosition()
  public private(set) var forwardedProto = FieldPosition()
  public private(set) var forwardedHost = FieldPosition()
  public private(set) var endpointHint = FieldPosition()
  public private(set) var hasForwardedFor = false

  public init(_ fields: FieldTable) {
    guard
      fields.has(.xRequestID) || fields.has(.traceparent) || fields.has(.xForwardedFor)
        || fields.has(.xForwardedProto) || fields.has(.xForwardedHost)
        || fields.has(.steelyardEndpoint)
    else { return }
    for index in 0..<fields.count {
      switch fields[index].name {
      case .xRequestID: requestID.note(index)
      case .traceparent: traceparent.note(index)
      case .xForwardedFor: hasForwardedFor = true
      case .xForwardedProto: forwardedProto.note(index)
      case .xForwardedHost: forwardedHost.note(index)
      case .steelyardEndpoint: endpointHint.note(index)
      default: break
      }
    }
  }
}
