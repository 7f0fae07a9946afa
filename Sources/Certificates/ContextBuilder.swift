// Builds the contexts of all threads. A thousand certificates take half a second for each thread,
// so what takes long is built for all at once, each on a thread of its own.
import IO
import Synchronization

struct ContextBuilder {
  /// The cost of the system's authorities, in certificates.
  static let systemCost = 20
  /// The number of certificates from which on threads are worth it.
  private static let costMin = 64

  /// By thread.
  let libraries: [TLSLibrary]
  /// Threads before this one need no context.
  let first: Int

  /// A context for each thread from `first` on. `cost`: of one, in certificates with keys. Error:
  /// that of the first thread.
  func contexts<Context: Sendable>(
    cost: Int, _ make: @escaping @Sendable (TLSLibrary) throws(TLSError) -> Context
  ) throws(TLSError) -> [Context?] {
    let results = Results<Context>(count: libraries.count)
    let build: @Sendable (Int, TLSLibrary) -> Void = { thread, library in
      let result: Result<Context, TLSError>
      do throws(TLSError) {
        result = .success(try make(library))
      } catch {
        result = .failure(error)
      }
      results.values.withLock { $0[thread] = result }
    }
    var handles: [ThreadHandle] = []
    let isSlow = cost * (libraries.count - first) >= Self.costMin
    for thread in first..<libraries.count {
      let library = libraries[thread]
      // The last one is built here; without a thread, all are.
      let handle =
        isSlow && thread < libraries.count - 1
        ? try? ThreadHandle.start(name: "certificates") { build(thread, library) } : nil
      if let handle { handles.append(handle) } else { build(thread, library) }
    }
    for handle in handles { handle.join() }
    var contexts: [Context?] = []
    for result in results.values.withLock({ $0 }) { contexts.append(try result?.get()) }
    return contexts
  }

  private final class Results<Context: Sendable>: Sendable {
    let values: Mutex<[Result<Context, TLSError>?]>

    init(count: Int) {
      values = Mutex([Result<Context, TLSError>?](repeating: nil, count: count))
    }
  }
}
