// The active check of one endpoint over time: its schedule, its counts, its verdict.
import Fleet
import Primitives

package struct CheckState: Sendable {
  /// Until the first check of an endpoint that waits for it.
  private static let firstSpreadMax = Nanoseconds.milliseconds(100)
  /// Between two checks of an endpoint that may be back any moment, where the pool's interval is
  /// longer.
  private static let eagerInterval = Nanoseconds.seconds(1)
  /// For so long after it became unhealthy, or showed a sign of life.
  private static let eagerSpan = Nanoseconds.seconds(30)

  package internal(set) var timer: PollTimer
  package private(set) var statistics = PollStatistics()
  package internal(set) var state: HealthState
  /// Failures in a row, start period or not; 0 after a success.
  package private(set) var failuresInRow = 0
  /// Until when an unhealthy endpoint is checked at the eager interval.
  private var eagerUntil = Nanoseconds.zero

  init(_ policy: HealthPolicy, now: Nanoseconds, _ random: inout RandomSource) {
    state = HealthState(policy, now: now)
    timer = PollTimer(interval: policy.interval, now: now, &random)
    if !state.eligibility.takesNewExchanges {
      eagerUntil = now + Self.eagerSpan
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
    _ outcome: PollOutcome, of attempt: PollTimer.Attempt, _ policy: HealthPolicy,
    now: Nanoseconds, wall: Nanoseconds
  ) {
    statistics.lastDuration = now - attempt.sentAt
    let before = state.eligibility
    defer { hastenNext(before, now) }
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
    showedLife(now: now)
  }

  /// The endpoint's page is there again, or says that the process is a new one: an unhealthy
  /// endpoint is checked at once. Requires: the timer is scheduled anew.
  mutating func showedLife(now: Nanoseconds) {
    guard state.eligibility == .unhealthy else { return }
    eagerUntil = now + Self.eagerSpan
    timer.hasten(to: now)
  }

  /// An unhealthy endpoint is checked sooner than the interval says: for half a minute, and once a
  /// check was good.
  private mutating func hastenNext(_ before: Eligibility, _ now: Nanoseconds) {
    guard state.eligibility == .unhealthy else { return }
    if before != .unhealthy { eagerUntil = now + Self.eagerSpan }
    guard failuresInRow == 0 || now < eagerUntil else { return }
    timer.hasten(to: now + Self.eagerInterval)
  }
}
