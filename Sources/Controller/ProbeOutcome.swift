// What came of one probe. A failure ends in freshness, health and counters and never leaves the
// control loop.
package import Fleet
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
