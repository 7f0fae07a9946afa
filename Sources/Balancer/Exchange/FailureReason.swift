// The reason why a message was refused or an attempt failed, and what the client received instead,
// with labels for metrics and texts for the log. Invariant: the values are trivial and finite in
// number.
package import HTTP
package import IO
package import Primitives

/// How an attempt at an endpoint failed, other than by a malformed message.
package enum ConnectionFailure: UInt8, CaseIterable, Sendable, BitwiseCopyable {
  case refused, unreachable, connectTimeout, tlsFailed, streamRefused, notHTTP2
  case closedBeforeHead, resetBeforeHead, closedInHead, resetInHead
  case sendTimeout, firstByteTimeout
  case closedInContent, resetInContent, contentTimeout

  /// The label for metrics and logs; a finite set.
  package var label: String {
    switch self {
    case .refused: "refused"
    case .unreachable: "unreachable"
    case .connectTimeout: "connect_timeout"
    case .tlsFailed: "tls_failed"
    case .streamRefused: "stream_refused"
    case .notHTTP2: "not_http2"
    case .closedBeforeHead: "closed_before_head"
    case .resetBeforeHead: "reset_before_head"
    case .closedInHead: "closed_in_head"
    case .resetInHead: "reset_in_head"
    case .sendTimeout: "send_timeout"
    case .firstByteTimeout: "first_byte_timeout"
    case .closedInContent: "closed_in_content"
    case .resetInContent: "reset_in_content"
    case .contentTimeout: "content_timeout"
    }
  }

  /// One plain sentence for the log.
  package var text: String {
    switch self {
    case .refused: "the endpoint refused the connection"
    case .unreachable: "the endpoint's address cannot be reached"
    case .connectTimeout: "the endpoint did not accept the connection in time"
    case .tlsFailed: "no TLS connection to the endpoint could be made"
    case .streamRefused: "the endpoint refused the stream (REFUSED_STREAM)"
    case .notHTTP2: "the endpoint does not speak HTTP/2"
    case .closedBeforeHead: "the endpoint closed the connection without an answer"
    case .resetBeforeHead: "the endpoint reset the connection without an answer"
    case .closedInHead: "the endpoint closed the connection in the middle of the answer's head"
    case .resetInHead: "the endpoint reset the connection in the middle of the answer's head"
    case .sendTimeout: "the endpoint did not take the request in time"
    case .firstByteTimeout: "the endpoint did not answer in time"
    case .closedInContent: "the endpoint closed the connection in the middle of the answer"
    case .resetInContent: "the endpoint reset the connection in the middle of the answer"
    case .contentTimeout: "the endpoint stopped in the middle of the answer"
    }
  }
}

/// The fault of a message or an attempt.
package enum FailureReason: Hashable, Sendable, BitwiseCopyable {
  /// A malformed message: from the client if no endpoint is involved, otherwise from the endpoint.
  case malformed(HeadError)
  case connection(ConnectionFailure)
  /// TLS with the client if no endpoint is involved, otherwise with the endpoint.
  case tls(TLSFailure)

  /// The label for metrics and logs; a finite set.
  package var label: String {
    switch self {
    case .malformed(let error): error.label
    case .connection(let failure): failure.label
    case .tls(let failure): "tls_\(failure.label)"
    }
  }

  /// One plain sentence for the log.
  package var text: String {
    switch self {
    case .malformed(let error): error.text
    case .connection(let failure): failure.text
    case .tls(let failure): "\(failure.words)"
    }
  }
}

/// What the client received.
package enum FailureEnd: Sendable, Equatable, BitwiseCopyable {
  /// An answer by steelyard with this status.
  case answered(Int16)
  /// Nothing yet: another attempt was made.
  case repeated
  /// An incomplete answer.
  case cut
  /// No connection.
  case nothing
}

/// One refused message or failed attempt. Trivial.
package struct FailureNote: Sendable, Equatable, BitwiseCopyable {
  /// The reason of the refusal or failure.
  package var reason: FailureReason
  /// What the client received.
  package var end: FailureEnd
  /// The client's address.
  package var client: IPAddress
  /// The endpoint's index; −1: no endpoint was involved.
  package var endpointIndex: Int32
}
