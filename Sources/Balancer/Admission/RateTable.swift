// Token buckets of many keys, shared by all workers without a lock. Each bucket is one number, the
// time at which it is full again (GCRA: ITU-T I.371 §A.1, the virtual scheduling algorithm).
// Invariant: memory is fixed; a full bucket holds no information, so that its memory can be given
// to another key without loss.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem
package import Fleet
package import Primitives
import Synchronization

/// A rate and a burst in the units of GCRA.
package struct RateRule: Sendable, Equatable {
  /// The time between two requests, nanoseconds.
  let interval: UInt64
  /// The largest difference between a bucket's time and now: burst × interval.
  let window: UInt64

  /// Converts a configured limit. Requires: a rate above 0 and a burst of at least 1.
  package init(_ limit: RateLimit) {
    interval = UInt64(limit.rate.interval.rawValue)
    window = interval * UInt64(limit.burst)
  }
}

/// The buckets of one rate limit, eight to a set.
package final class RateTable: Sendable {
  /// The events that each worker counts.
  package enum Count: Int, CaseIterable, Sendable {
    case allowed, limited
    /// A bucket that was not full was given to another key.
    case forgotten
  }

  static let ways = 8
  private static let triesMax = 8

  /// The number of sets, a power of two.
  package let setCount: Int
  // SAFETY: mapped once, never reassigned, unmapped in deinit; access is atomic. The mapping's
  // zeros are atomics of value 0. A set is eight tags, then eight times.
  private nonisolated(unsafe) let cells: UnsafeMutablePointer<Atomic<UInt64>>
  private let counts: [CellBlock]

  /// Makes room for at least `keysMax` keys, 16 bytes each.
  package init(keysMax: Int, workerCount: Int) {
    var setCount = 1
    while setCount * Self.ways < keysMax { setCount *= 2 }
    self.setCount = setCount
    let cellCount = setCount * Self.ways * 2
    guard let memory = sy_map(cellCount * 8) else {
      fatalError("out of memory for \(keysMax) keys")
    }
    cells = memory.bindMemory(to: Atomic<UInt64>.self, capacity: cellCount)
    counts = (0..<workerCount).map { _ in CellBlock(count: Count.allCases.count) }
  }

  deinit { sy_unmap(cells, setCount * Self.ways * 2 * 8) }

  /// Takes a token from the bucket of the key with this hash. nil: the request may proceed;
  /// otherwise the time until the next token.
  package func take(
    _ hash: UInt64, _ rule: RateRule, now: Nanoseconds, worker: Int
  ) -> Nanoseconds? {
    let now = UInt64(max(1, now.rawValue))
    let tag = max(hash, 1)
    guard let time = bucket(tag, rule, now, worker) else { return nil }
    let wait = Self.take(time, rule, now)
    return wait == 0 ? nil : Nanoseconds(Int64(wait))
  }

  /// Gives back the token just taken, because another limit refused the request.
  package func giveBack(_ hash: UInt64, _ rule: RateRule) {
    let tag = max(hash, 1)
    let set = cells + self.set(tag)
    for way in 0..<Self.ways where set[way].load(ordering: .relaxed) == tag {
      set[Self.ways + way].subtract(rule.interval, ordering: .relaxed)
      return
    }
  }

  /// Counts the decision on a request.
  func note(_ count: Count, worker: Int) { counts[worker].add(1, at: count.rawValue) }

  /// The sum over the workers. Any thread.
  package func count(_ count: Count) -> UInt64 {
    counts.reduce(0) { $0 &+ $1[count.rawValue] }
  }

  /// The buckets that are not full, each as its key's hash and the time at which it is full.
  func buckets(now: Nanoseconds) -> [UInt64] {
    let now = UInt64(max(1, now.rawValue))
    var found: [UInt64] = []
    for index in 0..<setCount * Self.ways {
      let cell = cells + index / Self.ways * Self.ways * 2 + index % Self.ways
      let (tag, time) = (
        cell.pointee.load(ordering: .relaxed), cell[Self.ways].load(ordering: .relaxed)
      )
      if tag != 0, time > now { found += [tag, time] }
    }
    return found
  }

  /// Goes on with the buckets of another table. Requires: no worker uses this one yet.
  func restore(_ buckets: [UInt64]) {
    for index in stride(from: 0, to: buckets.count - 1, by: 2) where buckets[index] != 0 {
      let set = cells + self.set(buckets[index])
      guard let way = (0..<Self.ways).first(where: { set[$0].load(ordering: .relaxed) == 0 })
      else { continue }
      set[way].store(buckets[index], ordering: .relaxed)
      set[Self.ways + way].store(buckets[index + 1], ordering: .relaxed)
    }
  }

  private func set(_ tag: UInt64) -> Int {
    Int(truncatingIfNeeded: tag & UInt64(setCount - 1)) * Self.ways * 2
  }

  /// The cell of the key's bucket, which is created if it does not exist. nil: the new bucket
  /// replaced another one, and its first token is already taken.
  private func bucket(
    _ tag: UInt64, _ rule: RateRule, _ now: UInt64, _ worker: Int
  ) -> UnsafeMutablePointer<Atomic<UInt64>>? {
    let set = cells + self.set(tag)
    let times = set + Self.ways
    for _ in 0..<Self.triesMax {
      var (full, fullTag) = (-1, UInt64(0))
      var (fullest, fullestTag, least) = (0, UInt64(0), UInt64.max)
      for way in 0..<Self.ways {
        let seen = set[way].load(ordering: .acquiring)
        if seen == tag { return times + way }
        let time = times[way].load(ordering: .relaxed)
        if full < 0, time <= now { (full, fullTag) = (way, seen) }
        if time < least { (fullest, fullestTag, least) = (way, seen, time) }
      }
      // The first full bucket is taken, so that two workers that create the same bucket agree.
      if full >= 0 {
        let (isMine, found) = claim(set + full, fullTag, tag)
        if isMine || found == tag { return times + full }
        continue
      }
      // All buckets are in use. The one nearest to full is replaced: a key at its limit, whose
      // bucket is empty, keeps its bucket, so that a flood of keys lifts no limit.
      if claim(set + fullest, fullestTag, tag).isMine {
        times[fullest].store(now + rule.interval, ordering: .relaxed)
        break
      }
    }
    counts[worker].add(1, at: Count.forgotten.rawValue)
    return nil
  }

  private func claim(
    _ cell: UnsafeMutablePointer<Atomic<UInt64>>, _ old: UInt64, _ tag: UInt64
  ) -> (isMine: Bool, found: UInt64) {
    let (isMine, found) = cell.pointee.compareExchange(
      expected: old, desired: tag, ordering: .acquiringAndReleasing)
    return (isMine, found)
  }

  /// GCRA: a request advances the bucket's time by one interval, unless that is farther ahead than
  /// a whole bucket. With an interval of 100 ms and a burst of 3 at time 0: three requests advance
  /// it to 100, 200 and 300 ms; the fourth has to wait 100 ms; at 100 ms it passes and the time is
  /// 400 ms. Returns 0 if the token was taken, otherwise the time to wait.
  private static func take(
    _ time: UnsafeMutablePointer<Atomic<UInt64>>, _ rule: RateRule, _ now: UInt64
  ) -> UInt64 {
    var seen = time.pointee.load(ordering: .relaxed)
    while true {
      let next = max(seen, now) + rule.interval
      if next - now > rule.window { return next - now - rule.window }
      let (isDone, found) = time.pointee.compareExchange(
        expected: seen, desired: next, ordering: .relaxed)
      if isDone { return 0 }
      seen = found
    }
  }
}
