// How workers wake each other where one made room that an exchange of another waits for.
// HOT PATH: no allocation, no lock, no existential, no clock.
import IO
import Synchronization

/// One waker for each worker, and whether it was rung and has not looked yet.
final class WorkerBells: Sendable {
  let wakers: [Waker]
  private let flags: [Flag]

  private final class Flag: Sendable {
    let isRung = Atomic<Bool>(false)
  }

  init(_ wakers: [Waker]) {
    self.wakers = wakers
    flags = wakers.map { _ in Flag() }
  }

  /// Lets the worker look at its queues soon. One system call for all rings until it does.
  func ring(_ worker: Int) {
    if flags[worker].isRung.exchange(true, ordering: .sequentiallyConsistent) { return }
    wakers[worker].wake()
  }

  /// Whether it was rung; asked by the worker before it looks.
  func answer(_ worker: Int) -> Bool {
    guard flags[worker].isRung.load(ordering: .relaxed) else { return false }
    return flags[worker].isRung.exchange(false, ordering: .sequentiallyConsistent)
  }
}
