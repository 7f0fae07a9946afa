import Primitives
import Testing

@testable import Balancer

@Suite struct PoolTrafficTests {
  @Test(arguments: [
    (false, true, 2.0, 1.0, PoolTraffic.Departure.overdue),
    (false, true, 1, 1, .waiting),
    (false, true, 0.1, 1, .waiting),
    // No client has been answered yet, so every departure is overdue.
    (false, true, 0.001, 0, .overdue),
    // The client had not sent its whole request.
    (false, false, 2, 1, .waiting),
    (true, true, 2, 1, .reading),
    (true, false, 2, 0, .reading),
  ])
  func whenAClientLeaves(
    hasContent: Bool, canBlame: Bool, waited: Double, patience: Double,
    departure: PoolTraffic.Departure
  ) {
    let found = PoolTraffic.Departure(
      hasContent: hasContent, canBlame: canBlame, waited: .seconds(waited),
      patience: .seconds(patience))
    #expect(found == departure)
  }

  @Test func countsOfAllWorkersAreSummed() {
    let traffic = PoolTraffic(name: "text", workerCount: 2)
    traffic.countArrival(worker: 0)
    traffic.countArrival(worker: 1)
    traffic.count(.overdue, worker: 1)
    #expect(traffic.arrivalCount == 2)
    #expect(PoolTraffic.Departure.allCases.map { traffic.sum($0) } == [0, 1, 0])
    traffic.setPatience(.milliseconds(250))
    #expect(traffic.patience == .milliseconds(250))
  }
}
