// The arithmetic of a limit that several replicas share: GCRA (ITU-T I.371 §A.1, the virtual
// scheduling algorithm), the same as in the script that the common store runs (`LeaseScript`).
package import Fleet
package import Primitives

/// A rate and a burst.
package struct LeaseRule: Sendable, Equatable {
  /// The time in which one request is earned, nanoseconds. Above 0.
  package let interval: Double
  /// The requests that may come at once. Range 1...1_000_000.
  package let burst: Int

  package init(interval: Double, burst: Int) {
    self.interval = interval
    self.burst = burst
  }

  /// The rule of a configured limit.
  package init(_ limit: RateLimit) {
    self.init(interval: Double(limit.rate.interval.rawValue), burst: limit.burst)
  }

  /// The part of the burst that each of so many replicas may spend before it has asked, which is
  /// also the most that it holds: a lease. At least one request.
  package func lease(replicas: Int) -> Int { max(1, burst / max(1, replicas)) }

  /// The rule of a replica that is cut off from the others: its part of the rate and of the burst.
  package func share(replicas: Int) -> LeaseRule {
    LeaseRule(interval: interval * Double(max(1, replicas)), burst: lease(replicas: replicas))
  }

  /// The duration in which so many requests are earned.
  func duration(of count: Double) -> Nanoseconds { Nanoseconds(Int64(count * interval)) }

  /// The requests that are earned in a duration; 0 for a negative one.
  func count(in duration: Nanoseconds) -> Double {
    Double(max(0, duration.rawValue)) / interval
  }

  /// Charges `charge` requests, which were admitted already, to a bucket that is full at `fullAt`,
  /// and grants up to `ask` further ones. Example: 10 a second, burst 3, full: a charge of 1 and
  /// an ask of 5 grant 2; the bucket is full again after 300 ms, and one request is earned after
  /// 100 ms.
  package func settle(
    fullAt: Nanoseconds, charge: Int, ask: Int, now: Nanoseconds
  ) -> LeaseAnswer {
    var deficit = count(in: fullAt - now) + Double(charge)
    let room = Int((Double(burst) - deficit + 1e-6).rounded(.down))
    let grant = max(0, min(ask, room))
    deficit += Double(grant)
    let wait = max(0, deficit + 1 - Double(burst))
    return LeaseAnswer(
      grant: grant, untilFull: duration(of: deficit),
      wait: grant < ask ? duration(of: wait) : .zero)
  }
}

/// What the common store, or this replica's own bucket, answers to a claim.
package struct LeaseAnswer: Sendable, Equatable {
  /// The requests that were granted, at most those that were asked for.
  package var grant: Int
  /// The time until the bucket is full again, if nobody else takes from it.
  package var untilFull: Nanoseconds
  /// The time until a further request is earned; 0: everything was granted.
  package var wait: Nanoseconds

  package init(grant: Int, untilFull: Nanoseconds, wait: Nanoseconds) {
    self.grant = grant
    self.untilFull = untilFull
    self.wait = wait
  }
}
