// Host names → addresses without blocking the asker: a few threads wait for the system's resolver
// in its place, and wake its loop when they have an answer.
import Synchronization

/// Threads that look names up. Asked and read by one thread.
public final class LookupPool: Sendable {
  /// What came of a name.
  public struct Answer: Sendable {
    public let host: String
    /// 4 or 16 bytes each; nil where there is a `failure`.
    public let addresses: [[UInt8]]?
    public let failure: String
  }

  private struct State: Sendable {
    var questions: [String] = []
    var answers: [Answer] = []
    var threadCount = 0
    var isBusy = 0
  }

  /// A name server that is silent holds a thread for seconds: others have to go on meanwhile.
  private static let threadsMax = 8
  private let state = Mutex(State())
  private let waker: Waker
  private let asker: Waker

  /// `asker` is woken by answers. No thread runs before the first question. Errors: eventfd's.
  public init(asker: Waker) throws(IOError) {
    self.asker = asker
    waker = try Waker()
  }

  /// Looks a name up; the answer comes by `take`. Ask for a name once at a time.
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

  /// The answers that came since the last call.
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
      // The wake-up that this thread took may have been for several questions.
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
