// Whether an endpoint is what it was: one that fell far below its own past, or let a request wait
// far longer than usual, is sick. While it is sick and has nothing to do, it is given a request now
// and then, so that it does not have to wait until its bad times are forgotten.
// Invariant: of endpoints that have answered no trial well yet, trials are at most a fiftieth of
// the pool's requests; one trial at a time is given in a pool, and each worker takes it once at
// most.
// A pure value; docs/control.md tells the rules.

package struct Probation: Sendable, Equatable {
  /// Good answers that a sick endpoint owes.
  static let debt = 3
  /// It is sick where its weight is less than this share of its usual one.
  static let fallRatio = 0.4
  /// … or where a request took, or waits for, so many times what is usual.
  static let lateRatio = 8.0
  /// An answer to a trial is good if it takes no more than so many times what is usual.
  static let goodRatio = 6.0
  /// The most that the pause between two trials is lengthened.
  static let backMax = 16.0
  /// The share of the pool's requests that may be trials.
  static let trialShare = 0.02

  /// Good answers that are missing; 0: it is well.
  package private(set) var owed = 0
  /// Pauses are so many times as long as they are at first.
  package private(set) var back = 1.0
  /// Seconds for which it has had nothing to do.
  private var idleSeconds = 0.0
  /// It was given a trial that has not been answered.
  private(set) var isTried = false
  private var triedSeconds = 0.0

  package init() {}

  package var isSick: Bool { owed > 0 }

  /// It is, or seems to be, sick.
  package mutating func fall() { owed = Self.debt }

  /// Takes what it did in the last `passed` seconds. `usual`: what a request usually takes there or
  /// in the pool, whichever is longer. True where it is well again by this: its bad times are over.
  package mutating func take(
    _ delta: CapacityDelta, inFlight: Double, outstandingSeconds: Double, usual: Double,
    passed: Double
  ) -> Bool {
    let isIdle = inFlight == 0 && delta.completions + delta.failed == 0
    idleSeconds = isIdle ? idleSeconds + passed : 0
    if isTried {
      triedSeconds += passed
      if isIdle, triedSeconds > 1 { isTried = false }
    }
    guard usual > 0 else { return false }
    let isLate =
      delta.longest > Self.lateRatio * usual
      || outstandingSeconds > Self.lateRatio * usual * (inFlight + 1)
    let hasEnded = delta.completions + delta.failed > 0
    // What was sent before it was sick may end late: only a trial says that it still is. One that
    // hangs is in vain before it ends: others wait for theirs.
    let wasTried = isTried
    if hasEnded || isLate { isTried = false }
    let isGood = delta.failed == 0 && delta.longest <= Self.goodRatio * usual
    if isLate || isSick && hasEnded && !isGood {
      owed = Self.debt
      if wasTried { back = min(2 * back, Self.backMax) }
      return false
    }
    guard isSick, hasEnded else { return false }
    back = 1
    owed = max(0, owed - max(1, Int(delta.completions.rounded())))
    return owed == 0
  }

  /// A canary failed there, or took far too long: a trial in vain that cost no client anything.
  package mutating func canaryFailed() {
    if isSick { owed = Self.debt }
  }

  /// Whether it should get the next request. `sickIdle`: how many of the pool wait for one, `rate`:
  /// the pool's requests a second, `isCleared`: what canaries say of it, nil where there are none.
  package func wantsTrial(sickIdle: Int, rate: Double, isCleared: Bool? = nil) -> Bool {
    guard isSick, !isTried, idleSeconds > 0, isCleared != false else { return false }
    // A good answer earns the next request at once.
    if owed < Self.debt { return true }
    // A trial after good canaries is no gamble with a client's request.
    if isCleared == true { return idleSeconds >= back }
    let pause = max(1, Double(sickIdle) / max(Self.trialShare * rate, 1e-3))
    return idleSeconds >= back * pause
  }

  /// Whether it waits for a trial.
  package var isWaiting: Bool { isSick && idleSeconds > 0 }

  /// It is given one.
  package mutating func begin() {
    isTried = true
    triedSeconds = 0
  }
}
