import Controller
import Fleet
import Primitives
import Testing

/// The cells of one endpoint, as a balancer would write them.
private struct Cells {
  private let board: EvidenceBoard
  private let endpointIndex: Int
  init(_ board: EvidenceBoard, _ endpointIndex: Int) {
    (self.board, self.endpointIndex) = (board, endpointIndex)
  }

  /// So many are in flight from now on, and so many have come; those that are neither are done.
  func put(inFlight: Int, started: Int) {
    let cells = board.block(ofWorker: 0)
    cells.store(UInt64(inFlight), at: board.index(.inFlight, endpointIndex))
    cells.add(UInt64(started), at: board.index(.started, endpointIndex))
    let all = cells[board.index(.started, endpointIndex)]
    cells.store(all - min(all, UInt64(inFlight)), at: board.index(.completed, endpointIndex))
  }
}

@Suite struct DemandTests {
  /// 8 slots of which 4 are busy, 2 requests in a tick: 20/s, 0.2 s each, 40/s when full.
  private static func half(_ board: EvidenceBoard, slots: [Int]) -> (Bench) -> Void {
    { _ in for endpointIndex in slots { Cells(board, endpointIndex).put(inFlight: 4, started: 2) } }
  }

  private static func fleet(_ concurrencies: [Double?], health: HealthPolicy? = nil) -> Fleet {
    var fleet = makeFleet(bases: concurrencies.map { _ in 1 }, law: .capacity, health: health)
    for (index, each) in concurrencies.enumerated() {
      fleet.pools[0].endpoints[index].concurrency = each
    }
    return fleet
  }

  @Test func ratesAndCapacitiesOfThePoolAddUp() throws {
    var bench = Bench(Self.fleet([8, 8]))
    let board = bench.controller.evidence
    #expect(bench.controller.demand[0].text == "no request rate yet")
    bench.run(
      seconds: 600, answer: { _ in .hang }, observe: Self.half(board, slots: [0, 1]))
    let demand = try #require(bench.controller.demand(ofPool: "text"))
    #expect(near(demand.forecast.rate ?? 0, 40, 0.5))
    #expect(near(demand.capacity ?? 0, 80, 1))
    #expect(demand.basis == .slots)
    #expect(near(demand.ratio ?? 0, 0.5, 0.01))
    #expect(demand.text.hasPrefix("40.0 requests/s; expected 40.0 in 1m, 40.0 in 5m; "))
    #expect(demand.text.hasSuffix("by slots; demand 0.50"))
    #expect(bench.controller.demand(ofPool: "image") == nil)
  }

  @Test func withoutSlotsAnEndpointThatDoesAnythingIsFull() throws {
    var bench = Bench(Self.fleet([nil]))
    let board = bench.controller.evidence
    bench.run(seconds: 120, answer: { _ in .hang }, observe: Self.half(board, slots: [0]))
    #expect(bench.controller.demand[0].basis == .busy)
    #expect(near(bench.controller.demand[0].ratio ?? 0, 1, 0.02))
  }

  @Test func anEndpointOfWhichNothingIsKnownCountsLikeTheOthers() throws {
    var bench = Bench(Self.fleet([8, nil]))
    let board = bench.controller.evidence
    bench.run(seconds: 120, answer: { _ in .hang }, observe: Self.half(board, slots: [0]))
    #expect(bench.controller.demand[0].basis == .slots)
    #expect(near(bench.controller.demand[0].capacity ?? 0, 80, 4))
  }

  @Test func whatTakesNoNewRequestsHasNoCapacity() throws {
    var policy = HealthPolicy()
    policy.interval = .seconds(1)
    policy.timeout = .milliseconds(500)
    var bench = Bench(Self.fleet([8, 8], health: policy))
    let board = bench.controller.evidence
    bench.run(
      seconds: 120, answer: { _ in .page(200, "") }, observe: Self.half(board, slots: [0, 1]))
    #expect(near(bench.controller.demand[0].capacity ?? 0, 80, 1))
    bench.run(
      seconds: 10, answer: { .page($0.id.endpointIndex == 0 ? 503 : 200, "") },
      observe: Self.half(board, slots: [0, 1]))
    #expect(near(bench.controller.demand[0].capacity ?? 0, 40, 1))
    board.block(ofWorker: 0).store(1, at: board.index(.ejectedSince, 1))
    bench.run(
      seconds: 1, answer: { .page($0.id.endpointIndex == 0 ? 503 : 200, "") },
      observe: Self.half(board, slots: [0, 1]))
    #expect(bench.controller.demand[0].capacity == nil)
    #expect(bench.controller.demand[0].ratio == nil)
  }

