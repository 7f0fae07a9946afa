// Wake-ups between workers: one worker made room in a pool, and an exchange of another worker waits
// for it. Invariant: a worker takes a wake-up before it checks its queues, so that none is lost.
// HOT PATH: no allocation, no lock, no existential, no clock.
import IO
import Synchronization

/// One waker for each worker, and a flag for a pending wake-up that the worker has not taken.
final class WorkerWakeups: Sendable {
  let wakers: [Waker]
  private let flags: [Flag]

  private final class Flag: Sendable {
    let isPending = Atomic<Bool>(false)
  }

  init(_ wakers: [Waker]) {
    self.wakers = wakers
    flags = wakers.map { _ in Flag() }
  }

  /// Makes the worker check its queues soon. Costs at most one system call until it does so.
  func wake(_ worker: Int) {
    if flags[worker].isPending.exchange(true, ordering: .sequentiallyConsistent) { return }
    wakers[worker].wake()
  }

  /// Takes the pending wake-up; false: there is none. Called before the queues are checked.
  func take(_ worker: Int) -> Bool {
    guard flags[worker].isPending.load(ordering: .relaxed) else { return false }
    return flags[worker].isPending.exchange(false, ordering: .sequentiallyConsistent)
  }
}
