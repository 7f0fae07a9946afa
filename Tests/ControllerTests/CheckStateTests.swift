// When an endpoint is checked: at the pool's interval while it is well, sooner while it may be back
// any moment.
import Fleet
import Primitives
import Testing

@testable import Controller

@Suite struct CheckStateTests {
  /// Drives one probe whose endpoint answers well from `healsAt` on, in seconds. Gives the times of
  /// its checks, and when it was ready again.
  private static func run(
    interval: Double, failsFrom: Double = 0, healsAt: Double, until end: Double = 120,
    life: Double? = nil
  ) -> (checks: [Double], readyAt: Double?) {
    var policy = HealthPolicy()
    policy.interval = .seconds(interval)
    policy.timeout = .seconds(interval / 2)
    var random = RandomSource(seed: 3)
    var probe = CheckState(policy, now: .zero, &random)
    var checks: [Double] = []
    var readyAt: Double?
    var serial: UInt64 = 0
    var hasShownLife = false
    var wasOut = false
    var now = Nanoseconds.zero
    while now < .seconds(end) {
      if let life, !hasShownLife, now >= .seconds(life) {
        hasShownLife = true
        probe.showedLife(now: now)
      }
      if probe.timer.isDue(now) {
        serial += 1
        checks.append(now.seconds)
        probe.begin(serial: serial, timeout: policy.timeout, now: now, &random)
        let isWell = now.seconds < failsFrom || now.seconds >= healsAt
        if let attempt = probe.timer.end(serial: serial) {
          let outcome: PollOutcome =
            isWell
            ? .answered(status: 200, content: UnsafeRawBufferPointer(start: nil, count: 0))
            : .failed(PollFailure(.refused, "no"))
          probe.take(outcome, of: attempt, policy, now: now, wall: now)
        }
        if probe.state.eligibility == .unhealthy { wasOut = true }
        if wasOut, readyAt == nil, probe.state.eligibility == .ready { readyAt = now.seconds }
      }
      now = now + .milliseconds(50)
    }
    return (checks, readyAt)
  }

  private static func gaps(_ checks: [Double], from: Double, to: Double) -> [Double] {
    let part = checks.filter { $0 >= from && $0 <= to }
    return zip(part.dropFirst(), part).map { $0 - $1 }
  }

  @Test func anUnhealthyOneIsCheckedEachSecondForHalfAMinute() {
    let (checks, _) = Self.run(interval: 5, failsFrom: 10, healsAt: .infinity)
    // Well: every 5 s ± 10 %. Three failures until about 25 s, then each second.
    #expect(Self.gaps(checks, from: 0, to: 20).allSatisfy { $0 > 4.4 && $0 < 5.6 })
    let eager = Self.gaps(checks, from: 27, to: 48)
    #expect(eager.count >= 19 && eager.allSatisfy { abs($0 - 1) < 0.11 }, "\(eager)")
    #expect(Self.gaps(checks, from: 60, to: 120).allSatisfy { $0 > 4.4 && $0 < 5.6 })
  }

  @Test func afterARestartItIsBackWithinThreeSeconds() {
    let (_, soon) = Self.run(interval: 5, failsFrom: 10, healsAt: 40)
    #expect((soon ?? 120) <= 42.2, "\(soon ?? -1)")
    // Later than half a minute: the first good check hastens the second.
    let (_, late) = Self.run(interval: 5, failsFrom: 10, healsAt: 80)
    #expect((late ?? 120) <= 80 + 5.5 + 1.1, "\(late ?? -1)")
    // Its page was there again.
    let (_, seen) = Self.run(interval: 5, failsFrom: 10, healsAt: 80, life: 80.5)
    #expect((seen ?? 120) <= 82.2, "\(seen ?? -1)")
  }

  @Test func aShorterIntervalStays() {
    let (checks, _) = Self.run(interval: 0.4, healsAt: .infinity, until: 20)
    #expect(Self.gaps(checks, from: 5, to: 20).allSatisfy { $0 < 0.51 })
  }

  @Test func aHealthyOneIsNotCheckedSoonerForItsPage() {
    let (checks, _) = Self.run(interval: 5, healsAt: 0, life: 30.5)
    #expect(Self.gaps(checks, from: 0, to: 120).allSatisfy { $0 > 4.4 && $0 < 5.6 })
  }
}
