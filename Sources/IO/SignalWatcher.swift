// Turns POSIX signals into wake-ups of a loop: a thread waits for them, so that no code runs in a
// signal handler.
import CSystem
import Synchronization

/// Watches signals for the whole process.
public final class SignalWatcher: Sendable {
  private let pending = Atomic<UInt64>(0)

  /// Blocks the signals in this thread and in all threads created later, and begins to watch them.
  /// Call it before any other thread exists. SIGPIPE is ignored from now on. Errors: those of
  /// signalfd and pthread_create.
  public init(_ signals: [Int32], waker: Waker) throws(IOError) {
    sy_ignore_sigpipe()
    var numbers = signals
    let code = sy_block_signals(&numbers, Int32(signals.count))
    guard code == 0 else { throw IOError("pthread_sigmask", Int(code)) }
    _ = try ThreadHandle.start(name: "signals") { [self] in
      var numbers = signals
      while true {
        let signal = sy_wait_signal(&numbers, Int32(signals.count))
        guard signal > 0 else { continue }
        pending.bitwiseOr(1 << UInt64(signal), ordering: .relaxed)
        waker.wake()
      }
    }
  }

  /// The signals received since the last call.
  public func take() -> [Int32] {
    let bits = pending.exchange(0, ordering: .relaxed)
    return (1..<64).filter { bits & (1 << UInt64($0)) != 0 }.map(Int32.init)
  }
}
