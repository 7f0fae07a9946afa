// The event queue gives events in order of time, and of their being told where times are equal.
import Primitives
import Testing

@testable import Simulation

@Suite struct EventQueueTests {
  @Test func eventsOfOneTimeComeInTheOrderOfTheirTelling() {
    var queue = EventQueue()
    for index in 0..<100 {
      let event = Event(.scrape, at: .seconds(index % 3), index: index)
      queue.push(event)
    }
    var last = (at: Nanoseconds(-1), index: -1)
    while let event = queue.pop() {
      #expect(event.at > last.at || event.at == last.at && event.index > last.index)
      last = (event.at, event.index)
    }
    #expect(last.index == 98)
  }

  @Test func aLineBesideTheHeapChangesNothing() {
    var random = RandomSource(seed: 11)
    var (heapOnly, both) = (EventQueue(), EventQueue())
    var now = Nanoseconds.zero
    var serial = 0
    for _ in 0..<20_000 {
      if random.index(below: 5) < 3 {
        serial += 1
        let isLast = random.index(below: 2) == 0
        let delay = isLast ? 50 : random.index(below: 100)
        let event = Event(.timeout, at: now + Nanoseconds(Int64(delay)), index: serial)
        heapOnly.push(event)
        if isLast { both.pushLast(event) } else { both.push(event) }
      } else {
        let (a, b) = (heapOnly.pop(), both.pop())
        #expect(a?.index == b?.index)
        #expect((a?.at ?? now) >= now)
        now = a?.at ?? now
      }
    }
    while let event = heapOnly.pop() {
      let other = both.pop()
      #expect(other?.index == event.index)
    }
    let rest = both.pop()
    #expect(rest == nil)
  }
}
