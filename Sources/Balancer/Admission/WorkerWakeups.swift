// Workers wake each other: one made room in a pool, and an exchange of another waits for it.
// HOT PATH: no allocation, no lock, no existential, no clock.
import IO
import Synchronization

/// One waker for each worker, and whether a wake-up is pending that the worker has not taken.
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

  /// Makes the worker look at its queues soon. Costs one system call until the worker does so.
  func wake(_ worker: Int) {
    if flags[worker].isPending.exchange(true, ordering: .sequentiallyConsistent) { return }
    wakers[worker].wake()
  }

  /// Takes the pending wake-up; false where there is none. The worker calls it before it looks.
  func take(_ worker: Int) -> Bool {
    guard flags[worker].isPending.load(ordering: .relaxed) else { return false }
    return flags[worker].isPending.exchange(false, ordering: .sequentiallyConsistent)
  }
}
