// The result of one exchange. A failure has a kind with a finite label, and a text for people.
package import HTTP
package import IO

/// Why an exchange has no answer.
package struct ClientFailure: Error, Sendable, Equatable {
  package enum Kind: UInt8, Sendable, CaseIterable {
    /// The server refuses the connection.
    case refused
    /// The address is not reachable.
    case unreachable
    /// The exchange did not end before the deadline.
    case timeout
    /// The connection ended before the answer did.
    case cut
    /// The TLS handshake failed, or the TLS connection broke.
    case tls
    /// The answer is longer than allowed.
    case tooLarge
    /// The answer is not valid HTTP.
    case badHTTP
    /// The content is not valid gzip, although it begins like gzip.
    case badContent
    /// This process has no descriptor or memory left; nothing is known about the server.
    case local
    /// The caller stopped the exchange.
    case stopped

    /// The label for metrics and logs, one of a finite set.
    package var label: String {
      switch self {
      case .refused: "refused"
      case .unreachable: "unreachable"
      case .timeout: "timeout"
      case .cut: "cut"
      case .tls: "tls"
      case .tooLarge: "too_large"
      case .badHTTP: "bad_http"
      case .badContent: "bad_content"
      case .local: "local"
      case .stopped: "stopped"
      }
    }
  }

  package var kind: Kind
  package var detail: String
  /// The reason where the kind is `tls`.
  package internal(set) var tls: TLSFailure?
  /// The answer in the clear was an alert of TLS.
  package internal(set) var isTLSAlert = false

  package init(_ kind: Kind, _ detail: String) {
    self.kind = kind
    self.detail = detail
  }

  /// An alert of TLS: how a server of TLS answers what is in the clear (RFC 8446 §5.1).
  static var tlsAlert: ClientFailure {
    var failure = ClientFailure(.badHTTP, "the server speaks TLS: `tls` is missing")
    failure.isTLSAlert = true
    return failure
  }
}

/// The outcome of a gRPC call, from the trailers of the answer or from a head without content.
package struct CallEnd: Sendable, Equatable {
  package let status: GRPCStatus
  /// Text of the server's; empty: it said nothing.
  package let message: String

  package init(status: GRPCStatus, message: String) {
    self.status = status
    self.message = message
  }
}

/// A whole answer.
package struct ClientAnswer {
  package let status: Int
  /// The value of `Location` in a redirect that was not followed (RFC 9110 §15.4).
  package let location: String?
  /// The value of `Content-Type`, if the request asked to keep it.
  package let contentType: String?
  /// The values of the fields that the request asked to keep, by name.
  package let keptFields: [String: String]
  /// The outcome of a gRPC call; nil: the answer has none.
  package let call: CallEnd?
  /// The content; valid only while the outcome is handled.
  package let content: UnsafeRawBufferPointer
}

/// The end of an exchange, or a part of the content of a stream.
package enum ClientOutcome {
  /// More content of a stream, which goes on; valid only while the outcome is handled.
  case part(UnsafeRawBufferPointer)
  case answered(ClientAnswer)
  case failed(ClientFailure)
  /// The connection is established, of a request that `onlyConnects`.
  case connected
}
