// Picks an endpoint of one pool: smooth weighted round robin (nginx's algorithm: add every weight,
// take the largest, subtract the sum; 5/1/1 gives a a b a c a a) or weighted least-request (full
// scan for the least (in-flight + 1) / weight, ties at random). Passive ejection rests here too.
// Invariant: only an eligible endpoint with a weight above 0 is picked; ejection alone never
// leaves a pool without one.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Fleet
package import Primitives

/// One pool as one worker sees it. A pure value: time and chance are arguments.
package struct Picker: Sendable {
  package struct Candidate: Sendable {
    /// The endpoint's slot.
    package let slot: Int
    /// The effective weight, finite and ≥ 0.
    package var weight: Double
    /// Health and drain allow new exchanges.
    package var isEligible: Bool
    var current = 0.0
    var failsInRow = 0
    var ejectedUntil = Nanoseconds.zero
  }

  private let policy: BalancePolicy
  private let ejection: EjectionPolicy
  package private(set) var candidates: [Candidate]

  package init(
    policy: BalancePolicy, ejection: EjectionPolicy, slots: [Int]
  ) {
    self.policy = policy
    self.ejection = ejection
    candidates = slots.map { Candidate(slot: $0, weight: 0, isEligible: false) }
  }

  /// Takes a new weight and eligibility. Ejection and round-robin state stay.
  package mutating func set(_ position: Int, weight: Double, isEligible: Bool) {
    assert(weight.isFinite && weight >= 0)
    candidates[position].weight = weight
    candidates[position].isEligible = isEligible
  }

  /// The position of the endpoint to use, nil when none may be used.
  /// `load` is the in-flight count by slot; `tried` are positions already tried for this exchange,
  /// taken again only when there is no other.
  package mutating func pick(
    now: Nanoseconds, load: UnsafePointer<Int32>, tried: TriedSet, random: inout RandomSource
  ) -> Int? {
    let ignoresEjection = isPanicking(now)
    let position = choose(
      now: now, load: load, tried: tried, ignoresEjection: ignoresEjection, &random)
    if position != nil { return position }
    if !ignoresEjection,
      let position = choose(now: now, load: load, tried: tried, ignoresEjection: true, &random)
    {
      return position
    }
    guard !tried.isEmpty else { return nil }
    return choose(now: now, load: load, tried: TriedSet(), ignoresEjection: true, &random)
  }

  /// Under half of the pool is left by ejection: then the ejections are more likely to be wrong
  /// than the endpoints (Envoy's panic threshold).
  private func isPanicking(_ now: Nanoseconds) -> Bool {
    guard candidates.count > 2 else { return false }
    var eligible = 0
    for candidate in candidates where isUsable(candidate, now, ignoresEjection: false) {
      eligible += 1
    }
    return eligible * 2 < candidates.count
  }

  @inline(__always)
  private func isUsable(
    _ candidate: Candidate, _ now: Nanoseconds, ignoresEjection: Bool
  ) -> Bool {
    candidate.isEligible && candidate.weight > 0
      && (ignoresEjection || now >= candidate.ejectedUntil)
  }

  private mutating func choose(
    now: Nanoseconds, load: UnsafePointer<Int32>, tried: TriedSet, ignoresEjection: Bool,
    _ random: inout RandomSource
  ) -> Int? {
    switch policy {
    case .roundRobin: chooseInTurn(now, tried, ignoresEjection)
    case .leastRequest: chooseLeast(now, load, tried, ignoresEjection, &random)
    }
  }

  private mutating func chooseInTurn(
    _ now: Nanoseconds, _ tried: TriedSet, _ ignoresEjection: Bool
  ) -> Int? {
    var best: Int?
    var total = 0.0
    for position in candidates.indices
    where isUsable(candidates[position], now, ignoresEjection: ignoresEjection)
      && !tried.contains(position)
    {
      candidates[position].current += candidates[position].weight
      total += candidates[position].weight
      if let leader = best, candidates[position].current <= candidates[leader].current { continue }
      best = position
    }
    if let best { candidates[best].current -= total }
    return best
  }

  private func chooseLeast(
    _ now: Nanoseconds, _ load: UnsafePointer<Int32>, _ tried: TriedSet, _ ignoresEjection: Bool,
    _ random: inout RandomSource
  ) -> Int? {
    var best: Int?
    var (bestLoad, bestWeight) = (0.0, 1.0)
    var ties = 1
    for position in candidates.indices
    where isUsable(candidates[position], now, ignoresEjection: ignoresEjection)
      && !tried.contains(position)
    {
      let loadAfter = Double(load[candidates[position].slot] + 1)
      let weight = candidates[position].weight
      // loadAfter / weight against bestLoad / bestWeight, without dividing.
      let (mine, theirs) = (loadAfter * bestWeight, bestLoad * weight)
      if best == nil || mine < theirs {
        ties = 1
      } else if mine == theirs {
        ties += 1
        if random.index(below: ties) != 0 { continue }
      } else {
        continue
      }
      best = position
      (bestLoad, bestWeight) = (loadAfter, weight)
    }
    return best
  }

  /// Notes how an attempt came out. Returns until when the endpoint is left alone from now on, if
  /// that changed. After a rest one more failure is enough to rest again.
  package mutating func note(
    _ position: Int, isFailure: Bool, now: Nanoseconds
  ) -> Nanoseconds? {
    guard ejection.failsMax > 0 else { return nil }
    if !isFailure {
      candidates[position].failsInRow = 0
      guard candidates[position].ejectedUntil > .zero else { return nil }
      candidates[position].ejectedUntil = .zero
      return .zero
    }
    candidates[position].failsInRow += 1
    guard candidates[position].failsInRow >= ejection.failsMax,
      now >= candidates[position].ejectedUntil
    else { return nil }
    candidates[position].failsInRow = ejection.failsMax - 1
    candidates[position].ejectedUntil = now + ejection.failTimeout
    return candidates[position].ejectedUntil
  }
}

/// The positions tried for one exchange, at most four.
package struct TriedSet: Sendable, Equatable {
  private var positions: (Int16, Int16, Int16, Int16) = (-1, -1, -1, -1)

  package init() {}

  package var isEmpty: Bool { positions.0 < 0 }

  package func contains(_ position: Int) -> Bool {
    let wanted = Int16(truncatingIfNeeded: position)
    return positions.0 == wanted || positions.1 == wanted || positions.2 == wanted
      || positions.3 == wanted
  }

  /// Forgets the oldest when four are known.
  package mutating func insert(_ position: Int) {
    positions = (
      Int16(truncatingIfNeeded: position), positions.0, positions.1, positions.2
    )
  }

  package static func == (a: TriedSet, b: TriedSet) -> Bool { a.positions == b.positions }
}
