// What came of one probe. A failure is a kind with a finite label and a text for people; it ends in
// freshness, health and counters and never leaves the control loop.
package import Primitives

/// Which probe of which endpoint, and which attempt.
package struct ProbeID: Hashable, Sendable {
  /// The endpoint's index.
  package let endpointIndex: Int
  /// The index of the scrape source, −1 for the health probe, −2 for the canary.
  package let source: Int
  /// Never used twice by a controller.
  package let serial: UInt64

  package init(endpointIndex: Int, source: Int, serial: UInt64) {
    self.endpointIndex = endpointIndex
    self.source = source
    self.serial = serial
  }
}

/// Why a probe failed.
package struct ProbeFailure: Error, Sendable, Equatable {
  package enum Kind: UInt8, Sendable, CaseIterable {
    /// Nobody listens there.
    case refused
    /// No way to the address.
    case unreachable
    /// Not over before the deadline.
    case timeout
    /// The connection ended within the answer.
    case cut
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

/// The end of a probe.
package enum ProbeOutcome {
  /// A whole answer. `content` has to be valid only until the outcome was taken.
  case answered(status: Int, content: UnsafeRawBufferPointer)
  case failed(ProbeFailure)
  /// The connection was accepted, and no more was asked for.
  case connected
}

/// Counts of one endpoint and probe since it exists.
package struct ProbeStatistics: Sendable, Equatable {
  package internal(set) var attempts: UInt64 = 0
  package internal(set) var successes: UInt64 = 0
  private var failureCounts = [UInt64](repeating: 0, count: ProbeFailure.Kind.allCases.count)
  /// Lines of its pages that were refused.
  package internal(set) var parseErrors: UInt64 = 0
  /// The first of them on the last page that had one.
  package internal(set) var lastParseError: String?
  /// From sending to the end, of the last probe that ended.
  package internal(set) var lastDuration: Nanoseconds?
  /// Wall-clock time since 1970.
  package internal(set) var lastSuccessWall: Nanoseconds?
  /// nil while the last probe was a success.
  package private(set) var failure: ProbeFailure?

  package init() {}

  /// Failed probes of that kind.
  package func failures(_ kind: ProbeFailure.Kind) -> UInt64 { failureCounts[Int(kind.rawValue)] }

  /// Probes that were answered, with whatever.
  package var answers: UInt64 {
    let kinds: [ProbeFailure.Kind] = [
      .tooLarge, .status, .content, .notReady, .badHTTP, .badPage,
    ]
    return kinds.reduce(successes) { $0 + failures($1) }
  }

  mutating func succeed(wall: Nanoseconds) {
    successes += 1
    lastSuccessWall = wall
    failure = nil
  }

  mutating func fail(_ failure: ProbeFailure) {
    failureCounts[Int(failure.kind.rawValue)] += 1
    self.failure = failure
  }
}
