// Resolves host names without blocking the caller: a few threads call the system's resolver and
// wake the caller's loop when they have an answer.
import Synchronization

/// A pool of threads for lookups. One thread asks and takes the answers.
public final class LookupPool: Sendable {
  /// The result of a lookup.
  public struct Answer: Sendable {
    public let host: String
    /// 4 or 16 bytes each; nil: see `failure`.
    public let addresses: [[UInt8]]?
    public let failure: String
  }

  private struct State: Sendable {
    var questions: [String] = []
    var answers: [Answer] = []
    var threadCount = 0
    var isBusy = 0
  }

  /// A name server that does not answer blocks a thread for seconds; other lookups have to continue
  /// meanwhile.
  private static let threadsMax = 8
  private let state = Mutex(State())
  private let waker: Waker
  private let asker: Waker

  /// Answers wake `asker`. No thread runs before the first lookup. Errors: those of eventfd.
  public init(asker: Waker) throws(IOError) {
    self.asker = asker
    waker = try Waker()
  }

  /// Starts a lookup; `take` returns the answer. Requires: no lookup of the same name is running.
  public func ask(_ host: String) {
    let needsThread = state.withLock { state in
      state.questions.append(host)
      guard state.questions.count + state.isBusy > state.threadCount,
        state.threadCount < Self.threadsMax
      else { return false }
      state.threadCount += 1
      return true
    }
    if needsThread, (try? ThreadHandle.start(name: "resolver", { [self] in run() })) == nil {
      state.withLock { $0.threadCount -= 1 }
    }
    waker.wake()
  }

  /// The answers since the last call.
  public func take() -> [Answer] {
    state.withLock { state in
      defer { state.answers = [] }
      return state.answers
    }
  }

  private func run() {
    while true {
      let (host, hasMore) = state.withLock { state -> (String?, Bool) in
        guard !state.questions.isEmpty else { return (nil, false) }
        state.isBusy += 1
        return (state.questions.removeFirst(), !state.questions.isEmpty)
      }
      guard let host else {
        waker.wait(milliseconds: -1)
        continue
      }
      // The wake-up that this thread took may have stood for several lookups.
      if hasMore { waker.wake() }
      let answer: Answer
      do throws(HostResolver.Failure) {
        answer = Answer(host: host, addresses: try HostResolver.lookUp(host), failure: "")
      } catch {
        answer = Answer(host: host, addresses: nil, failure: error.reason)
      }
      state.withLock { state in
        state.isBusy -= 1
        state.answers.append(answer)
      }
      asker.wake()
    }
  }
}
