// The command line of `steelyard simulate` and its messages.

/// An error in the command line.
package struct SimulateUsageError: Error, Sendable, Equatable {
  package let message: String
}

/// The options of `steelyard simulate`.
package struct SimulateOptions: Sendable, Equatable {
  /// The scenario; nil only with `listsPolicies`.
  package var path: String?
  /// nil: those of the file.
  package var policies: [PolicyName]?
  package var seeds: [UInt64]?
  /// Files to write.
  package var csv: String?
  package var shares: String?
  package var svg: String?
  package var prints = false
  package var listsPolicies = false

  package init() {}

  package static func parse(
    _ arguments: [String]
  ) throws(SimulateUsageError) -> SimulateOptions {
    var options = SimulateOptions()
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        .map(String.init)
      switch parts[0] {
      case "--print" where parts.count == 1: options.prints = true
      case "--list-policies" where parts.count == 1: options.listsPolicies = true
      case "--policies", "--seeds", "--csv", "--shares", "--svg":
        guard let value = parts.count == 2 ? parts[1] : rest.popFirst(), !value.isEmpty else {
          throw SimulateUsageError(message: "simulate: \(parts[0]) needs a value")
        }
        try options.set(parts[0], value)
      default:
        if argument.hasPrefix("-"), argument != "-" {
          throw SimulateUsageError(message: "simulate: unknown option \(argument)")
        }
        if options.path != nil { throw SimulateUsageError(message: "simulate: one FILE, please") }
        options.path = argument
      }
    }
    if options.path == nil, !options.listsPolicies {
      throw SimulateUsageError(message: "simulate: FILE is missing")
    }
    return options
  }

  private mutating func set(_ flag: String, _ value: String) throws(SimulateUsageError) {
    switch flag {
    case "--csv": csv = value
    case "--shares": shares = value
    case "--svg": svg = value
    case "--policies":
      policies = try Self.list(flag, value) { word throws(SimulateUsageError) in
        guard let policy = PolicyName(named: word) else {
          let hint = PolicyName.hint(for: word).map { "; \($0)" } ?? ""
          throw SimulateUsageError(
            message: "simulate: no policy \(word)\(hint); there are "
              + PolicyName.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return policy
      }
    default:
      seeds = try Self.list(flag, value) { word throws(SimulateUsageError) in
        guard let seed = UInt64(word), seed <= UInt64(Int64.max) else {
          throw SimulateUsageError(
            message: "simulate: --seeds takes whole numbers such as 1,2,3, not \(word)")
        }
        return seed
      }
    }
  }

  private static func list<Value: Equatable>(
    _ flag: String, _ text: String,
    _ read: (String) throws(SimulateUsageError) -> Value
  ) throws(SimulateUsageError) -> [Value] {
    var values: [Value] = []
    for word in text.split(separator: ",", omittingEmptySubsequences: false) {
      let value = try read(String(word))
      if values.contains(value) {
        throw SimulateUsageError(message: "simulate: \(flag) has \(word) twice")
      }
      values.append(value)
    }
    return values
  }

  /// The plan with the changes of the command line.
  package func applied(to plan: SimulationPlan) -> SimulationPlan {
    var plan = plan
    if let policies { plan.policies = policies }
    if let seeds { plan.seeds = seeds }
    return plan
  }

  /// The output of `--list-policies`, one line per policy.
  package static var policyList: [String] {
    PolicyName.allCases.map { policy in
      policy.rawValue.padded(to: 24) + policy.summary
    }
  }
}
