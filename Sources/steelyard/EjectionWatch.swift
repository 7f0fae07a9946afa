// Why workers eject endpoints, and by what they are back, for the log, hooks and the status.
import Fleet
import Primitives

struct EjectionWatch {
  /// Why one began.
  struct Beginning {
    /// A word, for the log and hooks.
    let label: String
    /// For people.
    let text: String
    /// Attempts in a row that failed so; 0: not known.
    let failures: Int
  }

  /// By what one ended.
  enum Cause: String {
    /// Trial requests ended well.
    case trialAnswers = "trial_answers"
    /// Its page can be read again: single requests try it.
    case scrape
    /// Other balancers' requests succeed there: single requests try it.
    case otherBalancers = "other_balancers"
    /// It is at work again: single requests try it.
    case watchdog
    /// Its time is over: single requests try it.
    case time

    var text: String {
      switch self {
      case .trialAnswers: "readmitted: trial requests ended well"
      case .scrape: "tried again, one request at a time: its metrics page is back"
      case .otherBalancers: "tried again, one request at a time: other balancers succeed there"
      case .watchdog: "tried again, one request at a time: it is at work"
      case .time: "tried again, one request at a time: its time is over"
      }
    }
  }

  private struct Memory {
    let at: Nanoseconds
    let readmissions: UInt64
    let news: [UInt64]
  }

  private static let news: [(HintBoard.News, Cause)] = [
    (.scrapeBack, .scrape), (.foreignSuccesses, .otherBalancers), (.recovered, .watchdog),
  ]

  /// By slot.
  private var memories: [Int: Memory] = [:]

  /// A worker has ejected the endpoint.
  mutating func begin(
    _ slot: Int, _ evidence: EvidenceBoard, _ hints: HintBoard, now: Nanoseconds
  ) -> Beginning {
    memories[slot] = Memory(
      at: now, readmissions: evidence.sum(.readmissions, slot),
      news: Self.news.map { hints.count($0.0, slot) })
    guard let last = evidence.lastEjection(slot) else {
      return Beginning(label: "other_worker", text: "another worker's word", failures: 0)
    }
    let count = last.count > 1 ? ", \(last.count) in a row" : ""
    return Beginning(
      label: last.reason.label, text: last.reason.words + count, failures: last.count)
  }

  /// No worker ejects it any more; nil where the beginning was not seen.
  mutating func end(
    _ slot: Int, _ evidence: EvidenceBoard, _ hints: HintBoard, now: Nanoseconds
  ) -> (by: Cause, seconds: Double)? {
    guard let memory = memories.removeValue(forKey: slot) else { return nil }
    let seconds = ((now - memory.at).seconds * 10).rounded() / 10
    if evidence.sum(.readmissions, slot) > memory.readmissions { return (.trialAnswers, seconds) }
    for (index, (news, cause)) in Self.news.enumerated()
    where hints.count(news, slot) > memory.news[index] {
      return (cause, seconds)
    }
    return (.time, seconds)
  }
}

extension EjectionReason {
  /// For people.
  fileprivate var words: String {
    switch self {
    case .refused: "connection refused"
    case .unreachable: "connection cut before an answer"
    case .truncated: "answer cut"
    case .status: "failure status"
    case .malformed: "bad response"
    case .timeout: "timeout"
    case .slow: "far slower than the others"
    case .overloaded: "completes nothing and answers 429 or 503"
    case .clientErrors: "client errors that the others do not give"
    case .scrapes: "scrapes and a request failed"
    case .stalled: "stood still"
    }
  }
}
