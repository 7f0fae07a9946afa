import Fleet
import Primitives
import Testing

@testable import Balancer

@Suite struct OutstandingListTests {
  /// The model is a set of arrays that are searched.
  @Test func theOldestIsAlwaysThatOfTheModel() {
    var random = RandomSource(seed: 7)
    var list = OutstandingList(endpointLimit: 3, capacity: 64)
    var model: [[(entry: Int32, at: Nanoseconds)]] = [[], [], []]
    var now = Nanoseconds.seconds(1)
    for _ in 0..<20_000 {
      now = now + .milliseconds(1)
      let endpointIndex = random.index(below: 3)
      let count = model.reduce(0) { $0 + $1.count }
      if count < 64, model[endpointIndex].isEmpty || random.index(below: 2) == 0 {
        model[endpointIndex].append((list.append(endpointIndex, startedAt: now), now))
      } else if !model[endpointIndex].isEmpty {
        let gone = model[endpointIndex].remove(at: random.index(below: model[endpointIndex].count))
        list.remove(gone.entry, endpointIndex)
      }
      for endpointIndex in 0..<3 {
        #expect(list.oldest(endpointIndex) == model[endpointIndex].first?.at)
      }
    }
  }

  @Test func whoeverCountsAgainIsAsYoungAsTheNewestAtMost() {
    var list = OutstandingList(endpointLimit: 1, capacity: 8)
    // Whether the entry is the oldest, and the time when the oldest began.
    func oldest(_ entry: Int32) -> (Bool, Nanoseconds?) {
      (list.isOldest(entry, 0), list.oldest(0))
    }
    let first = list.append(0, startedAt: .seconds(10))
    #expect(oldest(first) == (true, .seconds(10)))
    list.remove(first, 0)
    let again = list.appendLate(0, startedAt: .seconds(11))
    #expect(oldest(again) == (true, .seconds(11)))
    let second = list.append(0, startedAt: .seconds(15))
    list.remove(again, 0)
    let last = list.appendLate(0, startedAt: .seconds(12))
    #expect(oldest(second) == (true, .seconds(15)))
    #expect(oldest(last) == (false, .seconds(15)))
    list.remove(second, 0)
    #expect(oldest(last) == (true, .seconds(15)))
    list.remove(last, 0)
    #expect(list.oldest(0) == nil)
  }

  @Test func theBoardKnowsSinceWhenTheOldestRequestOfAllWorkersRuns() {
    let evidence = EvidenceBoard(workerCount: 2, endpointLimit: 2)
    let pickBoard = PickBoard(endpointLimit: 2)
    var first = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 0)
    var second = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 1)
    #expect(evidence.oldestStart(0) == nil)
    let a = first.take(0, now: .seconds(10))
    let b = second.take(0, now: .seconds(9))
    let c = first.take(0, now: .seconds(12))
    var d = first.take(1, now: .seconds(13))
    #expect(evidence.oldestStart(0) == .seconds(9))
    second.end(b, .completed, now: .seconds(14))
    #expect(evidence.oldestStart(0) == .seconds(10))
    first.end(a, .completed, now: .seconds(15))
    #expect(evidence.oldestStart(0) == .seconds(12))
    first.end(c, .failed(.timeout), now: .seconds(16))
    #expect(evidence.oldestStart(0) == nil)
    // A tunnel is no request that waits for an answer.
    #expect(evidence.oldestStart(1) == .seconds(13))
    first.becomeTunnel(&d)
    #expect(evidence.oldestStart(1) == nil)
    first.end(d, .completed, now: .seconds(17))
    #expect(evidence.oldestStart(1) == nil)
  }
}
