// What a scrape, a check or a canary is to the HTTP client: the request as it is sent, and what its
// outcome means here.
package import Client
package import Fleet
import HTTP
import Primitives

extension PollRequest {
  /// What is kept of the answer to a canary, to tell of it.
  private static let canaryKeptMax = 128

  /// As it is sent, apart from TLS.
  package var clientRequest: ClientRequest {
    var request = ClientRequest(
      HTTP.Method(method), path, at: address, timeout: timeout, contentBytesMax: contentBytesMax)
    request.host = host
    request.fields = fields.map { ClientRequest.Field($0.name, $0.value) }
    request.content = content
    request.preface = Self.preface(proxyHeader)
    switch kind {
    case .prometheus:
      // Text is preferred: OpenMetrics writers may rename counters.
      request.accept =
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=1"
    case .json: request.accept = "application/json"
    case .health: request.excess = needsContent ? .refused : .ignored
    case .tcp: request.onlyConnects = true
    case .grpc: request.beCall()
    case .canary:
      // A new connection each time: clients' requests may need one too.
      request.keepsConnection = false
      request.keptBytesMax = Self.canaryKeptMax
    }
    let isPage = kind == .prometheus || kind == .json
    request.decodesGzip = isPage
    request.followsRedirect = isPage
    return request
  }

  /// We speak for ourselves: `UNKNOWN` and `LOCAL`.
  private static func preface(_ version: ProxyHeader) -> [UInt8] {
    if version == .none { return [] }
    return withUnsafeTemporaryAllocation(byteCount: 32, alignment: 1) { room in
      var writer = ByteWriter(room)
      if version == .v1 {
        ProxyProtocol.writeLine(nil, to: &writer)
      } else {
        ProxyProtocol.writeBinary(nil, to: &writer)
      }
      return Array(writer.written)
    }
  }
}

extension ClientRequest {
  /// Becomes a call of gRPC with one message, its content.
  /// Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
  fileprivate mutating func beCall() {
    version = .http2
    // At most eight digits.
    let milliseconds = min(max(timeout.rawValue / 1_000_000, 1), 99_999_999)
    let own = [
      Field("Content-Type", "application/grpc"), Field("grpc-timeout", "\(milliseconds)m"),
    ]
    fields = own + fields
  }
}

extension HTTP.Method {
  fileprivate init(_ method: HealthPolicy.Method) {
    self =
      switch method {
      case .get: .get
      case .head: .head
      case .options: .options
      case .post: .post
      }
  }
}

extension PollOutcome {
  /// `isPage`: a scrape's, so that a redirect is a failure that says where the page is.
  package init(_ outcome: ClientOutcome, isPage: Bool) {
    switch outcome {
    case .answered(let answer):
      if isPage, let location = answer.location {
        self = .failed(PollFailure(status: answer.status, pageIsAt: location))
      } else {
        self = .answered(status: answer.status, content: answer.content, call: answer.call)
      }
    case .failed(let failure): self = .failed(PollFailure(failure, isPage: isPage))
    case .connected: self = .connected
    case .part: preconditionFailure("a whole answer was asked for")
    }
  }
}

extension PollFailure {
  /// `isPage`: a scrape's, whose limit has a name.
  package init(_ failure: ClientFailure, isPage: Bool) {
    let kind: Kind =
      switch failure.kind {
      case .refused: .refused
      case .unreachable: .unreachable
      case .timeout: .timeout
      case .cut: .cut
      case .tls: .tls
      case .tooLarge: .tooLarge
      case .badHTTP: .badHTTP
      case .badContent: .badPage
      case .local, .stopped: .local
      }
    let limit = isPage && kind == .tooLarge ? ", the limit of `page_bytes`" : ""
    self.init(kind, failure.detail + limit)
  }

  /// A redirect that was not followed.
  package init(status: Int, pageIsAt location: String) {
    let target = Array(location.utf8).withUnsafeBytes { Wording.snippet($0) }
    self.init(.status, "\(status): the page is at \(target); `path` and `port` have to say so")
  }
}
