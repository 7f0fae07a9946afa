// The command line of the bench.
import Simulation

struct BenchOptions {
  enum SuiteName: String, CaseIterable { case law, thresholds, sharing, harm }

  var suite = SuiteName.law
  /// nil: those of the suite.
  var seeds: [UInt64]?
  var policies: [PolicyName]?
  /// Policies that are printed beside steelyard.
  var with: [PolicyName] = []
  /// Prefixes of scenarios' names; empty: all scenarios.
  private var only: [String] = []

  init(_ arguments: [String]) {
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
      let value = parts.count == 2 ? parts[1] : rest.popFirst() ?? ""
      let list = value.split(separator: ",").map(String.init)
      switch parts[0] {
      case "--suite": suite = Self.named(value, SuiteName.init, SuiteName.allCases.map(\.rawValue))
      case "--seeds":
        seeds = list.map { Self.named($0, { UInt64($0) }, ["whole numbers such as 901,902"]) }
      case "--only": only = list
      case "--policies": policies = list.map(Self.policy)
      case "--with": with = list.map(Self.policy)
      default:
        fail("unknown option \(argument); there are --suite, --seeds, --only, --policies, --with")
      }
    }
  }

  func takes(_ scenario: String) -> Bool {
    only.isEmpty || only.contains { scenario.hasPrefix($0) }
  }

  private static func policy(_ word: String) -> PolicyName {
    named(word, PolicyName.init(named:), PolicyName.allCases.map(\.rawValue))
  }

  private static func named<Value>(
    _ word: String, _ read: (String) -> Value?, _ words: [String]
  ) -> Value {
    guard let value = read(word) else {
      fail("no \(word); there are \(words.joined(separator: ", "))")
    }
    return value
  }
}
