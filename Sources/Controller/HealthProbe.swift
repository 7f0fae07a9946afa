// The active check of one endpoint over time: its schedule, its counts, its verdict.
import Fleet
import Primitives

package struct HealthProbe: Sendable {
  /// Until the first check of an endpoint that waits for it.
  private static let firstSpreadMax = Nanoseconds.milliseconds(100)

  package internal(set) var timer: ProbeTimer
  package private(set) var statistics = ProbeStatistics()
  package private(set) var state: HealthState
  /// Failures in a row, start period or not; 0 after a success.
  package private(set) var failuresInRow = 0

  init(_ policy: HealthPolicy, now: Nanoseconds, _ random: inout RandomSource) {
    state = HealthState(policy, now: now)
    timer = ProbeTimer(interval: policy.interval, now: now, &random)
    if !state.eligibility.takesNewExchanges {
      timer.hasten(to: now + .seconds(Self.firstSpreadMax.seconds * random.unit()))
    }
  }

  mutating func begin(
    serial: UInt64, timeout: Nanoseconds, now: Nanoseconds, _ random: inout RandomSource
  ) {
    timer.begin(serial: serial, timeout: timeout, now: now, &random)
    statistics.attempts += 1
  }

  /// Takes the end of the attempt. What failed on our side says nothing of the endpoint.
  mutating func take(
    _ outcome: ProbeOutcome, of attempt: ProbeTimer.Attempt, _ policy: HealthPolicy,
    now: Nanoseconds, wall: Nanoseconds
  ) {
    statistics.lastDuration = now - attempt.sentAt
    guard let failure = HealthCheck.failure(outcome, policy) else {
      statistics.succeed(wall: wall)
      failuresInRow = 0
      state.take(.good, policy, now: now)
      return
    }
    statistics.fail(failure)
    if failure.kind == .local { return }
    failuresInRow += 1
    state.take(failure.kind == .notReady ? .notReady : .failed, policy, now: now)
  }

  mutating func restarted(_ policy: HealthPolicy, now: Nanoseconds) {
    state.restarted(policy, now: now)
  }
}
