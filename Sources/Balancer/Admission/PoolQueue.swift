// The part of a pool's queue that the workers share: the number of running and waiting exchanges,
// and the first exchange that waits at each worker. Invariant: a worker that frees a permit looks
// for waiting exchanges afterwards, and a worker whose exchange begins to wait looks for a permit
// afterwards. Both operations are sequentially consistent, so that one of the two sees the other
// and no permit stays free while an exchange waits for it.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Exposition
package import Primitives
import Synchronization

/// The queue of one pool. It lives as long as the process, also across reloads.
package final class PoolQueue: Sendable {
  /// The end of a wait, or the reason why there was none.
  package enum Outcome: Int, CaseIterable, Sendable {
    case admitted, full, timeout, canceled

    /// The label for metrics; a finite set.
    package var label: String { "\(self)" }
  }

  /// The pool's name.
  package let name: String
  private let running = Atomic<Int>(0)
  private let waiting = Atomic<Int>(0)
  private let workerCount: Int
  // SAFETY: initialised once, never reassigned, freed in deinit; access is atomic. Each worker's
  // two words are on a cache line of their own: the key of its first exchange, the arrival of its
  // oldest.
  private nonisolated(unsafe) let heads: UnsafeMutablePointer<Atomic<UInt64>>
  private let counts: [CellBlock]

  private static let stride = 16
  private static let histogram = Outcome.allCases.count + 1
  private static let rescues = Outcome.allCases.count

  /// Makes an empty queue. Allocates.
  package init(name: String, workerCount: Int) {
    self.name = name
    self.workerCount = workerCount
    let byteCount = workerCount * Self.stride * 8
    let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 128)
    heads = memory.bindMemory(to: Atomic<UInt64>.self, capacity: workerCount * Self.stride)
    for index in 0..<workerCount * Self.stride { (heads + index).initialize(to: Atomic(.max)) }
    counts = (0..<workerCount).map { _ in
      CellBlock(count: Self.histogram + DurationHistogram.cellCount)
    }
  }

  deinit { UnsafeMutableRawPointer(heads).deallocate() }

  // MARK: Running

  /// The number of running exchanges that are counted.
  package var runningCount: Int { running.load(ordering: .sequentiallyConsistent) }

  /// Takes a permit if fewer than `limit` are taken; `leave` gives it back.
  package func tryEnter(_ limit: Int) -> Bool { Self.tryAdd(running, limit) }

  /// Gives a permit back. Requires: called once for each successful `tryEnter`.
  package func leave() {
    let before = running.subtract(1, ordering: .sequentiallyConsistent).oldValue
    assert(before > 0)
  }

  // MARK: Waiting

  /// The number of waiting exchanges of all workers.
  package var waitingCount: Int { waiting.load(ordering: .sequentiallyConsistent) }

  /// Enters the queue if fewer than `limit` exchanges wait; `stopWaiting` leaves it.
  package func tryWait(_ limit: Int) -> Bool { Self.tryAdd(waiting, limit) }

  /// Leaves the queue. Requires: called once for each successful `tryWait`.
  package func stopWaiting() {
    let before = waiting.subtract(1, ordering: .sequentiallyConsistent).oldValue
    assert(before > 0)
  }

  /// Publishes the key of the first exchange that waits at the worker (`.max`: none waits) and the
  /// arrival time of the oldest.
  package func publish(_ key: UInt64, oldest: Nanoseconds?, worker: Int) {
    let oldest = oldest.map { UInt64(max(0, $0.rawValue)) } ?? .max
    heads[worker * Self.stride + 1].store(oldest, ordering: .relaxed)
    heads[worker * Self.stride].store(key, ordering: .sequentiallyConsistent)
  }

  /// The worker that has the next exchange to be admitted; nil: none waits.
  package var nextWorker: Int? {
    var (best, bestKey) = (-1, UInt64.max)
    for worker in 0..<workerCount {
      let key = heads[worker * Self.stride].load(ordering: .sequentiallyConsistent)
      if key < bestKey { (best, bestKey) = (worker, key) }
    }
    return best < 0 ? nil : best
  }

  /// The arrival time of the exchange that has waited longest; nil: none waits. Any thread.
  package var oldest: Nanoseconds? {
    let oldest = (0..<workerCount).map {
      heads[$0 * Self.stride + 1].load(ordering: .relaxed)
    }.min()
    guard let oldest, oldest != .max else { return nil }
    return Nanoseconds(Int64(oldest))
  }

  private static func tryAdd(_ counter: borrowing Atomic<Int>, _ limit: Int) -> Bool {
    var seen = counter.load(ordering: .sequentiallyConsistent)
    while seen < limit {
      let (isDone, found) = counter.compareExchange(
        expected: seen, desired: seen + 1, ordering: .sequentiallyConsistent)
      if isDone { return true }
      seen = found
    }
    return false
  }

  // MARK: Counting, each worker in its own cells

  func count(_ outcome: Outcome, worker: Int) { counts[worker].add(1, at: outcome.rawValue) }

  func countAdmitted(after wait: Nanoseconds, worker: Int) {
    count(.admitted, worker: worker)
    DurationHistogram.observe(wait, in: counts[worker], at: Self.histogram)
  }

  /// Counts an exchange that was admitted by the timer instead of a wake-up.
  func countRescue(worker: Int) { counts[worker].add(1, at: Self.rescues) }

  /// The sum over the workers. Any thread.
  package func sum(_ outcome: Outcome) -> UInt64 {
    counts.reduce(0) { $0 &+ $1[outcome.rawValue] }
  }

  /// The number of exchanges for which the timer found room without a wake-up: 0, except after the
  /// end of an endpoint's cooldown. Any thread.
  package var rescueCount: UInt64 { counts.reduce(0) { $0 &+ $1[Self.rescues] } }

  /// The waiting times of admitted exchanges, 0 included. Any thread; allocates.
  package var waits: HistogramSnapshot {
    DurationHistogram.snapshot(of: counts, at: Self.histogram)
  }
}
