// What the demo does: the traffic, and the faults at their times.
package import Fleet
package import Primitives

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
}

extension DemoOptions.Fault {
  /// Reads `4:slow@5`, also with an `s` after the seconds; nil for anything else.
  package init?(_ text: String) {
    let parts = text.split(omittingEmptySubsequences: false) { $0 == ":" || $0 == "@" }
    guard parts.count == 3, let endpoint = Int(parts[0]), (1...4).contains(endpoint),
      let mode = Self.modes[String(parts[1])],
      let at = Double(parts[2].hasSuffix("s") ? parts[2].dropLast() : parts[2]),
      (0...86_400).contains(at)
    else { return nil }
    self.init(endpoint: endpoint - 1, mode: mode, at: .seconds(at))
  }

  private static let modes: [String: VirtualServer.Mode] = [
    "slow": .slow(5), "hang": .hanging, "fail": .failing, "die": .dead, "recover": .healthy,
  ]
}
