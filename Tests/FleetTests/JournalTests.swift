// The journal: what a reader gets, in which order, and what it is told to have missed.
import Primitives
import Testing

@testable import Fleet

@Suite struct JournalTests {
  private static func reload(_ count: Int) -> Transition { .reload(.taken(changeCount: count)) }

  private static func weight(_ old: Double) -> Transition {
    let row = WeightRow(
      base: 1, target: 1, effective: 1, eligibility: .ready, reason: WeightReason(.law))
    return .weight(
      WeightChange(pool: "text", endpoint: .loopback(port: 1), old: old, row: row))
  }

  @Test func theLogKeepsTheLastEntriesAndKnowsWhatAReaderMissed() {
    var log = BoundedLog<Int>(capacity: 4)
    #expect(log.entries(after: 0).isEmpty)
    for number in 1...6 { log.append(number) }
    #expect(log.entries == [3, 4, 5, 6])
    #expect(Array(log.entries(after: 5)) == [6])
    #expect(Array(log.entries(after: 0)) == [3, 4, 5, 6])
    #expect(log.entries(after: 6).isEmpty)
    #expect(log.entries(after: 9).isEmpty)
  }

  @Test func aReaderGetsEachTransitionOnceAndInOrder() {
    var journal = Journal()
    var cursor = Journal.Cursor()
    #expect(journal.news(after: &cursor).entries.isEmpty)
    journal.append(Self.weight(1), at: .seconds(1))
    journal.append(Self.reload(1), at: .seconds(2))
    journal.append(Self.weight(2), at: .seconds(3))
    var late = cursor
    let news = journal.news(after: &cursor)
    #expect(news.entries.map(\.transition) == [Self.weight(1), Self.reload(1), Self.weight(2)])
    #expect(news.entries.map(\.at) == [.seconds(1), .seconds(2), .seconds(3)])
    #expect(news.lost.isEmpty && journal.news(after: &cursor).entries.isEmpty)
    // Another reader has a cursor of its own, and may want some lanes only.
    #expect(journal.news([.reloads], after: &late).entries.map(\.transition) == [Self.reload(1)])
    #expect(journal.news([.weights], after: &late).entries.count == 2)
  }

  @Test func whatIsGoneIsCountedAndPushesNothingElseOut() {
    var journal = Journal()
    var cursor = Journal.Cursor()
    journal.append(Self.reload(1), at: .zero)
    for number in 1...100 { journal.append(Self.weight(Double(number)), at: .zero) }
    #expect(journal[.weights].count == 64 && journal.count(.weights) == 100)
    let news = journal.news(after: &cursor)
    #expect(news.entries.count == 65 && news.entries.first?.transition == Self.reload(1))
    #expect(news.lost.map(\.lane) == [.weights] && news.lost.map(\.count) == [36])
    #expect(journal.news(after: &cursor).lost.isEmpty)
  }

  @Test func aLaneNeverHoldsMoreThanItsCapacity() {
    var log = BoundedLog<Int>(capacity: 3)
    for number in 1...50 {
      log.append(number)
      #expect(Array(log.entries) == Array(max(1, number - 2)...number))
    }
    #expect(log.count == 50 && Array(log.entries(after: 48)) == [49, 50])
  }
}
