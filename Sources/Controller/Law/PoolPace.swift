// How often a pool is computed: at every tick while something happens in it, once a second while
// nothing does. Ten thousand idle endpoints would cost a fifth of a core otherwise.
import Primitives

/// The pace of one pool. Pure: times and counts are arguments.
struct PoolPace: Sendable {
  /// How long nothing has to move before the pool is computed less often.
  static let calmMin = Nanoseconds.seconds(2)
  /// The time between two computations of a pool in which nothing happens; a tick less than the
  /// longest time that one computation counts.
  static let interval = Nanoseconds.milliseconds(900)

  private var lookedAt: Nanoseconds?
  private var computedAt: Nanoseconds?
  private var movedAt = Nanoseconds.zero
  private var started: UInt64 = 0
  /// A poll has ended, or an operator has changed something.
  var isTouched = true

  /// The time that a computation counts; nil: the pool need not be computed now. That is the time
  /// since the last computation, or since the last call if requests came since then: they are no
  /// older. `started` is the number of attempts at the pool's endpoints since start.
  mutating func due(now: Nanoseconds, started: UInt64, isBusy: Bool) -> Nanoseconds? {
    let isActive = isBusy || started != self.started
    if isActive || isTouched { movedAt = now }
    let passed = (isActive ? lookedAt : computedAt).map { max(now - $0, .zero) }
    (lookedAt, self.started) = (now, started)
    let isCalm = now - movedAt >= Self.calmMin
    if isCalm, let passed, passed < Self.interval { return nil }
    (computedAt, isTouched) = (now, false)
    return passed ?? .zero
  }

  /// A weight or a state of the pool is still moving.
  mutating func noteMove(now: Nanoseconds) { movedAt = now }
}
