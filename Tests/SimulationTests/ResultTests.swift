// Results: medians, the table, CSV, the plot as XML that a parser of its own takes.
import Foundation
import FoundationXML
import Primitives
import Testing

@testable import Simulation

@Suite struct ResultTests {
  private static func run(
    _ policy: PolicyName, _ seed: UInt64, p99: Double?, failed: Int = 0
  ) -> RunResult {
    var run = RunResult(policy, seed: seed)
    run.requests = 1_000
    run.completed = 1_000 - failed
    run.failed = failed
    (run.p50, run.p99, run.p999, run.mean) = (p99.map { $0 / 4 }, p99, p99, p99.map { $0 / 3 })
    run.goodput = 25
    return run
  }

  private static func plan(_ policies: [PolicyName], seeds: [UInt64]) -> SimulationPlan {
    var plan = SimulationPlan(Scenario(name: "a", groups: [group(2)]))
    plan.policies = policies
    plan.seeds = seeds
    return plan
  }

  private static let results = SimulationResults(
    plan([.leastRequest, .steelyard, .sed], seeds: [1, 2]),
    [
      run(.leastRequest, 1, p99: 2), run(.leastRequest, 2, p99: 4, failed: 3),
      run(.steelyard, 1, p99: 1), run(.steelyard, 2, p99: 1), run(.sed, 1, p99: nil),
      run(.sed, 2, p99: nil),
    ])

  @Test func mediansAndRatiosAreOverTheSeeds() {
    #expect(Self.results.median(.leastRequest, \.p99) == 3)
    // 1/2 and 1/4, of the same seed each; not 1/3.
    #expect(Self.results.p99Ratio(.steelyard) == 0.375)
    #expect(Self.results.p99Ratio(.leastRequest) == 1)
    #expect(Self.results.median(.sed, \.p99) == nil)
    #expect(SimulationResults.median([3, 1, 2]) == 2)
    #expect(SimulationResults.median([]) == nil)
  }

  @Test func csvHasARowForEachRun() {
    let lines = ResultCSV.runs(Self.results).split(
      separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count == 8)
    #expect(lines[0].hasPrefix("policy,seed,requests,completed,failed,timed_out,p50_seconds,"))
    #expect(lines[2] == "least_request,2,1000,997,3,0,1.0,4.0,4.0,1.3333333333333333,25.0,0.0,,")
    #expect(lines[5] == "sed,1,1000,1000,0,0,,,,,25.0,0.0,,")
    #expect(lines[7] == "")
    let columns = lines[0].split(separator: ",").count
    for line in lines.dropLast() {
      #expect(line.split(separator: ",", omittingEmptySubsequences: false).count == columns)
    }
  }

  @Test func sharesHaveARowForEachSecondAndEndpoint() {
    var run = Self.run(.steelyard, 4, p99: 1)
    run.sends = [[1, 3], [0, 0]]
    let results = SimulationResults(Self.plan([.steelyard], seeds: [4]), [run])
    #expect(
      ResultCSV.shares(results) == """
        policy,seed,second,endpoint,requests,share
        steelyard,4,0,1,1,0.2500
        steelyard,4,0,2,3,0.7500
        steelyard,4,1,1,0,0.0000
        steelyard,4,1,2,0,0.0000

        """)
  }

  @Test func aPlanSaysWhatIsRun() {
    #expect(
      Self.results.plan.heading
        == "a: 2 endpoints that can do 16 requests/s, 12.8 arrive; 2 seeds of 120 s each")
  }

  @Test(
    arguments: [
      (0.0000012, "1.20 µs"), (0.0009994, "999 µs"), (0.0009996, "1.00 ms"), (0.04567, "45.7 ms"),
      (0.9996, "1.00 s"), (12.345, "12.3 s"), (123.4, "123 s"), (0, "0.00 µs"),
    ])
  func secondsHaveThreeDigitsThatCount(_ value: Double, _ text: String) {
    #expect(NumberWords.comparedDuration(value) == text)
  }

  @Test(arguments: [(0.43, 0.5), (0.2, 0.2), (1, 1), (17.5, 20), (0.0101, 0.02), (0, 1), (75, 100)])
  func axesEndAtRoundNumbers(_ value: Double, _ expected: Double) {
    #expect(abs(SharePlot.roundedUp(value) - expected) < 1e-9)
  }

  // MARK: The plot

  private final class Reader: NSObject, XMLParserDelegate {
    var counts: [String: Int] = [:]
    var words: [String] = []
    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
      qualifiedName: String?, attributes: [String: String]
    ) {
      counts[name, default: 0] += 1
      for key in ["x", "y", "width", "height"] {
        if let text = attributes[key] { #expect(Double(text).map { $0 >= 0 } == true, "\(text)") }
      }
    }
    func parser(_ parser: XMLParser, foundCharacters text: String) { words.append(text) }
  }

  private static func read(_ svg: String) -> Reader {
    let reader = Reader()
    let parser = XMLParser(data: Data(svg.utf8))
    parser.delegate = reader
    #expect(parser.parse(), "\(String(describing: parser.parserError))")
    return reader
  }

  @Test func thePlotIsXMLWithABarForEachPolicyAndALineForEachEndpoint() throws {
    var plan = try ScenarioFile.read(try Example.bytes("one-slow"), path: "a").plan
    plan.scenario.name = "<\"a\" & b\u{FFFF}>"
    plan.scenario.warmup = 2
    plan.scenario.measured = 20
    plan.scenario.faults[0].at = 10
    plan.policies = [.leastRequest, .roundRobin]
    plan.seeds = [1]
    let results = SimulationResults(plan, plan.jobs.map { plan.run($0) })
    let reader = Self.read(ResultPlot.svg(results))
    let text = reader.words.joined()
    #expect(text.contains("<\"a\" & b\u{FFFD}>"))
    #expect(text.contains("4 × slower: endpoint 7"))
    #expect(text.contains("round_robin"))
    #expect(text.contains("prefers-color-scheme:dark"))
    #expect(reader.counts["svg"] == 1)
    // Paper, two bars each for two policies, warm-up, fault.
    #expect(reader.counts["rect"] == 1 + 4 + 2)
    // Eight endpoints and six lines of the grid.
    #expect((reader.counts["polyline"] ?? 0) >= 8 + 5)
  }

  @Test func aLargeFleetsPlotStaysSmall() throws {
    var plan = Self.plan([.sed], seeds: [1])
    plan.scenario.groups = [group(500)]
    plan.scenario.faults = (0..<10).map { Fault(at: 5, endpoints: [$0 * 9], kind: .metricsReset) }
    var run = Self.run(.sed, 1, p99: 0)
    run.sends = (0..<1_000).map { second in (0..<500).map { ($0 + second) % 3 } }
    let svg = ResultPlot.svg(SimulationResults(plan, [run]))
    let reader = Self.read(svg)
    #expect((reader.counts["polyline"] ?? 0) < 80)
    #expect(svg.utf8.count < 1 << 20)
    #expect(reader.words.joined().contains("64 of 500 endpoints"))
  }

  @Test func aRunWithoutAnyRequestIsPlottedToo() {
    var plan = Self.plan([.steelyard], seeds: [1])
    plan.scenario.warmup = 0
    var run = RunResult(.steelyard, seed: 1)
    run.sends = [[Int]](repeating: [0, 0], count: 122)
    let svg = ResultPlot.svg(SimulationResults(plan, [run]))
    #expect(Self.read(svg).counts["svg"] == 1)
    #expect(!svg.contains("nan") && !svg.contains("inf"))
  }
}
