// Active checks' verdict: `fall` failures in a row make unhealthy, `rise` successes in a row make
// ready. Health is never mixed with weight. A slow verdict is on purpose: busy is not broken.
// Until an endpoint's first success failures may be free for a while (Docker's start period); where
// none counted, the first success is enough.
package import Fleet
package import Primitives

/// The health of one endpoint.
package struct HealthState: Sendable, Equatable {
  package enum Verdict: Sendable, Equatable {
    case good
    case failed
    /// It says itself that it is not to be used: once is enough.
    case notReady
  }

  /// The policy's first one until the first verdict, then `.ready` or `.unhealthy`.
  package private(set) var eligibility: Eligibility
  /// Of the same outcome as the last one.
  package private(set) var inRow = 0
  private var wasSuccess = false
  /// No success since it is new or began anew.
  package private(set) var isStarting = true
  /// A failure counted since then.
  private var hasFailed = false
  private var startedAt: Nanoseconds

  package init(_ policy: HealthPolicy, now: Nanoseconds) {
    eligibility = policy.firstEligibility
    startedAt = now
  }

  /// Goes on with the verdict of another process: the endpoint is unhealthy.
  mutating func restoreUnhealthy() {
    (eligibility, isStarting, hasFailed) = (.unhealthy, false, true)
  }

  /// Takes one check's verdict.
  package mutating func take(_ verdict: Verdict, _ policy: HealthPolicy, now: Nanoseconds) {
    let isSuccess = verdict == .good
    if verdict == .failed, isStarting, now - startedAt < policy.startPeriod { return }
    inRow = isSuccess == wasSuccess ? inRow + 1 : 1
    wasSuccess = isSuccess
    if isSuccess {
      if isStarting && !hasFailed || inRow >= policy.rise { eligibility = .ready }
      isStarting = false
      return
    }
    hasFailed = true
    if verdict == .notReady || inRow >= policy.fall {
      eligibility = .unhealthy
    }
  }

  /// The endpoint's process began anew.
  package mutating func restarted(_ policy: HealthPolicy, now: Nanoseconds) {
    guard policy.startPeriod > .zero else { return }
    isStarting = true
    hasFailed = false
    startedAt = now
    inRow = 0
  }
}
