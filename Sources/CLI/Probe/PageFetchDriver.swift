// Fetches one page for a command, in the calling thread.
import Client
import Controller
import Fleet
import Primitives

/// The result of one GET. Unlike a scrape it keeps the content.
struct PageFetch: Sendable, Equatable {
  enum Outcome: Sendable, Equatable {
    case answered(status: Int, content: [UInt8])
    case failed(PollFailure)
  }
  var path: String
  var sentAt: Nanoseconds
  var duration: Nanoseconds
  var outcome: Outcome
  /// The value of the answer's `Content-Type`.
  var contentType: String?
  /// The first bytes of the answer.
  var firstBytes: [UInt8]

  init(
    path: String, sentAt: Nanoseconds = .zero, duration: Nanoseconds = .zero, _ outcome: Outcome,
    contentType: String? = nil, firstBytes: [UInt8] = []
  ) {
    self.path = path
    self.sentAt = sentAt
    self.duration = duration
    self.outcome = outcome
    self.contentType = contentType
    self.firstBytes = firstBytes
  }

  /// A whole page with status 200, else nil.
  var page: [UInt8]? {
    if case .answered(200, let content) = outcome { content } else { nil }
  }
}

enum PageFetchDriver {
  /// The default limit of `serve`.
  private static let pageBytesMax = WeightPolicy().pageBytesMax

  /// Fetches a page from the first of the addresses that takes the connection. Requires: one at
  /// least. Blocks for the timeout at most, for each address. `userAgent` is like `steelyard/1.0`.
  static func fetch(
    _ addresses: [SocketAddress], _ security: ClientSecurity?, host: String, path: String,
    kind: PollRequest.Kind,
    timeout: Nanoseconds, userAgent: String
  ) -> PageFetch {
    var last: PageFetch?
    for (index, address) in addresses.enumerated() {
      var request = PollRequest(
        id: PollID(endpointIndex: 0, source: 0, serial: UInt64(index)), address: address,
        path: path, kind: kind, timeout: timeout, contentBytesMax: pageBytesMax)
      request.host = host
      var clientRequest = request.clientRequest
      clientRequest.keepsContentType = true
      clientRequest.security = security
      let fetch = PageFetch(BlockingClient.send(clientRequest, userAgent: userAgent))
      if case .failed(let failure) = fetch.outcome,
        failure.kind == .refused || failure.kind == .unreachable
      {
        last = last ?? fetch
        continue
      }
      return fetch
    }
    return last
      ?? PageFetch(path: path, .failed(PollFailure(.unreachable, "there is no address")))
  }
}

extension PageFetch {
  fileprivate init(_ reply: ClientReply) {
    var type: String?
    let outcome: Outcome
    switch reply.outcome {
    case .answered(let status, let location?, _, _):
      outcome = .failed(PollFailure(status: status, pageIsAt: location))
    case .answered(let status, nil, let contentType, let content):
      outcome = .answered(status: status, content: content)
      type = contentType
    case .failed(let failure): outcome = .failed(PollFailure(failure, isPage: true))
    }
    self.init(
      path: reply.path, sentAt: reply.sentAt, duration: reply.duration, outcome,
      contentType: type, firstBytes: reply.firstBytes)
  }
}
