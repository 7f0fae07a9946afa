// The buckets of one rate limit that several replicas share. Workers spend what the control thread
// has got for this replica, and never wait; they mark what they touched, and the control thread
// settles it. Invariant: memory is fixed; a free bucket is given to another key without loss.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem
package import Primitives
import Synchronization

/// The buckets, eight to a set.
package final class SharedTable: Sendable {
  static let ways = 8
  private static let triesMax = 8

  /// The number of sets, a power of two.
  package let setCount: Int
  /// The wait of requests that are refused before the common store has told one.
  private let firstWait: Nanoseconds
  /// The requests that a fresh key may admit, in debt.
  private let share = Atomic<Int>(1)
  // SAFETY: mapped once, never reassigned, unmapped in deinit; access is atomic. The mapping's
  // zeros are atomics of value 0. A set is eight tags, then eight words; marks are one bit a set.
  private nonisolated(unsafe) let cells: UnsafeMutablePointer<Atomic<UInt64>>
  // SAFETY: behind the cells, in the same mapping.
  private nonisolated(unsafe) let marks: UnsafeMutablePointer<Atomic<UInt64>>
  private let counts: [CellBlock]

  /// Makes room for at least `keysMax` keys, 16 bytes each.
  package init(keysMax: Int, workerCount: Int, firstWait: Nanoseconds) {
    self.firstWait = firstWait
    var setCount = 1
    while setCount * Self.ways < keysMax { setCount *= 2 }
    self.setCount = setCount
    let cellCount = setCount * Self.ways * 2
    guard let memory = sy_map((cellCount + Self.markCount(setCount)) * 8) else {
      fatalError("out of memory for \(keysMax) keys")
    }
    cells = memory.bindMemory(
      to: Atomic<UInt64>.self, capacity: cellCount + Self.markCount(setCount))
    marks = cells + cellCount
    counts = (0..<workerCount).map { _ in CellBlock(count: RateTable.Count.allCases.count) }
  }

  deinit { sy_unmap(cells, (setCount * Self.ways * 2 + Self.markCount(setCount)) * 8) }

  private static func markCount(_ setCount: Int) -> Int { (setCount + 63) / 64 }

  // MARK: Workers

  /// Takes a request from the bucket of the key with this hash. nil: the request may proceed;
  /// otherwise the time to wait.
  package func take(_ hash: UInt64, worker: Int) -> Nanoseconds? {
    let tag = max(hash, 1)
    let share = self.share.load(ordering: .relaxed)
    guard let cell = bucket(tag, worker) else { return nil }
    var seen = cell.pointee.load(ordering: .relaxed)
    while true {
      let bucket = SharedBucket(word: seen)
      let (next, isAdmitted) = bucket.taking(share: share)
      let (isDone, found) = cell.pointee.compareExchange(
        expected: seen, desired: next.word, ordering: .sequentiallyConsistent)
      if isDone {
        mark(tag)
        if isAdmitted { return nil }
        return bucket.isSettled ? max(bucket.wait, .milliseconds(1)) : firstWait
      }
      seen = found
    }
  }

  /// Gives back the request just taken, because another limit refused it.
  package func giveBack(_ hash: UInt64) {
    guard let cell = find(max(hash, 1)) else { return }
    var seen = cell.pointee.load(ordering: .relaxed)
    while true {
      let next = SharedBucket(word: seen).givingBack().word
      let (isDone, found) = cell.pointee.compareExchange(
        expected: seen, desired: next, ordering: .relaxed)
      if isDone { return }
      seen = found
    }
  }

  /// Counts the decision on a request.
  func note(_ count: RateTable.Count, worker: Int) { counts[worker].add(1, at: count.rawValue) }

  /// The sum over the workers. Any thread.
  package func count(_ count: RateTable.Count) -> UInt64 {
    counts.reduce(0) { $0 &+ $1[count.rawValue] }
  }

  // MARK: The control thread

  /// Sets what a fresh key may admit. Range 1...1_000_000.
  package func setShare(_ count: Int) { share.store(count, ordering: .relaxed) }

  /// Calls `body` with the tag and the bucket of every key in the sets that were marked since the
  /// last call. Control thread only.
  package func takeMarked(_ body: (UInt64, SharedBucket) -> Void) {
    for position in 0..<Self.markCount(setCount) {
      guard marks[position].load(ordering: .relaxed) != 0 else { continue }
      var bits = marks[position].exchange(0, ordering: .sequentiallyConsistent)
      while bits != 0 {
        let set = cells + (position * 64 + bits.trailingZeroBitCount) * Self.ways * 2
        bits &= bits - 1
        for way in 0..<Self.ways {
          let tag = set[way].load(ordering: .acquiring)
          let bucket = SharedBucket(
            word: set[Self.ways + way].load(ordering: .sequentiallyConsistent))
          if tag != 0, !bucket.isFree { body(tag, bucket) }
        }
      }
    }
  }

  /// The bucket of a key; nil: its memory was given to another one.
  package func bucket(of tag: UInt64) -> SharedBucket? {
    find(tag).map { SharedBucket(word: $0.pointee.load(ordering: .relaxed)) }
  }

  /// Settles `spent` requests of a former look at the key, and grants more.
  package func settle(_ tag: UInt64, spent: Int, grant: Int, wait: Nanoseconds) {
    guard let cell = find(tag) else { return }
    var seen = cell.pointee.load(ordering: .relaxed)
    while true {
      let next = SharedBucket(word: seen).settled(spent: spent, grant: grant, wait: wait)
      let (isDone, found) = cell.pointee.compareExchange(
        expected: seen, desired: next.word, ordering: .sequentiallyConsistent)
      if isDone { return }
      seen = found
    }
  }

  /// Makes the key a fresh one, unless its bucket has changed since it was looked at.
  package func forget(_ tag: UInt64, _ bucket: SharedBucket) {
    _ = find(tag)?.pointee.compareExchange(
      expected: bucket.word, desired: 0, ordering: .sequentiallyConsistent)
  }

  // MARK: Buckets

  private func set(_ tag: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>> {
    cells + Int(truncatingIfNeeded: tag & UInt64(setCount - 1)) * Self.ways * 2
  }

  private func mark(_ tag: UInt64) {
    let set = Int(truncatingIfNeeded: tag & UInt64(setCount - 1))
    let bit = UInt64(1) << UInt64(set & 63)
    if marks[set >> 6].load(ordering: .sequentiallyConsistent) & bit == 0 {
      marks[set >> 6].bitwiseOr(bit, ordering: .sequentiallyConsistent)
    }
  }

  private func find(_ tag: UInt64) -> UnsafeMutablePointer<Atomic<UInt64>>? {
    let set = self.set(tag)
    for way in 0..<Self.ways where set[way].load(ordering: .acquiring) == tag {
      return set + Self.ways + way
    }
    return nil
  }

  /// The cell of the key's bucket, which is created if it does not exist. nil: the new bucket
  /// replaced another one, and its first request is already taken.
  private func bucket(_ tag: UInt64, _ worker: Int) -> UnsafeMutablePointer<Atomic<UInt64>>? {
    let set = self.set(tag)
    let words = set + Self.ways
    for _ in 0..<Self.triesMax {
      var (free, freeTag) = (-1, UInt64(0))
      var (idlest, idlestTag, least) = (0, UInt64(0), Int.max)
      for way in 0..<Self.ways {
        let seen = set[way].load(ordering: .acquiring)
        if seen == tag { return words + way }
        let bucket = SharedBucket(word: words[way].load(ordering: .relaxed))
        if free < 0, bucket.isFree { (free, freeTag) = (way, seen) }
        let use = bucket.spent + bucket.refused
        if use < least { (idlest, idlestTag, least) = (way, seen, use) }
      }
      // The first free bucket is taken, so that two workers that create the same bucket agree.
      if free >= 0 {
        let (isMine, found) = claim(set + free, freeTag, tag)
        if isMine || found == tag { return words + free }
        continue
      }
      // All buckets are in use. The least used one is replaced: a key at its limit, which is
      // refused again and again, keeps its bucket.
      if claim(set + idlest, idlestTag, tag).isMine {
        words[idlest].store(SharedBucket.firstWord, ordering: .sequentiallyConsistent)
        mark(tag)
        break
      }
    }
    counts[worker].add(1, at: RateTable.Count.forgotten.rawValue)
    return nil
  }

  private func claim(
    _ cell: UnsafeMutablePointer<Atomic<UInt64>>, _ old: UInt64, _ tag: UInt64
  ) -> (isMine: Bool, found: UInt64) {
    let (isMine, found) = cell.pointee.compareExchange(
      expected: old, desired: tag, ordering: .acquiringAndReleasing)
    return (isMine, found)
  }
}

extension SharedBucket {
  /// A fresh key that has admitted one request.
  fileprivate static let firstWord: UInt64 = 1 << 23
}
