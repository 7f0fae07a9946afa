// The one interface of all sources of endpoints. A source is a value that says what is to be asked
// and what an answer changes; DiscoveryDriver asks.
package import Fleet
package import Primitives

/// Asks again and again for sets of addresses. Pure: times are arguments.
package protocol MemberSource: Sendable {
  associatedtype Question: Sendable
  associatedtype Answer: Sendable

  /// The earliest time at which `due` returns more.
  var nextDue: Nanoseconds { get }

  /// The questions to ask now. Each has to end with one call of `finished`, however late.
  mutating func due(now: Nanoseconds) -> [Question]

  /// Takes an answer and returns what it changes; nothing for a question that nobody asks any more.
  /// An addition comes before a removal, so that no pool is empty in between. `wall` is the
  /// wall-clock time.
  mutating func finished(
    _ question: Question, _ answer: Answer, now: Nanoseconds, wall: Nanoseconds
  ) -> [MemberUpdate]
}
