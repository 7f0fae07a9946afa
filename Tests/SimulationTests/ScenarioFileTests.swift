// Scenario files: defaults, every key, what is printed loads again, what is wrong is said where.
import Configuration
import FoundationEssentials
import Primitives
import Testing

@testable import Simulation

@Suite struct ScenarioFileTests {
  @Test func aFileWithEndpointsAloneIsEnough() throws {
    let plan = try load("endpoints: [{count: 4}]").plan
    var expected = SimulationPlan(Scenario(name: "a", groups: [group(4)]))
    expected.policies = [.steelyard, .leastRequest, .roundRobin]
    expected.seeds = [1, 2, 3]
    #expect(plan == expected)
    #expect(plan.scenario.rate(at: 0) == 0.8 * 4 * 8)
  }

  @Test func everyKeyIsRead() throws {
    let plan = try load(Self.full).plan
    let scenario = plan.scenario
    #expect(scenario.name == "all keys")
    var first = group(2, speed: 0.5, .sharing, slots: 1)
    first.queueMax = 10
    first.weight = 3
    first.fullStatus = 429
    first.retryAfter = 5
    first.pageWorkers = 4
    first.pageCounts = 3
    var second = group(1, .engine)
    second.cacheTokens = 50_000
    #expect(scenario.groups == [first, second])
    #expect(scenario.work.shape == .bimodal)
    #expect(scenario.work.mean == 0.25)
    var kinds = [RequestKind(), RequestKind()]
    (kinds[0].share, kinds[0].work.mean, kinds[0].takesSlot) = (0.9, 0.002, false)
    (kinds[1].share, kinds[1].work.mean, kinds[1].work.shape) = (0.1, 4, .constant)
    kinds[0].work.shape = .bimodal
    #expect(scenario.kinds == kinds)
    let tokens = scenario.tokens
    #expect([tokens.promptMean, tokens.promptSigma] == [100, 0.5])
    #expect([tokens.outputMean, tokens.outputSigma] == [20, 0])
    #expect(!scenario.hasContentLength)
    #expect([scenario.lateReaders.share, scenario.lateReaders.factor] == [0.05, 10])
    #expect(scenario.patience == 7)
    #expect(scenario.rates == [RateStep(at: 0, rate: 2), RateStep(at: 30, rate: 4.5)])
    #expect([scenario.rate(at: 29.9), scenario.rate(at: 30)] == [2, 4.5])
    #expect(scenario.balancers == 2)
    #expect([scenario.warmup, scenario.measured, scenario.timeout] == [5, 90, 2.5])
    #expect(scenario.isReplayable)
    #expect([scenario.scrapeInterval, scenario.scrapeLoss] == [0.25, 0.1])
    #expect(!scenario.hasGauges)
    #expect(scenario.hasTrueWeights)
    // `oracle` is the name that `sed` had.
    #expect(plan.policies == [.sed, .peakEWMA])
    #expect(plan.seeds == [7, 9_223_372_036_854_775_807])
    #expect(
      scenario.faults == [
        Fault(at: 1, until: 2, endpoints: [0], kind: .slow(3)),
        Fault(at: 1.5, endpoints: [0, 2], kind: .antagonist(0.1...0.9)),
        Fault(at: 2, endpoints: [0, 1, 2], kind: .hang),
        Fault(at: 3, endpoints: [1], kind: .fail(0.5)),
        Fault(at: 4, until: 10, endpoints: [1], kind: .dead(coldSeconds: 0)),
        Fault(at: 5, endpoints: [1], kind: .metricsReset),
        Fault(at: 6, endpoints: [1], kind: .metricsNaN),
        Fault(at: 7, endpoints: [1], kind: .metricsMissing),
        Fault(at: 8, endpoints: [1], kind: .metricsLie(0)),
        Fault(
          at: 9, until: 10, every: 30, endpoints: [1],
          kind: .reject(0.5, status: 429, after: 0.01)),
        Fault(at: 9, until: 17, endpoints: [1], kind: .metricsQueue(500)),
      ])
  }

  static let full = """
    name: all keys
    endpoints:
      - {count: 2, speed: 0.5, service: sharing, slots: 1, queue: 10, weight: 3,
         full_status: 429, retry_after: 5s, page_workers: 4, page_counts: 3}
      - {service: engine, cache: 50000}
    work: {shape: bimodal, mean: 250ms}
    kinds:
      - {share: 0.9, mean: 2ms, slots: false}
      - {share: 0.1, mean: 4s, shape: constant}
    tokens: {prompt: 100, prompt_sigma: 0.5, output: 20, output_sigma: 0}
    content_length: false
    late_readers: {share: 0.05, factor: 10}
    patience: 7s
    rate: [{at: 0s, rate: 2}, {at: 30s, rate: 4.5}]
    balancers: 2
    warmup: 5s
    measured: 1.5m
    timeout: 2.5s
    replayable: true
    scrape: {interval: 250ms, loss: 0.1, gauges: false}
    true_weights: true
    policies: [oracle, peak_ewma]
    seeds: [7, 9223372036854775807]
    faults:
      - {at: 1s, until: 2s, endpoints: [1], kind: slow, factor: 3}
      - {at: 1.5s, endpoints: [1, 3], kind: antagonist, speed_min: 0.1, speed_max: 0.9}
      - {at: 2s, endpoints: all, kind: hang}
      - {at: 3s, until: end, endpoints: 2, kind: fail, ratio: 0.5}
      - {at: 4s, until: 10s, endpoints: 2, kind: dead, cold: 0s}
      - {at: 5s, endpoints: 2, kind: metrics_reset}
      - {at: 6s, endpoints: 2, kind: metrics_nan}
      - {at: 7s, endpoints: 2, kind: metrics_missing}
      - {at: 8s, endpoints: 2, kind: metrics_lie, factor: 0}
      - {at: 9s, until: 10s, every: 30s, endpoints: 2, kind: reject, ratio: 0.5, status: 429,
         after: 10ms}
      - {at: 9s, until: 17s, endpoints: 2, kind: metrics_queue, waiting: 500}
    """

  @Test(arguments: ["endpoints: [{count: 4}]", full, "endpoints: [{}]\nload: [{at: 0s, load: 1}]"])
  func whatIsPrintedLoadsAndIsTheSame(_ text: String) throws {
    let file = try load(text)
    let again = try load(file.effective)
    #expect(again.plan == file.plan)
    // Now nothing is a default any more.
    #expect(again.effective == file.effective.replacing(" # default", with: ""))
  }

  @Test(arguments: Example.names)
  func anExampleLoadsAndIsPrinted(_ name: String) throws {
    let file = try ScenarioFile.read(try Example.bytes(name), path: "\(name).yaml")
    #expect(try load(file.effective).plan == file.plan)
    #expect(!file.plan.policies.isEmpty)
    #expect(file.plan.policies.contains(.steelyard))
  }

  /// All but the large one, cut short: they run, and every policy of theirs has results.
  @Test(arguments: Example.names.filter { $0 != "large" })
  func anExampleRuns(_ name: String) throws {
    var plan = try ScenarioFile.read(try Example.bytes(name), path: name).plan
    plan.scenario.warmup = 2
    plan.scenario.measured = 6
    plan.seeds = [1]
    for index in plan.scenario.faults.indices {
      plan.scenario.faults[index].at = 3
      plan.scenario.faults[index].until = 5
    }
    let results = SimulationResults(plan, plan.jobs.map { plan.run($0) })
    for run in results.runs { #expect(run.completed > 0, "\(name), \(run.policy)") }
  }

  /// The reference has every key, fault and service. (`--list-policies` has the policies.)
  @Test func theReferenceHasEveryWord() throws {
    let path = Example.folder.deletingLastPathComponent().deletingLastPathComponent()
      .appending(path: "docs/simulation.md")
    let text = String(decoding: try Data(contentsOf: path), as: UTF8.self)
    var words = FaultWord.allCases.map(\.rawValue) + Service.allCases.map(\.rawValue)
    words += WorkDistribution.Shape.allCases.map(\.rawValue)
    for line in try load("endpoints: [{}]").effective.split(separator: "\n") {
      let key = line.split(separator: ":")[0].drop { " -".contains($0) }
      words.append(String(key))
    }
    let known = Set(text.split { !$0.isLetter && $0 != "_" }.map(String.init))
    for word in words { #expect(known.contains(word), "\(word)") }
  }

  @Test func aNameComesFromThePath() {
    #expect(ScenarioFile.stem(of: "config/scenarios/one-slow.yaml") == "one-slow")
    #expect(ScenarioFile.stem(of: "a") == "a")
    #expect(ScenarioFile.stem(of: ".yaml") == "yaml")
    #expect(ScenarioFile.stem(of: "") == "scenario")
    #expect(ScenarioFile.stem(of: "a\u{1B}b.yaml") == "scenario")
  }

  @Test func errorsAreAllSaidWithPlaceAndHint() {
    let text = """
      endpoint: [{count: 2}]
      load: 80%
      faults:
        - {at: 10, kind: slwo, endpoints: 1}
      policies: [least_conn]
      """
    #expect(
      rendered(text) == """
        dir/a.yaml:1:1: error: unknown key `endpoint` in the file
        endpoint: [{count: 2}]
        ^
        hint: did you mean `endpoints`?
        dir/a.yaml:2:7: error: `load` must be a number, not `80%`
        load: 80%
              ^
        hint: write it as a ratio: `0.8`
        dir/a.yaml:4:10: error: `at` must be a duration, not `10`
          - {at: 10, kind: slwo, endpoints: 1}
                 ^
        hint: it needs a unit: `10s` or `10ms`
        dir/a.yaml:4:20: error: `kind` must be `slow`, `antagonist`, `hang`, `fail`, `reject`, \
        `dead`, `metrics_reset`, `metrics_nan`, `metrics_missing`, `metrics_lie` or \
        `metrics_queue`, not `slwo`
          - {at: 10, kind: slwo, endpoints: 1}
                           ^
        hint: did you mean `slow`?
        dir/a.yaml:5:12: error: a policy must be `steelyard`, `steelyard_guard`, \
        `steelyard_shed`, `headroom`, `steps-30-60-80`, \
        `round_robin`, `least_request`, `least_request_true`, `least_request_outlier`, \
        `peak_ewma`, `grpc_a58`, `queue_kv`, `haproxy_agent`, `static`, `nginx`, `sed` or \
        `marginal`, not `least_conn`
        policies: [least_conn]
                   ^
        hint: did you mean `least_request`?
        """)
  }

  struct Refusal: Sendable, CustomTestStringConvertible {
    let text: String
    let message: String
    let location: SourceLocation
    init(_ text: String, _ message: String, _ location: SourceLocation = #_sourceLocation) {
      (self.text, self.message, self.location) = (text, message, location)
    }
    var testDescription: String { "line \(location.line)" }
  }

  @Test(arguments: refusals)
  func aWrongFileIsRefused(_ row: Refusal) {
    let lines = rendered(row.text).split(separator: "\n").filter { $0.contains(": error: ") }
    let messages = lines.map { String($0).replacing("dir/a.yaml:", with: "") }
    #expect(messages == [row.message], sourceLocation: row.location)
  }

  private static let good = "endpoints: [{count: 3}]\n"

  private static let refusals = [
    Refusal("", "1:1: error: the file is empty"),
    Refusal("[]", "1:1: error: the file must be a mapping, not a list"),
    Refusal("load: 1", "1:1: error: `endpoints` is missing in the file"),
    Refusal("endpoints: []", "1:12: error: `endpoints` needs at least one item"),
    Refusal("endpoints: 3", "1:12: error: `endpoints` must be a list, not `3`"),
    Refusal("endpoints: [3]", "1:13: error: this endpoint must be a mapping, not `3`"),
    Refusal(
      "endpoints: [{speed: 0}]", "1:21: error: `speed` must be 0.001 to 1000, not `0`"),
    Refusal(
      "endpoints: [{service: batched}]",
      "1:23: error: `service` must be `batch`, `sharing` or `engine`, not `batched`"),
    Refusal(
      "endpoints: [{count: 9999}, {count: 2}]",
      "1:12: error: 10001 endpoints; at most 10000 can be simulated"),
    Refusal(
      good + "load: 0.5\nrate: 3",
      "3:7: error: `rate` and `load` both say how much traffic there is"),
    Refusal(good + "load: []", "2:7: error: `load` needs at least one item"),
    Refusal(
      good + "load: [{at: 1s, load: 1}]", "2:13: error: the first step of `load` must be at 0s"),
    Refusal(
      good + "rate: [{at: 0s, rate: 1}, {at: 9s, rate: 1}, {at: 5s, rate: 2}]",
      "2:51: error: steps must ascend: 5s comes after 9s"),
    Refusal(
      good + "rate: [{at: 0s, rate: 1, load: 1}]",
      "2:26: error: unknown key `load` in this step of `rate`"),
    Refusal(
      good + "rate: 1000000",
      "2:7: error: one run has 140000000 requests; at most 20000000 can be simulated"),
    Refusal(
      "endpoints: [{count: 1000, slots: 1}]\nload: 0.01\nmeasured: 20000s",
      "3:11: error: endpoints × seconds is over 10000000: more than can be kept"),
    Refusal(
      "endpoints: [{full_status: 500}]",
      "1:27: error: `full_status` must be `503` or `429`, not `500`"),
    Refusal(
      good + "kinds: [{share: 0.5}, {share: 0.4}]",
      "2:8: error: the shares of `kinds` are 0.9 in sum, not 1"),
    Refusal(
      good + "kinds: [{slots: false}]",
      "2:8: error: one of `kinds` at least must need `slots`"),
    Refusal(
      good + "faults: [{at: 1s, kind: hang, endpoints: 1, every: 60s}]",
      "2:52: error: `every` needs `until`"),
    Refusal(
      good + "faults: [{at: 1s, until: 9s, kind: hang, endpoints: 1, every: 8s}]",
      "2:63: error: `every` (8s) must be longer than the fault lasts"),
    Refusal(good + "seeds: []", "2:8: error: `seeds` needs at least one item"),
    Refusal(good + "seeds: [1, 2, 1]", "2:15: error: `1` is given twice"),
    Refusal(
      good + "seeds: [-1]",
      "2:9: error: a seed must be a whole number 0 to 9223372036854775807, not `-1`"),
    Refusal(good + "policies: [sed, oracle]", "2:17: error: `sed` is given twice"),
    Refusal(
      good + "faults: [{at: 1s, kind: hang}]",
      "2:10: error: `endpoints` is missing in this fault"),
    Refusal(
      good + "faults: [{at: 1s, kind: hang, endpoints: 4}]",
      "2:42: error: `endpoints` must be a whole number 1 to 3, or `all`, not `4`"),
    Refusal(
      good + "faults: [{at: 1s, kind: hang, endpoints: [1, 0]}]",
      "2:46: error: an endpoint's number must be a whole number 1 to 3, not `0`"),
    Refusal(
      good + "faults: [{at: 1s, kind: hang, endpoints: [1, 1]}]",
      "2:46: error: endpoint 1 is given twice"),
    Refusal(
      good + "faults: [{at: 1s, kind: hang, endpoints: 1, factor: 3}]",
      "2:45: error: unknown key `factor` in this fault"),
    Refusal(
      good + "faults: [{at: 1s, until: 9s, kind: metrics_reset, endpoints: 1}]",
      "2:19: error: unknown key `until` in this fault"),
    Refusal(
      good + "faults: [{at: 9s, until: 9s, kind: hang, endpoints: 1}]",
      "2:26: error: `until` (9s) must be after `at` (9s)"),
    Refusal(
      good + "faults: [{at: 140s, kind: hang, endpoints: 1}]",
      "2:15: error: the fault begins at 140s, but the run ends at 140s"),
    Refusal(
      good + "faults: [{at: 1s, kind: antagonist, endpoints: 1, speed_min: 0.7}]",
      "2:62: error: `speed_min` (0.7) must not be more than `speed_max` (0.6)"),
    Refusal(
      good + "faults: [{at: 1s, kind: dead, endpoints: 1, cold: 2h}]",
      "2:51: error: `cold` must be 0s to 1h, not `2h`"),
  ]

  /// Whatever is decoded is written so that it is read as the same plan.
  @Test func anyPlanReadsBack() throws {
    for seed in UInt64(1)...200 {
      var random = RandomSource(seed: seed)
      let text = Self.randomText(&random)
      let file = try load(text)
      #expect(try load(file.effective).plan == file.plan, "seed \(seed)")
    }
  }

  private static func randomText(_ random: inout RandomSource) -> String {
    func milliseconds(_ low: Int, _ high: Int) -> String {
      "\(low + random.index(below: high - low))ms"
    }
    var text = "endpoints:\n"
    for _ in 0...random.index(below: 3) {
      text += "  - {count: \(1 + random.index(below: 9)), speed: \(random.between(0.1, 9)), "
      text += "slots: \(1 + random.index(below: 30)), weight: \(random.between(0.01, 99))}\n"
    }
    text += "work: {mean: \(milliseconds(1, 900)), shape: lognormal}\n"
    text += "timeout: \(milliseconds(1, 90_000))\nwarmup: \(milliseconds(0, 90_000))\n"
    text += "scrape: {loss: \(random.unit()), interval: \(milliseconds(50, 9_000))}\n"
    text += "rate:\n  - {at: 0s, rate: \(random.between(0.01, 99))}\n"
    text += "  - {at: \(milliseconds(1, 99_000)), rate: \(random.between(0.01, 99))}\n"
    let kinds = [
      "slow, factor: \(random.between(0.1, 9))", "fail, ratio: \(random.between(0.1, 1))",
    ]
    text += "faults:\n  - {at: \(milliseconds(0, 99_000)), endpoints: all, kind: "
    return text + random.one(of: kinds) + "}\n"
  }
}
