// A named POSIX thread that runs one closure. Signals are blocked in it as in its creator.
import CSystem
import Synchronization

/// A running thread. Join it exactly once, or let it run until the process ends.
public final class ThreadHandle: Sendable {
  private final class Box {
    let name: String
    let body: () -> Void
    init(name: String, body: @escaping () -> Void) {
      self.name = name
      self.body = body
    }
  }

  private let thread: Mutex<pthread_t?>

  private init(_ thread: pthread_t) { self.thread = Mutex(thread) }

  /// Starts a thread with a name of at most 15 bytes. Errors: pthread_create's.
  public static func start(
    name: String, _ body: sending @escaping () -> Void
  ) throws(IOError) -> ThreadHandle {
    var thread = pthread_t()
    let box = Unmanaged.passRetained(Box(name: name, body: body))
    let code = pthread_create(
      &thread, nil,
      { argument in
        guard let argument else { return nil }
        let box = Unmanaged<Box>.fromOpaque(argument).takeRetainedValue()
        sy_thread_name(box.name)
        box.body()
        return nil
      }, box.toOpaque())
    guard code == 0 else {
      box.release()
      throw IOError("pthread_create", Int(code))
    }
    return ThreadHandle(thread)
  }

  /// Waits until the closure has returned. Further calls have no effect.
  public func join() {
    let waited = thread.withLock { thread in
      defer { thread = nil }
      return thread
    }
    if let waited { pthread_join(waited, nil) }
  }
}
