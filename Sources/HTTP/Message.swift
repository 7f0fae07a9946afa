// A parsed head: offsets into the bytes that it was parsed from, and the meaning of its fields for
// framing. Plain values, valid as long as those bytes.

/// The request methods that are told apart (RFC 9110 §9; PATCH is RFC 5789).
public enum Method: UInt8, Sendable, CaseIterable {
  case get, head, post, put, delete, options, patch, other

  /// The label for metrics, one of a finite set.
  public var label: String {
    switch self {
    case .get: "GET"
    case .head: "HEAD"
    case .post: "POST"
    case .put: "PUT"
    case .delete: "DELETE"
    case .options: "OPTIONS"
    case .patch: "PATCH"
    case .other: "other"
    }
  }

  /// Repeating the request has the effect of making it once (RFC 9110 §9.2.2).
  @inlinable public var isIdempotent: Bool {
    switch self {
    case .get, .head, .put, .delete, .options: true
    case .post, .patch, .other: false
    }
  }
}

/// How the end of a message's content is known (RFC 9112 §6.3).
public enum Framing: Sendable, Equatable {
  case none
  case length(Int)
  case chunked
  /// The content ends with the connection; responses only.
  case untilClose
}

/// The fields that a proxy has to know.
public enum FieldName: UInt8, Sendable, CaseIterable {
  case other, connection, contentLength, transferEncoding, host, expect, upgrade, keepAlive, te
  case trailer, proxyConnection, via, xForwardedFor, xForwardedProto, xForwardedHost, xRealIP
  case http2Settings
  /// RFC 7239.
  case forwarded
  /// `X-Forwarded-` and something else.
  case xForwardedOther
  case xRequestID, traceparent, tracestate, xServedBy, date, maxForwards
  /// A client's wish for an endpoint, and other fields of our own.
  case steelyardEndpoint, steelyardOther
  /// A framing field's name, or one of the `X-` names above, with "_" in the place of "-": many endpoints cannot tell them.
  case counterfeit

  /// Meant for the next hop only (RFC 9110 §7.6.1). `Trailer` announces fields that we pass on.
  @inlinable public var isHopByHop: Bool {
    switch self {
    case .connection, .transferEncoding, .upgrade, .keepAlive, .te, .proxyConnection,
      .http2Settings:
      true
    default: false
    }
  }
}

/// One field line: offsets into the bytes that were parsed, an empty line before the head
/// included.
@frozen public struct Field: Sendable {
  /// The line, with its CRLF, is `start..<end`.
  public var start: UInt16
  public var nameEnd: UInt16
  public var valueStart: UInt16
  public var valueEnd: UInt16
  public var end: UInt16
  public var name: FieldName
}

/// The options of the `Connection` field.
@frozen public struct ConnectionOptions: Sendable, Equatable {
  public var close = false
  public var keepAlive = false
  public var upgrade = false
  /// The field names further fields, which are hop-by-hop too.
  public var namesFields = false
  @inlinable public init() {}
}

/// A request head (RFC 9112 §3).
@frozen public struct RequestHead: Sendable {
  public var method = Method.other
  /// HTTP/1.x: the x, at most 1.
  public var minorVersion: UInt8 = 1
  /// The head without an empty line before it, with the empty line after it.
  public var start = 0
  public var end = 0
  public var methodEnd = 0
  /// The target in origin form: path and query. Empty (then "/" or "*") is `targetStart ==
  /// targetEnd`.
  public var targetStart = 0
  public var targetEnd = 0
  /// The end of the path: "?" or the end of the target.
  public var pathEnd = 0
  /// `OPTIONS *`.
  public var isAsterisk = false
  /// The host and port the request is for, from the absolute form or else from `Host`.
  public var authorityStart = 0
  public var authorityEnd = 0
  public var isAbsoluteForm = false
  public var framing = Framing.none
  public var connection = ConnectionOptions()
  public var expectsContinue = false
  /// How many more times OPTIONS may be forwarded (RFC 9110 §7.6.2); −1: there is no limit, or the
  /// method is another one.
  public var maxForwards: Int32 = -1
  /// The client offers to go on in another protocol, and it is one that may be passed on
  /// (RFC 9110 §7.8).
  public var asksUpgrade = false
  @inlinable public init() {}

  /// Whether the client keeps the connection after this exchange (RFC 9112 §9.3).
  @inlinable public var isPersistent: Bool {
    !connection.close && (minorVersion >= 1 || connection.keepAlive)
  }
}

/// A response head (RFC 9112 §4).
@frozen public struct ResponseHead: Sendable {
  public var minorVersion: UInt8 = 1
  public var status = 0
  public var end = 0
  public var reasonStart = 0
  public var reasonEnd = 0
  public var framing = Framing.none
  public var connection = ConnectionOptions()
  /// A 101 that says to which protocol (RFC 9110 §15.2.2).
  public var isUpgrade = false
  /// `Upgrade` is meant for the client: of a 101, or of a 426 (RFC 9110 §15.5.22).
  public var keepsUpgrade = false
  public var hasDate = false
  @inlinable public init() {}

  /// No `Content-Length` may stand in it (RFC 9110 §8.6).
  @inlinable public var forbidsLength: Bool { status < 200 || status == 204 }

  /// 1xx but not 101: the final head is still to come (RFC 9110 §15.2).
  @inlinable public var isInterim: Bool { status < 200 && status != 101 }
  /// Whether the connection may be used again after the content.
  @inlinable public var isPersistent: Bool {
    !connection.close && framing != .untilClose && (minorVersion >= 1 || connection.keepAlive)
  }
}

/// The verdict of a parser on the bytes so far.
public enum HeadVerdict: Sendable, Equatable {
  case incomplete
  case complete
  case rejected(HeadError)
}
