// What all sources of endpoints but host names have in common: a source is a value that says what
// is to be asked next, and what an answer means. SourceDriver asks, SourceBook decides what is
// believed.
package import Fleet
package import Primitives

/// Why an answer has no endpoints.
package struct SourceFailure: Error, Sendable, Equatable {
  package enum Reason: String, Sendable, CaseIterable {
    /// Nobody answers at the server's address, or its name has none.
    case unreachable
    case timeout
    case tls
    /// The answer is not what the protocol says.
    case malformed
    /// The answer has more bytes or endpoints than are taken.
    case tooLarge = "too_large"
    /// The server knows no such service, or the file does not exist.
    case missing
    /// The server refuses the token, or there is none.
    case denied
    /// The server has a fault of its own.
    case server
  }

  package let reason: Reason
  package let detail: String

  package init(_ reason: Reason, _ detail: String) {
    self.reason = reason
    self.detail = detail
  }
}

/// What a source wants to know.
package enum SourceQuestion: Sendable, Equatable {
  /// An exchange with the source's server.
  case exchange(SourceRequest)
  /// The files of a pattern.
  case files(String)
  /// The SRV records of a name, with the addresses of their targets.
  case records(String)
}

/// The request of a source.
package struct SourceRequest: Sendable, Equatable {
  package var path: String
  /// Sent with POST; nil: the request is a GET.
  package var content: String?
  /// The exchange fails after this time; nil: the source's.
  package var timeout: Nanoseconds?
  /// Lines are passed on as they come.
  package var isStream = false
  /// Fields of the answer that the source needs, in lower case.
  package var keptFields: [String] = []
  package init(_ path: String) { self.path = path }
}

package enum SourceAnswer: Sendable, Equatable {
  /// A part of the content of a stream, in order.
  case part([UInt8])
  /// The end of an exchange; of a stream without its content.
  case answer(status: Int, fields: [String: String], content: [UInt8])
  /// The content of each file, by path.
  case files([SourceFile])
  case records([ServiceRecord])
  case failed(SourceFailure)
}

/// A file of a source's pattern.
package struct SourceFile: Sendable, Equatable {
  package let path: String
  package let content: [UInt8]

  package init(path: String, content: [UInt8]) {
    self.path = path
    self.content = content
  }
}

/// What an answer means.
package enum SourceVerdict: Sendable, Equatable {
  /// Nothing has changed, or more is needed.
  case nothing
  /// The stream is of no more use: the next question comes at once.
  case again
  /// The source works, and nothing has changed.
  case unchanged
  /// All members that there are.
  case members([Member])
  /// These members, some of which are of an older answer, because a part could not be read.
  case partly([Member], SourceFailure)
  /// The last members stay.
  case failed(SourceFailure)
}

/// Asks one question after the other. Pure: times are arguments.
package protocol EndpointSource: Sendable {
  /// The time at which `ask` has a question, answers apart.
  var nextDue: Nanoseconds { get }

  /// The next question; nil: none is due. Requires: the question before has ended.
  mutating func ask(now: Nanoseconds) -> SourceQuestion?

  /// Takes an answer. Every answer but a `part` ends the question.
  mutating func take(_ answer: SourceAnswer, now: Nanoseconds) -> SourceVerdict
}

/// When a source is asked again: after its interval, after failures later and later.
struct AskTimes: Sendable {
  /// The longest pause after failures, unless the interval is longer.
  private static var pauseMax: Nanoseconds { .seconds(30) }
  private let interval: Nanoseconds
  private var failureCount = 0
  private(set) var nextAt = Nanoseconds.zero

  init(interval: Nanoseconds) { self.interval = interval }

  /// The next question comes after the interval.
  mutating func noteSuccess(now: Nanoseconds) {
    failureCount = 0
    nextAt = now + interval
  }

  /// The next question comes at once.
  mutating func noteProgress(now: Nanoseconds) {
    failureCount = 0
    nextAt = now
  }

  /// A watch ended that lived for a time. One that ended at once is not begun again in a loop.
  mutating func noteEnd(ofWatch lived: Nanoseconds, now: Nanoseconds) {
    if lived < .seconds(5) { noteSuccess(now: now) } else { noteProgress(now: now) }
  }

  /// The next question comes after 1 s, 2 s, 4 s, …, at most 30 s.
  mutating func noteFailure(now: Nanoseconds) {
    let pause = Nanoseconds.seconds(Double(1 << min(failureCount, 5)))
    failureCount += 1
    nextAt = now + min(pause, max(Self.pauseMax, interval))
  }
}
