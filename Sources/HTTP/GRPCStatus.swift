// The outcomes of gRPC calls (https://grpc.github.io/grpc/core/md_doc_statuscodes.html), in the
// trailer `grpc-status`.

/// A status code of gRPC. Raw values are those on the wire, except `other`.
public enum GRPCStatus: UInt8, Sendable, CaseIterable {
  case ok, cancelled, unknown, invalidArgument, deadlineExceeded, notFound, alreadyExists
  case permissionDenied, resourceExhausted, failedPrecondition, aborted, outOfRange
  case unimplemented, `internal`, unavailable, dataLoss, unauthenticated
  /// A number that gRPC does not define.
  case other

  /// Of a number as it was received.
  public init(number: Int) {
    self = number >= 0 && number < 17 ? GRPCStatus(rawValue: UInt8(number)) ?? .other : .other
  }

  /// The server's fault, or that of the way to it, rather than the caller's.
  public var isFailure: Bool {
    switch self {
    case .unknown, .deadlineExceeded, .internal, .unavailable, .dataLoss: true
    default: false
    }
  }

  /// The label for metrics and logs; a finite set.
  public var label: String {
    switch self {
    case .ok: "OK"
    case .cancelled: "CANCELLED"
    case .unknown: "UNKNOWN"
    case .invalidArgument: "INVALID_ARGUMENT"
    case .deadlineExceeded: "DEADLINE_EXCEEDED"
    case .notFound: "NOT_FOUND"
    case .alreadyExists: "ALREADY_EXISTS"
    case .permissionDenied: "PERMISSION_DENIED"
    case .resourceExhausted: "RESOURCE_EXHAUSTED"
    case .failedPrecondition: "FAILED_PRECONDITION"
    case .aborted: "ABORTED"
    case .outOfRange: "OUT_OF_RANGE"
    case .unimplemented: "UNIMPLEMENTED"
    case .internal: "INTERNAL"
    case .unavailable: "UNAVAILABLE"
    case .dataLoss: "DATA_LOSS"
    case .unauthenticated: "UNAUTHENTICATED"
    case .other: "other"
    }
  }
}
