// Why a scrape, a health check or a canary failed: a kind with a finite label, a text for people.

/// Why a poll failed.
package struct PollFailure: Error, Sendable, Equatable {
  package enum Kind: UInt8, Sendable, CaseIterable {
    /// Nobody listens there.
    case refused
    /// No way to the address.
    case unreachable
    /// Not over before the deadline.
    case timeout
    /// The connection ended within the answer.
    case cut
    /// The TLS handshake failed, or the TLS connection broke.
    case tls
    /// The answer is longer than allowed.
    case tooLarge
    /// A status that is no success.
    case status
    /// A good status whose content does not say what it has to.
    case content
    /// It answers that it is not to be used yet, or no more.
    case notReady
    /// No valid HTTP.
    case badHTTP
    /// Metrics that cannot be read.
    case badPage
    /// We ran out of descriptors or memory: nothing is known of the endpoint.
    case local

    /// The value of a metric label, finite by construction.
    package var label: String {
      switch self {
      case .refused: "refused"
      case .unreachable: "unreachable"
      case .timeout: "timeout"
      case .cut: "cut"
      case .tls: "tls"
      case .tooLarge: "too_large"
      case .status: "status"
      case .content: "content"
      case .notReady: "not_ready"
      case .badHTTP: "bad_http"
      case .badPage: "bad_page"
      case .local: "local"
      }
    }
  }
  package var kind: Kind
  package var detail: String

  package init(_ kind: Kind, _ detail: String = "") {
    self.kind = kind
    self.detail = detail
  }
}
