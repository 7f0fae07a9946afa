// Active probes' verdict: `fall` failures in a row make unhealthy, `rise` successes in a row make
// ready. Health is never mixed with weight. A slow verdict is on purpose: busy is not broken.
package import Fleet

/// The health of one endpoint.
package struct HealthState: Sendable, Equatable {
  /// `.starting` until the first verdict, then `.ready` or `.unhealthy`; `.ready` without probes.
  package private(set) var eligibility: Eligibility
  /// Of the same outcome as the last one.
  package private(set) var inRow = 0
  private var wasSuccess = false

  /// `isProbed` false: nobody will ask, so the endpoint is ready.
  package init(isProbed: Bool) { eligibility = isProbed ? .starting : .ready }

  /// Takes one probe's outcome.
  package mutating func take(isSuccess: Bool, _ policy: HealthPolicy) {
    inRow = isSuccess == wasSuccess ? inRow + 1 : 1
    wasSuccess = isSuccess
    if isSuccess, inRow >= policy.rise {
      eligibility = .ready
    } else if !isSuccess, inRow >= policy.fall {
      eligibility = .unhealthy
    }
  }
}
