// The scenarios that judge the control law, and the goals. Batch endpoints have 8 slots and FIFO
// queues; h4 is 8 endpoints with speeds 1, 1, 1, 2, 2, 2, 4, 4.
import Simulation

enum LawSuite {
  static let suite = BenchSuite(
    scenarios: scenarios, goals: goals, seeds: Array(101...115), policies: PolicyName.allCases,
    hasTable: true)

  static let scenarios: [Scenario] = [
    Fleets.batch("batch-h4"),
    Fleets.sharing("ps-identical", [Fleets.group(8, 2, .sharing, slots: 1)]),
    Fleets.batch("step") {
      $0.loads = [LoadStep(at: 0, load: 0.48), LoadStep(at: 80, load: 0.95)]
    },
    Fleets.batch("drop-4x-batch", load: 0.7) {
      $0.faults = [Fault(at: 60, endpoints: [6], kind: .slow(4))]
    },
    Fleets.sharing("drop-4x-ps", Fleets.h4(.sharing)) {
      $0.loads = [LoadStep(at: 0, load: 0.7)]
      $0.faults = [Fault(at: 60, endpoints: [6], kind: .slow(4))]
    },
    Fleets.batch("antagonist", load: 0.6) {
      $0.faults = [Fault(at: 0, endpoints: Array(0..<8), kind: .antagonist(0.2...0.6))]
    },
    Fleets.batch("slow-20x", load: 0.7) {
      $0.faults = [Fault(at: 60, endpoints: [3], kind: .slow(20))]
    },
    Fleets.batch("hang", load: 0.7) {
      $0.faults = [Fault(at: 60, endpoints: [3], kind: .hang)]
    },
    Fleets.batch("fail-fast", load: 0.7) {
      $0.faults = [Fault(at: 50, until: 140, endpoints: [3], kind: .fail(1))]
    },
    Fleets.batch("fail-half", load: 0.7) {
      $0.faults = [Fault(at: 50, until: 140, endpoints: [3], kind: .fail(0.5))]
    },
    Fleets.batch("fail-half-replayable", load: 0.7) {
      $0.isReplayable = true
      $0.faults = [Fault(at: 50, until: 140, endpoints: [3], kind: .fail(0.5))]
    },
    Fleets.batch("dead-cold", load: 0.7) {
      $0.isReplayable = true
      $0.faults = [Fault(at: 50, until: 80, endpoints: [6], kind: .dead(coldSeconds: 10))]
    },
    Fleets.sharing("ps-h4-4-balancers", Fleets.h4(.sharing)) { $0.balancers = 4 },
    Fleets.batch("clean"),
    Fleets.batch("scrape-60s") { $0.scrapeInterval = 60 },
    Fleets.batch("scrape-loss") { $0.scrapeLoss = 0.6 },
    Fleets.batch("lie") { $0.faults = [Fault(at: 40, endpoints: [3], kind: .metricsLie(1000))] },
    Fleets.batch("reset") {
      $0.faults = [40.0, 70, 100].map {
        Fault(at: $0, endpoints: Array(0..<8), kind: .metricsReset)
      }
    },
    Fleets.batch("nan") {
      $0.faults = [Fault(at: 40, until: 90, endpoints: [0, 6], kind: .metricsNaN)]
    },
    Fleets.batch("missing") {
      $0.faults = [Fault(at: 40, endpoints: [0, 3, 6], kind: .metricsMissing)]
    },
    Fleets.batch("overload", load: 1.3),
  ]

  static let goals: [Goal] = [
    Goal(scenario: "batch-h4", figure: .p99, bound: .ratio(.leastRequest, atMost: 0.80)),
    Goal(scenario: "batch-h4", figure: .p99, bound: .ratio(.leastRequestTrue, atMost: 1.05)),
    Goal(scenario: "ps-identical", figure: .p99, bound: .ratio(.roundRobin, atMost: 0.50)),
    Goal(scenario: "ps-identical", figure: .p99, bound: .ratio(.leastRequest, atMost: 1.05)),
    Goal(scenario: "step", figure: .p99, bound: .ratio(.leastRequest, atMost: 0.90)),
    Goal(scenario: "drop-4x-ps", figure: .p99, bound: .ratio(.leastRequest, atMost: 0.80)),
    Goal(scenario: "drop-4x-ps", figure: .p99, bound: .ratio(.leastRequestTrue, atMost: 0.80)),
    Goal(scenario: "drop-4x-batch", figure: .p99, bound: .ratio(.leastRequest, atMost: 0.80)),
    Goal(scenario: "drop-4x-batch", figure: .p99, bound: .ratio(.leastRequestTrue, atMost: 0.80)),
    Goal(scenario: "antagonist", figure: .p99, bound: .ratio(.leastRequest, atMost: 1.0)),
    Goal(scenario: "slow-20x", figure: .p999, bound: .ratio(.leastRequest, atMost: 0.60)),
    Goal(
      scenario: "slow-20x", figure: .fairShare(endpoint: 3, from: 65, until: 140),
      bound: .atMost(0.10)),
    Goal(scenario: "hang", figure: .failures, bound: .ratio(.leastRequest, atMost: 0.6)),
    Goal(
      scenario: "hang", figure: .fairShare(endpoint: 3, from: 63, until: 140),
      bound: .atMost(0.02)),
    Goal(scenario: "fail-fast", figure: .failures, bound: .atMost(15)),
    Goal(
      scenario: "fail-half", figure: .failures, bound: .ratio(.leastRequestOutlier, atMost: 0.4)),
    Goal(
      scenario: "fail-half-replayable", figure: .failures,
      bound: .ratio(.leastRequestOutlier, atMost: 0.4)),
    Goal(scenario: "dead-cold", figure: .failures, bound: .atMost(0)),
    Goal(
      scenario: "dead-cold", figure: .fairShare(endpoint: 6, from: 105, until: 140),
      bound: .atLeast(0.5)),
    Goal(scenario: "ps-h4-4-balancers", figure: .p99, bound: .ratio(.leastRequest, atMost: 0.65)),
    Goal(
      scenario: "ps-h4-4-balancers", figure: .p99, bound: .ratio(.leastRequestTrue, atMost: 0.80)),
    Goal(scenario: "scrape-60s", figure: .p99, bound: .ratioToOwn("clean", atMost: 1.15)),
    Goal(scenario: "scrape-loss", figure: .p99, bound: .ratioToOwn("clean", atMost: 1.15)),
    Goal(scenario: "lie", figure: .p99, bound: .ratioToOwn("clean", atMost: 1.15)),
    Goal(scenario: "reset", figure: .p99, bound: .ratioToOwn("clean", atMost: 1.15)),
    Goal(scenario: "nan", figure: .p99, bound: .ratioToOwn("clean", atMost: 1.15)),
    Goal(scenario: "missing", figure: .p99, bound: .ratioToOwn("clean", atMost: 1.15)),
    Goal(scenario: "clean", figure: .restlessness, bound: .atMost(4)),
    Goal(scenario: "overload", figure: .goodput, bound: .shareOfCapacity(atLeast: 0.98)),
    Goal(scenario: "overload", figure: .goodput, bound: .ratioAtLeast(.leastRequest, 1.0)),
  ]
}
