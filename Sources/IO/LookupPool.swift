// Resolves host names without blocking the caller: a few threads call the system's resolver and
// wake the caller's loop when they have an answer.
import Synchronization

/// A pool of threads for lookups. One thread asks and takes the answers.
public final class LookupPool: Sendable {
  /// The result of a lookup.
  public struct Answer: Sendable {
    /// The host name, or the name of SRV records.
    public let host: String
    public var isService = false
    /// 4 or 16 bytes each; nil: see `failure`.
    public var addresses: [[UInt8]]?
    /// nil: it was another lookup, or see `failure`.
    public var services: [HostResolver.Service]?
    public var failure = ""
    /// The name server knows that there are no such records.
    public var isMissing = false
  }

  private struct Question: Sendable {
    let name: String
    let isService: Bool
  }

  private struct State: Sendable {
    var questions: [Question] = []
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
  public func ask(_ host: String) { ask(Question(name: host, isService: false)) }

  /// The same for SRV records and the addresses of their targets.
  public func ask(service: String) { ask(Question(name: service, isService: true)) }

  private func ask(_ question: Question) {
    let needsThread = state.withLock { state in
      state.questions.append(question)
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
      let (question, hasMore) = state.withLock { state -> (Question?, Bool) in
        guard !state.questions.isEmpty else { return (nil, false) }
        state.isBusy += 1
        return (state.questions.removeFirst(), !state.questions.isEmpty)
      }
      guard let question else {
        waker.wait(milliseconds: -1)
        continue
      }
      // The wake-up that this thread took may have stood for several lookups.
      if hasMore { waker.wake() }
      var answer = Answer(host: question.name, isService: question.isService)
      do throws(HostResolver.Failure) {
        if question.isService {
          answer.services = try HostResolver.services(question.name)
        } else {
          answer.addresses = try HostResolver.lookUp(question.name)
        }
      } catch {
        (answer.failure, answer.isMissing) = (error.reason, error.isMissing)
      }
      state.withLock { state in
        state.isBusy -= 1
        state.answers.append(answer)
      }
      asker.wake()
    }
  }
}
