// The result of one poll: a scrape, a health check or a canary. A failure ends in freshness, health
// and counters and never leaves the control loop.
package import Client
package import Fleet
package import Primitives

/// Which poll of which endpoint, and which attempt.
package struct PollID: Hashable, Sendable {
  /// The endpoint's index.
  package let endpointIndex: Int
  /// The index of the scrape source, −1 for the health check, −2 for the canary.
  package let source: Int
  /// Never used twice by a controller.
  package let serial: UInt64

  package init(endpointIndex: Int, source: Int, serial: UInt64) {
    self.endpointIndex = endpointIndex
    self.source = source
    self.serial = serial
  }
}

/// The end of a poll.
package enum PollOutcome {
  /// A whole answer. `content` has to be valid only until the outcome was taken. `call`: the end of
  /// a gRPC call.
  case answered(status: Int, content: UnsafeRawBufferPointer, call: CallEnd? = nil)
  case failed(PollFailure)
  /// The connection was accepted, and no more was asked for.
  case connected
}

/// Counts of one endpoint and poll since it exists.
package struct PollStatistics: Sendable, Equatable {
  package internal(set) var attempts: UInt64 = 0
  package internal(set) var successes: UInt64 = 0
  private var failureCounts = [UInt64](repeating: 0, count: PollFailure.Kind.allCases.count)
  /// Lines of its pages that were refused.
  package internal(set) var parseErrors: UInt64 = 0
  /// The first of them on the last page that had one.
  package internal(set) var lastParseError: String?
  /// From sending to the end, of the last poll that ended.
  package internal(set) var lastDuration: Nanoseconds?
  /// Wall-clock time since 1970.
  package internal(set) var lastSuccessWall: Nanoseconds?
  /// nil while the last poll was a success.
  package private(set) var failure: PollFailure?

  package init() {}

  /// Failed polls of that kind.
  package func failures(_ kind: PollFailure.Kind) -> UInt64 { failureCounts[Int(kind.rawValue)] }

  /// Polls that were answered, with whatever.
  package var answers: UInt64 {
    let kinds: [PollFailure.Kind] = [
      .tooLarge, .status, .content, .notReady, .badHTTP, .badPage,
    ]
    return kinds.reduce(successes) { $0 + failures($1) }
  }

  mutating func succeed(wall: Nanoseconds) {
    successes += 1
    lastSuccessWall = wall
    failure = nil
  }

  mutating func fail(_ failure: PollFailure) {
    failureCounts[Int(failure.kind.rawValue)] += 1
    self.failure = failure
  }
}
