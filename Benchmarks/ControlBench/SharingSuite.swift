// Whether endpoints of the same true speed share the traffic: large fleets in which a quarter is
// fast (speed 4) and the others have speeds 1 and 2, from little traffic up to capacity.
import Simulation

enum SharingSuite {
  static let suite: BenchSuite = {
    var scenarios: [Scenario] = []
    for count in [60, 200] {
      for load in [10, 30, 60, 100] {
        for balancers in [1, 4] {
          let fast = count / 4
          let slow = (count - fast) / 2
          let name = "\(count)-endpoints-\(load)"
          let groups = [
            Fleets.group(slow, 1, slots: 4), Fleets.group(count - fast - slow, 2, slots: 4),
            Fleets.group(fast, 4, slots: 4),
          ]
          scenarios.append(
            Fleets.batch(
              balancers == 1 ? name : name + "-\(balancers)-balancers", groups,
              load: Double(load) / 100
            ) {
              $0.balancers = balancers
              $0.warmup = 30
              $0.measured = 60
            })
        }
      }
    }
    return BenchSuite(
      scenarios: scenarios,
      goals: scenarios.map {
        Goal(scenario: $0.name, figure: .evenness, bound: .atLeast(0.5))
      }, seeds: [901, 902, 903], policies: [.steelyard], hasTable: false)
  }()
}
