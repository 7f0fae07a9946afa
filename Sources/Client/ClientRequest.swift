// The request of one exchange, and which part of the answer its owner needs, as plain data. The
// drivers carry it out.
package import HTTP
package import Primitives

package struct ClientRequest: Sendable, Equatable {
  /// A field of the request's head.
  package struct Field: Sendable, Equatable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  /// What happens if the answer has more content than `contentBytesMax`.
  package enum Excess: Sendable, Equatable {
    /// The exchange fails with `tooLarge`.
    case refused
    /// The exchange ends with the answer's status and without its content.
    case ignored
  }

  /// The version of HTTP. Over TLS it is the one that is offered.
  package enum Version: Sendable, Equatable {
    case http1
    /// Without TLS with prior knowledge. The connection carries one exchange.
    case http2
  }

  package var address: SocketAddress
  package var version = Version.http1
  /// TLS of the connection; nil: it is in the clear.
  package var security: ClientSecurity?
  /// The value of `Host`; nil: the address.
  package var host: String?
  /// Any but `other`.
  package var method: Method
  /// Begins with "/"; may have a query. Bytes that a request line cannot contain are
  /// percent-encoded.
  package var path: String
  /// The value of `Accept`.
  package var accept = "*/*"
  /// Further fields. `User-Agent`, `Accept` and `Accept-Encoding` among them replace the client's.
  package var fields: [Field] = []
  /// The content of the request; sent with POST, PUT and PATCH only.
  package var content: [UInt8] = []
  /// The time from the start to the end of the exchange, connecting and redirects included.
  package var timeout: Nanoseconds
  /// The most bytes of content. With 0 and `excess` `ignored` the exchange ends with the head.
  package var contentBytesMax: Int
  package var excess = Excess.refused
  /// The bytes of content that are kept; the others are only counted.
  package var keptBytesMax = Int.max
  /// The answer's `Content-Type` is kept.
  package var keepsContentType = false
  /// The answer's fields of these names, in lower case, are kept.
  package var keptFields: [String] = []
  /// The content of an answer with status 200 is passed on as it comes, however long it is.
  package var isStream = false
  /// Content in the gzip coding is decoded: some servers compress unasked.
  package var decodesGzip = false
  /// A redirect to the same server is followed, once.
  package var followsRedirect = false
  /// False: `Connection: close` is sent, and the connection is used once.
  package var keepsConnection = true
  /// If a kept connection ends without a byte of an answer, the request is sent again over a new
  /// one, once (RFC 9112 §9.3.1).
  package var isSentAgain = true
  /// No request is sent: the exchange ends when the connection is established, with TLS when the
  /// handshake is over.
  package var onlyConnects = false
  /// Bytes that are sent first on a new connection, before its first request and in the clear.
  package var preface: [UInt8] = []

  package init(
    _ method: Method, _ path: String, at address: SocketAddress, timeout: Nanoseconds,
    contentBytesMax: Int
  ) {
    self.method = method
    self.path = path
    self.address = address
    self.timeout = timeout
    self.contentBytesMax = contentBytesMax
  }
}
