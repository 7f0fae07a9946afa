import Fleet
import Primitives
import Testing

@testable import Balancer

/// Picks by the cost of one more request, and trials.
@Suite struct ShapePickTests {
  private struct Bench {
    var picker: Picker
    let pickBoard: PickBoard
    var random = RandomSource(seed: 5)

    init(_ weights: [Double], shape: ServiceShape? = nil, sizeSlope: Double = 0) {
      picker = Picker.numbered(weights) { $0.balance = .leastRequest }
      pickBoard = PickBoard(endpointLimit: weights.count)
      guard let shape else { return }
      for endpointIndex in weights.indices {
        pickBoard.setShape(endpointIndex, shape, sizeSlope: sizeSlope, sizeMean: 16)
      }
    }

    mutating func pick(
      _ load: [Int32], contentBytes: Int = 0, tried: TriedSet = TriedSet()
    ) -> Int? {
      picker.takeNotices(pickBoard, now: .seconds(9), &random)
      return load.withUnsafeBufferPointer {
        picker.pick(
          now: .seconds(9), load: $0.baseAddress!, pickBoard: pickBoard, tried: tried,
          contentBytes: contentBytes, random: &random)
      }
    }
  }

  @Test func slotsOfAFastEndpointAreUsedBeforeASlowOneIs() {
    let slots = ServiceShape(knee: 8, slope: 16, marginal: 1)
    var plain = Bench([2, 1])
    var shaped = Bench([2, 1], shape: slots)
    // With six requests there each takes half as much and none waits; with ten, two wait and all
    // later ones do.
    #expect(plain.pick([6, 0]) == 1)
    #expect(shaped.pick([6, 0]) == 0)
    #expect(shaped.pick([10, 0]) == 1)
  }

  @Test func aPriceOnDelaySendsARequestWhereItDelaysFewer() {
    // Alone it takes 1 ÷ 4 there, and 10 ÷ 4 with the nine: less than alone at the other endpoint.
    var greedy = Bench([4, 0.39], shape: ServiceShape(knee: 1, slope: 1, marginal: 0))
    var fair = Bench([4, 0.39], shape: ServiceShape(knee: 1, slope: 1, marginal: 1))
    #expect(greedy.pick([9, 0]) == 0)
    #expect(fair.pick([9, 0]) == 1)
  }

  @Test func ofMoreThanATableHoldsTheCostsAreComputed() {
    var bench = Bench([1, 1], shape: ServiceShape(knee: 8, slope: 16, marginal: 1))
    for load in [[1_023, 1_022], [1_024, 1_023], [5_000, 4_000], [4_000, 1]] as [[Int32]] {
      #expect(bench.pick(load) == 1)
      #expect(bench.pick(load.reversed()) == 0)
    }
  }

  @Test func aLongPromptGoesWhereFewAreDelayed() {
    let engine = ServiceShape(knee: .infinity, slope: 12, marginal: 1)
    var bench = Bench([4, 0.5], shape: engine, sizeSlope: 0.5)
    #expect(bench.pick([40, 0]) == 0)
    #expect(bench.pick([40, 0], contentBytes: 64 * 16) == 0)
    #expect(bench.pick([40, 0], contentBytes: 64 * 16 * 8) == 1)
    // If the length has no effect on the duration, it has none on the pick.
    var flat = Bench([4, 0.5], shape: engine, sizeSlope: 0)
    #expect(flat.pick([40, 0], contentBytes: 64 * 16 * 8) == 0)
  }

  @Test func endpointsOfDifferentConcurrencyHaveTablesOfTheirOwn() {
    var bench = Bench([1, 1])
    bench.pickBoard.setShape(0, ServiceShape(knee: 2, slope: 4, marginal: 1))
    bench.pickBoard.setShape(1, ServiceShape(knee: 20, slope: 40, marginal: 1))
    #expect(bench.pick([4, 9]) == 1)
    #expect(bench.pick([1, 12]) == 0)
  }

  @Test func aTrialTakesTheNextRequestAndNoMore() {
    var bench = Bench([10, 1, 1])
    bench.pickBoard.giveTrial(2)
    #expect(bench.pick([1, 0, 0]) == 2)
    #expect(bench.pick([1, 0, 0]) == 0)
    bench.pickBoard.giveTrial(2)
    #expect(bench.pick([1, 0, 0]) == 2)
  }

  @Test func noTrialWhereThereIsWorkAlreadyOrWhereARequestFailedBefore() {
    var bench = Bench([10, 1, 1])
    bench.pickBoard.giveTrial(2)
    #expect(bench.pick([1, 0, 1]) == 0)
    // The trial is over and is not repeated.
    #expect(bench.pick([1, 0, 0]) == 0)
    bench.pickBoard.giveTrial(2)
    var tried = TriedSet()
    tried.insert(0)
    bench.picker.set(2, weight: 0.1, isEligible: true, now: .zero, isFirst: true)
    bench.picker.finishTable()
    #expect(bench.pick([1, 0, 0], tried: tried) == 1)
  }
}
