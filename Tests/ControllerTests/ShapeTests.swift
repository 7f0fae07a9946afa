import Fleet
import Primitives
import Testing

@testable import Controller

@Suite struct ShapeTests {
  /// Fills a board with `count` requests that were sent with up to `most` in flight and took as
  /// `shape` says, of exponential work.
  private func fit(
    _ shape: ServiceShape, most: Int, count: Int = 4_000, seed: UInt64
  ) -> ServiceShape {
    let board = EvidenceBoard(workerCount: 1, endpointLimit: 3)
    let cells = board.occupancyBlock(ofWorker: 0)
    var random = RandomSource(seed: seed)
    var fit = ShapeFit()
    fit.take(board, endpointIndexes: [0, 1, 2], passed: 1, fleetResponse: 0.1)
    for _ in 0..<count {
      let endpointIndex = random.index(below: 3)
      let occupancy = 1 + random.index(below: most)
      let alone = 0.1 * Double(endpointIndex + 1) * -logarithm(1 - random.unit())
      let index = OccupancyBucket.index(endpointIndex, OccupancyBucket.of(occupancy))
      cells.add(1, at: index)
      cells.add(UInt64(alone * shape.stretch(Double(occupancy)) * 1e6), at: index + 1)
    }
    fit.take(board, endpointIndexes: [0, 1, 2], passed: 1, fleetResponse: 0.1)
    return fit.shape(marginal: 1.5)
  }

  @Test(arguments: [4.0, 8, 16], [1, 2, 3])
  func slotsAreFound(slots: Double, seed: Int) {
    let flat = ServiceShape(knee: slots, slope: .infinity, marginal: 0)
    let found = fit(flat, most: Int(slots * 2.5), seed: UInt64(seed))
    #expect(abs(found.knee - slots) <= 0.15 * slots)
    #expect(found.slope == 2 * found.knee)
    #expect(found.marginal == 1.5)
  }

  @Test(arguments: [1, 2, 3, 4, 5])
  func aServerThatSharesIsNotTakenForOneWithSlots(seed: Int) {
    let found = fit(
      ServiceShape(knee: 1, slope: 1, marginal: 0), most: 20, seed: UInt64(seed))
    #expect(found == .unknown)
  }

  @Test func nothingIsSaidOfFewRequests() {
    let flat = ServiceShape(knee: 4, slope: .infinity, marginal: 0)
    #expect(fit(flat, most: 10, count: 40, seed: 1) == .unknown)
  }

  @Test func slotsAreReadFromPagesThatAreFullWithTheSameNumber() {
    var pages = FullPages()
    for second in 0..<4 {
      pages.take(running: 8, waiting: 2, at: .seconds(Double(second)))
      #expect(pages.slots(now: .seconds(Double(second))) == nil)
    }
    for second in 4..<7 { pages.take(running: 8, waiting: 2, at: .seconds(Double(second))) }
    #expect(pages.slots(now: .seconds(10)) == 8)
    // Without a queue it says nothing, and nothing is forgotten.
    pages.take(running: 3, waiting: 0, at: .seconds(20))
    #expect(pages.slots(now: .seconds(3_000)) == 8)
    #expect(pages.slots(now: .seconds(9_000)) == nil)
    // One that batches continuously runs another number each time.
    for second in 0..<20 {
      pages.take(
        running: 8 + Double(second % 7), waiting: 3, at: .seconds(100 + Double(second)))
    }
    #expect(pages.slots(now: .seconds(120)) == nil)
  }

  @Test func bucketsAreInOrderAndTheirMiddlesAreWithin() {
    var last = -1
    for occupancy in 1...200 {
      let bucket = OccupancyBucket.of(occupancy)
      #expect(bucket == last || bucket == last + 1)
      last = bucket
    }
    #expect(last == OccupancyBucket.count - 1)
    for bucket in 0..<OccupancyBucket.count - 1 {
      #expect(OccupancyBucket.of(Int(OccupancyBucket.middle(bucket))) == bucket)
    }
  }

  @Test func aRequestPaysForTheDelayOfOthers() {
    let shape = ServiceShape(knee: 4, slope: 8, marginal: 1)
    #expect(shape.stretch(1) == 1)
    #expect(shape.cost(1) == 1)
    #expect(abs(shape.stretch(4) - 1.375) < 1e-12)
    #expect(abs(shape.stretch(8) - 2.75) < 1e-12)
    // Seven others wait 0.34 longer each.
    #expect(abs(shape.delay(8) - 7 * (2.75 - 1.375 * 7 / 4)) < 1e-12)
    #expect(ServiceShape.plain.cost(5) == 5)
    let engine = ServiceShape(knee: .infinity, slope: 12, marginal: 1)
    #expect(abs(engine.stretch(13) - 2) < 1e-12)
    #expect(engine.cost(1e6).isFinite)
  }

  @Test(arguments: [(proportional: true, slope: 1.0), (false, 0)])
  func theSlopeOfDurationOnLength(proportional: Bool, slope: Double) {
    let board = EvidenceBoard(workerCount: 1, endpointLimit: 1)
    let cells = board.block(ofWorker: 0)
    var random = RandomSource(seed: 3)
    var fit = SizeFit()
    fit.take(board, endpointIndexes: [0], passed: 1)
    #expect(fit.slope == nil)
    for _ in 0..<2_000 {
      let size = UInt64(1 + random.index(below: 200))
      let micros = proportional ? size * 1_000 : UInt64(1_000 + random.index(below: 200_000))
      for (column, value) in [
        (EvidenceBoard.Column.sizedCount, 1), (.sizes, size), (.sizeSquares, size * size),
        (.sizedMicros, micros), (.sizeMicros, size * micros),
      ] {
        cells.add(value, at: board.index(column, 0))
      }
    }
    fit.take(board, endpointIndexes: [0], passed: 1)
    #expect(abs((fit.slope ?? -1) - slope) < 0.08)
    #expect(abs((fit.meanSize ?? 0) - 100) < 5)
  }
}
