import Exposition
import Primitives
import Testing

@Suite struct ExemplarCellsTests {
  private func block() -> CellBlock { CellBlock(count: ExemplarCells.cellCount + 7) }

  private func store(_ milliseconds: Int, _ trace: UInt64, _ now: Int, _ cells: CellBlock) {
    ExemplarCells.store(
      .milliseconds(milliseconds), traceHigh: trace, traceLow: trace &+ 1,
      at: .seconds(now), in: cells, base: 7)
  }

  private func read(_ blocks: [CellBlock]) -> [TracedObservation?] {
    ExemplarCells.read(from: blocks, base: 7, wallOffset: .seconds(1_000))
  }

  @Test func nothingStoredIsNothing() {
    #expect(read([block()]).allSatisfy { $0 == nil })
  }

  @Test func eachBucketKeepsItsLastOne() throws {
    let cells = block()
    store(3, 10, 1, cells)
    store(4, 20, 2, cells)
    store(900_000, 30, 3, cells)
    let found = read([cells])
    #expect(found.count == DurationHistogram.bounds.count + 1)
    #expect(found.compactMap { $0 }.count == 2)
    let first = try #require(found.first ?? nil)
    #expect(first.traceHigh == 20 && first.traceLow == 21)
    #expect(first.seconds == 0.004 && first.time == 1_002)
    #expect(found.last??.traceHigh == 30 && found.last??.seconds == 900)
  }

  @Test func ofSeveralWorkersTheNewestCounts() {
    let blocks = [block(), block(), block()]
    store(3, 10, 5, blocks[0])
    store(3, 20, 9, blocks[1])
    store(3, 30, 7, blocks[2])
    #expect(read(blocks).first??.traceHigh == 20)
  }

  @Test func aTornOneIsNotRead() {
    // As a reader sees it in the middle of a write: each word of another observation by itself.
    for word in 0..<4 {
      let (old, new, torn) = (block(), block(), block())
      store(3, 10, 5, old)
      store(4, 20, 9, new)
      for index in 0..<5 { torn.store(old[7 + index], at: 7 + index) }
      torn.store(new[7 + word], at: 7 + word)
      #expect(read([torn]).first == .some(nil), "word \(word)")
    }
  }
}
