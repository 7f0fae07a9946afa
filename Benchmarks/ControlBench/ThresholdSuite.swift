// The targets of the law: quantiles and means relative to least request, and how soon a recovered
// endpoint has its share again. Bounds hold for medians over seeds 901…910 of ratios within a seed.
import Simulation

enum ThresholdSuite {
  static let suite: BenchSuite = {
    let rows = steady + balancers + faults + engines
    return BenchSuite(
      scenarios: rows.map(\.scenario), goals: rows.flatMap(\.goals), seeds: Array(901...910),
      policies: [.steelyard], hasTable: false)
  }()

  private struct Row {
    let scenario: Scenario
    let goals: [Goal]

    /// p50, mean and p99 ÷ those of `peer` are at most `bounds`.
    init(
      _ scenario: Scenario, _ bounds: (Double, Double, Double),
      over peer: PolicyName = .leastRequest, also: [(Figure, Goal.Bound)] = []
    ) {
      self.scenario = scenario
      let ratios: [(Figure, Goal.Bound)] = [
        (.p50, .ratio(peer, atMost: bounds.0)), (.mean, .ratio(peer, atMost: bounds.1)),
        (.p99, .ratio(peer, atMost: bounds.2)),
      ]
      goals = (ratios + also).map {
        Goal(scenario: scenario.name, figure: $0.0, bound: $0.1)
      }
    }
  }

  private static let steady: [Row] = {
    let loads: [(Int, (Double, Double, Double))] = [
      (30, (0.67, 0.58, 0.47)), (50, (0.76, 0.67, 0.58)), (70, (0.91, 0.80, 0.68)),
      (80, (1.07, 0.90, 0.75)), (90, (1.18, 1.01, 0.89)),
    ]
    let batch = loads.map { load, bounds in
      Row(Fleets.batch("batch-h4-\(load)", load: Double(load) / 100), bounds)
    }
    // Without gauges, slots have to be learned from durations, which takes minutes.
    let blind = loads.map { load, bounds in
      Row(
        Fleets.batch("batch-h4-\(load)-no-gauges", load: Double(load) / 100) {
          $0.hasGauges = false
          $0.warmup = 200
        }, bounds)
    }
    let sharing = [
      (30, (0.68, 0.61, 0.57)), (50, (0.81, 0.73, 0.63)), (80, (1.02, 0.86, 0.68)),
      (90, (1.09, 0.91, 0.76)),
    ].map { load, bounds in
      Row(Fleets.sharing("sharing-h4-\(load)", load: Double(load) / 100), bounds)
    }
    let identical = [
      Row(Fleets.batch("identical-batch-80", [Fleets.group(8, 2)]), (1.02, 1.02, 1.03)),
      Row(
        Fleets.sharing("identical-sharing-80", [Fleets.group(8, 2, .sharing)]),
        (1.02, 1.02, 1.03)),
    ]
    return batch + blind + sharing + identical
  }()

  private static let balancers = [
    Row(Fleets.batch("batch-h4-80-4-balancers") { $0.balancers = 4 }, (1.17, 0.95, 0.76)),
    Row(Fleets.batch("batch-h4-80-10-balancers") { $0.balancers = 10 }, (1.07, 0.89, 0.76)),
    Row(Fleets.sharing("sharing-h4-80-4-balancers") { $0.balancers = 4 }, (0.89, 0.65, 0.48)),
    Row(Fleets.sharing("sharing-h4-80-10-balancers") { $0.balancers = 10 }, (0.70, 0.42, 0.29)),
  ]

  private static let engines: [Row] = {
    let loads = [
      (50, (0.86, 0.76, 0.66), 1.25), (80, (0.92, 0.81, 0.70), 0.40),
      (90, (0.88, 0.77, 0.73), 0.08),
    ]
    let steady = loads.map { load, bounds, firstToken in
      Row(
        Fleets.engine("engine-h4-\(load)", load: Double(load) / 100), bounds,
        also: [
          (.firstTokenP50, .ratio(.leastRequest, atMost: 0.80)),
          (.firstTokenP99, .ratio(.leastRequest, atMost: firstToken)),
        ])
    }
    let hidden = Row(
      Fleets.engine("engine-h4-80-no-length", load: 0.8) { $0.hasContentLength = false },
      (1.06, 0.92, 0.80))
    let faults = [("slow20", FaultKind.slow(20)), ("hang", .hang)].map { name, kind in
      Row(
        Fleets.engine("engine-\(name)-fast-65", load: 0.65) {
          $0.faults = [Fault(at: 200, until: 300, endpoints: [6], kind: kind)]
        }, (0.90, 0.82, 0.72),
        also: [(.share(endpoint: 6, from: 210, until: 300), .atMost(0.01))])
    }
    return steady + [hidden] + faults
  }()

  private static let faults: [Row] = {
    let drop = Row(
      Fleets.batch("drop-4x-batch-70", load: 0.7) {
        $0.faults = [Fault(at: 60, endpoints: [6], kind: .slow(4))]
      }, (1.00, 0.90, 0.86))
    let kinds: [(String, FaultKind, failuresMax: Double)] = [
      ("slow20", .slow(20), 0), ("hang", .hang, 13.2), ("fail", .fail(1), 7),
      ("dead", .dead(coldSeconds: 10), 11),
    ]
    let fast = kinds.map { name, kind, failuresMax in
      Row(
        Fleets.batch("\(name)-fast-70", load: 0.7) {
          $0.faults = [Fault(at: 50, until: 80, endpoints: [6], kind: kind)]
        }, (1.00, 0.88, 0.80), over: .leastRequestOutlier,
        also: [
          (.failuresPer10000, .atMost(failuresMax)),
          (.halfShareAgain(endpoint: 6, from: 50, until: 80), .atMost(8)),
        ])
    }
    // Warm: the law has seen a minute of traffic before, and the endpoint returns at full speed.
    let h5 = [("hang", FaultKind.hang), ("slow20", .slow(20))].map { name, kind in
      Row(
        Fleets.batch("\(name)-h5-30", Fleets.h5, load: 0.3) {
          $0.warmup = 60
          $0.faults = [Fault(at: 90, until: 105, endpoints: [3], kind: kind)]
        }, (0.68, 0.57, 0.50),
        also: [(.halfShareAgain(endpoint: 3, from: 90, until: 105), .atMost(4))])
    }
    return [drop] + fast + h5
  }()
}
