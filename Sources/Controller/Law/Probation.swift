// Whether an endpoint is sick: it fell far below its own past, or let a request wait far longer
// than usual. A sick endpoint that has no requests is given one now and then, so that it need not
// wait until its bad time is forgotten.
// Invariant: trials of endpoints that have answered none well are at most a fiftieth of the pool's
// requests; a pool gives one trial at a time, and each worker takes it at most once.
// A pure value; docs/control.md describes the rules.

package struct Probation: Sendable, Equatable {
  /// The number of good answers that a sick endpoint needs.
  static let debt = 3
  /// An endpoint is sick if its weight falls below this share of its usual one.
  static let fallRatio = 0.4
  /// … or if a request takes, or has waited for, this many times the usual time.
  static let lateRatio = 8.0
  /// A trial is good if its answer takes at most this many times the usual time.
  static let goodRatio = 6.0
  /// The largest factor by which the pause between two trials grows.
  static let backMax = 16.0
  /// The share of the pool's requests that may be trials.
  static let trialShare = 0.02

  /// The number of good answers still needed; 0: the endpoint is well.
  package private(set) var owed = 0
  /// The factor of the pause between two trials.
  package private(set) var back = 1.0
  /// How many seconds the endpoint has had no request.
  private var idleSeconds = 0.0
  /// A trial is in flight.
  private(set) var isTried = false
  private var triedSeconds = 0.0

  package init() {}

  package var isSick: Bool { owed > 0 }

  /// The endpoint is, or seems to be, sick.
  package mutating func fall() { owed = Self.debt }

  /// Takes what the endpoint did in the last `passed` seconds. `usual`: the usual time of a request
  /// there or in the pool, whichever is longer. Returns true if the endpoint has just recovered.
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
    // Requests sent before the endpoint was sick may end late: only a failed trial says that it is
    // still sick. A trial that hangs has failed before it ends, so that other endpoints get theirs.
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

  /// A canary failed or was late: a failed trial that cost no client's request.
  package mutating func canaryFailed() {
    if isSick { owed = Self.debt }
  }

  /// Whether the endpoint should get the next request. `sickIdle`: the number of the pool's
  /// endpoints that wait for a trial; `rate`: the pool's requests per second; `isCleared`: what
  /// canaries say of the endpoint, nil without canaries.
  package func wantsTrial(sickIdle: Int, rate: Double, isCleared: Bool? = nil) -> Bool {
    guard isSick, !isTried, idleSeconds > 0, isCleared != false else { return false }
    // After a good answer the endpoint gets the next request at once.
    if owed < Self.debt { return true }
    // A trial after good canaries puts no client's request at risk.
    if isCleared == true { return idleSeconds >= back }
    let pause = max(1, Double(sickIdle) / max(Self.trialShare * rate, 1e-3))
    return idleSeconds >= back * pause
  }

  /// Whether the endpoint waits for a trial.
  package var isWaiting: Bool { isSick && idleSeconds > 0 }

  /// The endpoint is given a trial.
  package mutating func begin() {
    isTried = true
    triedSeconds = 0
  }
}
