// What the suites of this room share: reading scenario files, and small scenarios.
import Configuration
import FoundationEssentials
import Primitives
import Testing

@testable import Simulation

/// The plan that a text describes.
func load(_ text: String) throws(ConfigurationErrors) -> ScenarioFile {
  try ScenarioFile.read(Array(text.utf8), path: "dir/a.yaml")
}

/// The diagnostics of a text as they are printed, "" where it loads.
func rendered(_ text: String) -> String {
  do throws(ConfigurationErrors) {
    _ = try load(text)
    return ""
  } catch {
    return error.rendered
  }
}

/// The package's example scenarios.
enum Example {
  static let names = [
    "cold-return", "engines", "four-replicas", "hang", "large", "one-slow", "overload", "unequal",
  ]

  static var folder: URL {
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "config/scenarios")
  }

  static func bytes(_ name: String) throws -> [UInt8] {
    Array(try Data(contentsOf: folder.appending(path: "\(name).yaml")))
  }
}

/// Like endpoints.
func group(
  _ count: Int, speed: Double = 1, _ service: Service = .batch, slots: Int = 8
) -> EndpointGroup {
  var group = EndpointGroup()
  group.count = count
  group.speed = speed
  group.service = service
  group.slots = slots
  return group
}

extension RandomSource {
  mutating func between(_ low: Double, _ high: Double) -> Double { low + unit() * (high - low) }

  mutating func one<Value>(of values: [Value]) -> Value { values[index(below: values.count)] }
}

/// A run, and what is left of it.
struct Run {
  let record: Record
  /// The first balancer's.
  let shares: [Double]

  init(_ scenario: Scenario, _ policy: PolicyName, seed: UInt64) {
    var simulator = Simulator(scenario, seed: seed) { index in
      policy.make(scenario, seed: seed &* 1_000_003 &+ UInt64(index))
    }
    record = simulator.run()
    shares = simulator.policies[0].shares
  }
}
