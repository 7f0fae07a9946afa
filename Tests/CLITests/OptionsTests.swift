// The options of single commands.
import Demo
import Fleet
import Manual
import Primitives
import Simulation
import Testing

@testable import CLI

private func read(_ command: CommandSpec, _ words: [String]) throws(UsageError) -> CommandArguments
{
  try CommandArguments(command, words)
}

@Suite struct DemoOptionsTests {
  @Test func optionsAndFaultsAreRead() throws {
    let options = try DemoOptions(
      read(
        CommandTable.demo,
        [
          "--seconds", "30", "--balance=least_request", "--fault", "4:slow@5", "--fault",
          "2:die@7.5s",
        ]))
    #expect(options.seconds == 30 && options.balance == .leastRequest)
    #expect(options.rate == 88 && options.seed == 1)
    #expect(options.faults.map(\.endpoint) == [3, 1])
    #expect(options.faults[1].at == .milliseconds(7_500) && options.faults[1].mode == .dead)
  }

  @Test(arguments: [
    ["--fast"], ["--seconds"], ["--seconds", "0"], ["--seconds", "x"], ["--balance", "best"],
    ["--fault", "5:slow@1"], ["--fault", "1:melt@1"], ["--fault", "1:slow"], ["--seed", "-1"],
  ])
  func whatTheDemoDoesNotKnowIsRefused(_ arguments: [String]) {
    #expect(throws: UsageError.self) { try DemoOptions(read(CommandTable.demo, arguments)) }
  }
}

@Suite struct SimulateOptionsTests {
  private func parse(_ words: String) throws -> SimulateOptions {
    try SimulateOptions(
      read(CommandTable.simulate, words.split(separator: " ").map(String.init)))
  }

  @Test func theCommandLineReplacesWhatTheFileSays() throws {
    let options = try parse("a.yaml --policies steelyard,sed --seeds=1,2 --csv b --svg c")
    #expect(options.path == "a.yaml" && options.csv == "b" && options.svg == "c")
    let plan = options.applied(to: SimulationPlan(Scenario(name: "a", groups: [])))
    #expect(plan.policies == [.steelyard, .sed] && plan.seeds == [1, 2])
    #expect(try parse("--list-policies").listsPolicies)
    #expect(try parse("a --print").prints)
    #expect(try parse("a").policies == nil && parse("a").seeds == nil)
  }

  @Test(arguments: [
    ("", "simulate: FILE is missing"), ("a b", "simulate: unexpected word b"),
    ("a --policies leastconn", "; did you mean `least_request`?"),
    ("a --policies sed,sed", "not sed twice"), ("a --policies leastconn", "peak_ewma"),
  ])
  func wrongWordsAreRefused(_ words: String, _ part: String) {
    let error = #expect(throws: UsageError.self) { try parse(words) }
    #expect(error?.message.contains(part) == true, "\(error?.message ?? "")")
  }

  @Test func theTableHasEveryPolicy() {
    let option = CommandTable.simulate.options.first { $0.name == "--policies" }
    #expect(option?.kind == .choices(PolicyName.allCases.map(\.rawValue)))
  }
}
