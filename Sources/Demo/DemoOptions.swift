// The demo's command line.
package import Fleet
package import Primitives

/// An error in the demo's command line.
package struct DemoUsageError: Error, Sendable, Equatable {
  package let message: String
}

/// The options of the demo.
package struct DemoOptions: Sendable, Equatable {
  /// A fault and its time, counted from the start.
  package struct Fault: Sendable, Equatable {
    /// 0…3.
    package var endpoint: Int
    package var mode: VirtualServer.Mode
    package var at: Nanoseconds
  }

  /// The duration; nil: until a key or a signal ends the demo (30 s without a terminal).
  package var seconds: Double?
  package var balance = BalancePolicy.roundRobin
  /// Requests per second to each pool.
  package var rate = 88.0
  package var seed: UInt64 = 1
  package var faults: [Fault] = []

  package init() {}

  /// The values of --balance. The demo's requests are all alike, so that there is nothing to hash.
  package static let policies = [BalancePolicy.roundRobin, .leastRequest, .random]

  package static func parse(_ arguments: [String]) throws(DemoUsageError) -> DemoOptions {
    var options = DemoOptions()
    var rest = arguments[...]
    while let flag = rest.popFirst() {
      let parts = flag.split(separator: "=", maxSplits: 1).map(String.init)
      guard ["--seconds", "--balance", "--rate", "--seed", "--fault"].contains(parts[0]) else {
        throw DemoUsageError(message: "demo: unknown option \(flag)")
      }
      guard let value = parts.count == 2 ? parts[1] : rest.popFirst() else {
        throw DemoUsageError(message: "demo: \(flag) needs a value")
      }
      try options.set(parts[0], value)
    }
    return options
  }

  private mutating func set(_ flag: String, _ value: String) throws(DemoUsageError) {
    switch flag {
    case "--seconds": seconds = try Self.number(flag, value, 1...86_400)
    case "--rate": rate = try Self.number(flag, value, 1...2_000)
    case "--seed":
      guard let seed = UInt64(value) else {
        throw DemoUsageError(message: "demo: --seed takes a whole number, not \(value)")
      }
      self.seed = seed
    case "--balance":
      guard let policy = Self.policies.first(where: { $0.rawValue == value }) else {
        let names = Self.policies.map(\.rawValue).joined(separator: " or ")
        throw DemoUsageError(message: "demo: --balance takes \(names), not \(value)")
      }
      balance = policy
    default: faults.append(try Self.fault(value))
    }
  }

  private static func number(
    _ flag: String, _ value: String, _ range: ClosedRange<Double>
  ) throws(DemoUsageError) -> Double {
    guard let number = Double(value), range.contains(number) else {
      throw DemoUsageError(
        message: "demo: \(flag) takes a number from \(Int(range.lowerBound)) to "
          + "\(Int(range.upperBound)), not \(value)")
    }
    return number
  }

  /// Reads `4:slow@5`, also with an `s` after the seconds.
  private static func fault(_ text: String) throws(DemoUsageError) -> Fault {
    let error = DemoUsageError(
      message: "demo: --fault takes ENDPOINT:MODE@SECONDS such as 4:slow@5, not \(text)")
    let parts = text.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "@" }
    guard parts.count == 3, let endpoint = Int(parts[0]), (1...4).contains(endpoint),
      let mode = modes[String(parts[1])],
      let at = Double(parts[2].hasSuffix("s") ? parts[2].dropLast() : parts[2]),
      (0...86_400).contains(at)
    else { throw error }
    return Fault(endpoint: endpoint - 1, mode: mode, at: .seconds(at))
  }

  private static let modes: [String: VirtualServer.Mode] = [
    "slow": .slow(5), "hang": .hanging, "fail": .failing, "die": .dead, "recover": .healthy,
  ]
}