  @Test func aPoolKeepsItsForecastOverReloadsByItsName() throws {
    var bench = Bench(Self.fleet([8, 8]))
    let board = bench.controller.evidence
    bench.run(
      seconds: 600, answer: { _ in .hang }, observe: Self.half(board, slots: [0, 1]))
    let before = bench.controller.demand[0]
    var fleet = Self.fleet([8, 8, 8])
    var other = fleet.pools[0]
    other.name = "other"
    other.endpoints = []
    fleet.pools.insert(other, at: 0)
    // What an endpoint did before it was looked at is no burst.
    Cells(board, 2).put(inFlight: 0, started: 1_000_000)
    bench.controller.apply(fleet: fleet, now: bench.now)
    #expect(bench.controller.demand[0].forecast.rate == nil)
    #expect(bench.controller.demand[1].forecast.rate == before.forecast.rate)
    bench.run(
      seconds: 90, answer: { _ in .hang }, observe: Self.half(board, slots: [0, 1]))
    #expect(near(bench.controller.demand[1].forecast.rate ?? 0, 40, 0.5))
    // The third is new; it counts like the others.
    #expect(near(bench.controller.demand[1].capacity ?? 0, 120, 2))
  }

  @Test func anIdlePoolKeepsItsCapacityAndIsAskedForNothing() throws {
    var bench = Bench(Self.fleet([8]))
    let board = bench.controller.evidence
    bench.run(seconds: 300, answer: { _ in .hang }, observe: Self.half(board, slots: [0]))
    Cells(board, 0).put(inFlight: 0, started: 0)
    bench.run(seconds: 3_600) { _ in .hang }
    #expect(near(bench.controller.demand[0].capacity ?? 0, 40, 2))
    #expect(near(bench.controller.demand[0].ratio ?? 1, 0, 0.01))
  }
}

@Suite struct ServiceEvidenceTests {
  private static let pages: [([(running: Double, waiting: Double)], slots: Double?)] = [
    ([(4, 0), (8, 0)], nil),
    // A request that waits for a moment is no full endpoint.
    ([(3, 1), (3, 2), (4, 0), (2, 1), (2, 1)], nil),
    ([(8, 1), (8, 5), (8, 9)], 8),
    ([(8, 1), (8, 5), (8, 9), (9, 0)], 9),
    ([(8, 1), (8, 5), (8, 9), (3, 0), (3, 1)], 8),
    ([(8, 1), (8, 5), (8, 9), (3, 1)], 7),
    ([(0, 7), (0, 7), (0, 7)], nil),
  ]

  @Test(arguments: pages.indices) func slotsAreLearntWhereRequestsKeepWaiting(row: Int) {
    var service = ServiceEvidence()
    for page in Self.pages[row].0 {
      service.takePage(running: page.running, waiting: page.waiting)
    }
    #expect(service.learnedSlots == Self.pages[row].slots)
  }

  @Test func aPageWithoutLoadTeachesNothing() {
    var service = ServiceEvidence()
    for _ in 0..<5 { service.takePage(running: nil, waiting: 3) }
    for _ in 0..<5 { service.takePage(running: 3, waiting: nil) }
    #expect(service.learnedSlots == nil)
  }

  @Test func requestsOfOthersTakeTheirPartOfTheSlots() throws {
    // 12 at an endpoint of 8 slots, 6 of them ours: 4 of ours are served, 10 a second end.
    var service = ServiceEvidence()
    var cells = EvidenceReading()
    cells.inFlight = 6
    for _ in 0...600 {
      cells.started += 1
      _ = service.take(cells, others: 6, slots: 8, passed: 0.1)
    }
    // Ours end at 10/s on half of the slots.
    #expect(near(try #require(service.capacity), 20, 0.2))
  }

  @Test func failuresAreNoWorkDone() throws {
    var service = ServiceEvidence()
    var cells = EvidenceReading()
    cells.inFlight = 1
    for tick in 0...6_000 {
      cells.started += 10
      cells.failed += 9
      let started = service.take(cells, others: 0, slots: 1, passed: 0.1)
      #expect(started == (tick == 0 ? 0 : 10))
    }
    #expect(near(try #require(service.capacity), 10, 0.1))
  }

  @Test func otherSlotsNeedOtherEvidence() {
    var service = ServiceEvidence()
    var cells = EvidenceReading()
    cells.inFlight = 4
    for _ in 0...100 {
      cells.started += 2
      _ = service.take(cells, others: 0, slots: nil, passed: 0.1)
    }
    #expect(service.capacity != nil)
    _ = service.take(cells, others: 0, slots: 8, passed: 0.1)
    #expect(service.capacity == nil)
  }
}
