// The TLS contexts of all threads, by the description that the configuration gives. Workers look
// their contexts up when the revision has changed; only the control thread publishes.
// Invariant: a revision that a thread has seen names contexts that are complete.
import Fleet
import Synchronization

/// The contexts in force. Any thread.
package final class Credentials: Sendable {
  /// The number of threads that have contexts: the workers, and the control thread as the last.
  package let threadCount: Int
  private let published = Atomic<UInt64>(0)

  /// Nothing is loaded. `workerCount`: the workers are the threads 0..<workerCount, the control
  /// thread is `workerCount`.
  package init(workerCount: Int) { threadCount = workerCount + 1 }

  /// The control thread's number.
  package var controlThread: Int { threadCount - 1 }

  /// Rises with every publication; 0: nothing is loaded.
  package var revision: UInt64 { published.load(ordering: .acquiring) }
}
