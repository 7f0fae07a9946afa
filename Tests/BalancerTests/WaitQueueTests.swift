import Balancer
import Primitives
import Testing

@Suite struct WaitQueueTests {
  /// Removes every entry of a queue, in order.
  private func drain(_ queue: inout WaitQueue, _ line: Int) -> [Int] {
    var order: [Int] = []
    while let first = queue.first(line) {
      order.append(first)
      queue.remove(first)
    }
    return order
  }

  @Test func servesByPriorityThenFirstComeFirstServed() {
    var queue = WaitQueue(capacity: 8)
    queue.setLineCount(1)
    for (index, level) in [1, 2, 0, 1, 0, 2].enumerated() {
      queue.insert(index, line: 0, level: level, arrivedAt: .seconds(index))
    }
    #expect(drain(&queue, 0) == [2, 4, 0, 3, 1, 5])
    #expect(queue.count == 0)
  }

  @Test func whoWaitsAgainGetsTheOldPlaceBack() {
    var queue = WaitQueue(capacity: 8)
    queue.setLineCount(1)
    for index in 1...4 { queue.insert(index, line: 0, level: 1, arrivedAt: .seconds(index)) }
    queue.remove(2)
    queue.insert(2, line: 0, level: 1, arrivedAt: .seconds(2))
    queue.insert(0, line: 0, level: 1, arrivedAt: .zero)
    #expect(drain(&queue, 0) == [0, 1, 2, 3, 4])
  }

  @Test func linesDoNotMix() {
    var queue = WaitQueue(capacity: 8)
    queue.setLineCount(1)
    queue.insert(0, line: 0, level: 1, arrivedAt: .seconds(1))
    queue.setLineCount(3)
    queue.insert(1, line: 2, level: 0, arrivedAt: .seconds(2))
    #expect(queue.count(0) == 1)
    #expect(queue.count(1) == 0)
    #expect(queue.first(1) == nil)
    #expect(queue.first(2) == 1)
    #expect(drain(&queue, 0) == [0])
    #expect(drain(&queue, 2) == [1])
  }

  @Test func keysOrderByLevelThenTime() {
    var queue = WaitQueue(capacity: 8)
    queue.setLineCount(2)
    #expect(queue.key(0) == .max)
    queue.insert(0, line: 0, level: 1, arrivedAt: .seconds(5))
    queue.insert(1, line: 1, level: 1, arrivedAt: .seconds(6))
    #expect(queue.key(0) < queue.key(1))
    queue.insert(2, line: 1, level: 0, arrivedAt: .seconds(9))
    #expect(queue.key(1) < queue.key(0))
    // The oldest entry is not the first.
    #expect(queue.oldest(1) == .seconds(6))
  }

  @Test func agreesWithASortedArrayWhateverHappens() {
    var random = RandomSource(seed: 11)
    var queue = WaitQueue(capacity: 64)
    queue.setLineCount(2)
    // Index, queue, level, time.
    var model: [(index: Int, line: Int, level: Int, time: Int)] = []
    for step in 0..<20_000 {
      let index = random.index(below: 64)
      if let place = model.firstIndex(where: { $0.index == index }) {
        #expect(queue.isWaiting(index) == true)
        queue.remove(index)
        model.remove(at: place)
      } else {
        #expect(queue.isWaiting(index) == false)
        let (line, level) = (random.index(below: 2), random.index(below: 3))
        let time = random.index(below: 10) == 0 ? random.index(below: step + 1) : step
        queue.insert(index, line: line, level: level, arrivedAt: Nanoseconds(Int64(time)))
        let after = model.firstIndex {
          $0.line == line && ($0.level, $0.time) > (level, time)
        }
        model.insert((index, line, level, time), at: after ?? model.count)
      }
      let line = random.index(below: 2)
      let expected = model.filter { $0.line == line }
      #expect(queue.count(line) == expected.count)
      var (walked, place) = ([Int](), queue.first(line))
      while let next = place {
        walked.append(next)
        place = queue.next(after: next)
      }
      #expect(walked == expected.map(\.index))
    }
  }
}
