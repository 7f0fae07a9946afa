// The command line of `steelyard simulate`.
import Simulation

/// The options of `steelyard simulate`.
struct SimulateOptions: Equatable {
  /// The scenario; nil only with `listsPolicies`.
  var path: String?
  /// nil: the policies of the file, and its seeds.
  var policies: [PolicyName]?
  var seeds: [UInt64]?
  /// The paths of files to write.
  var csv: String?
  var shares: String?
  var svg: String?
  var prints: Bool
  var listsPolicies: Bool

  init(_ arguments: CommandArguments) throws(UsageError) {
    path = arguments.words.first
    policies = arguments.list("--policies")?.compactMap(PolicyName.init(named:))
    seeds = arguments.wholes("--seeds")
    csv = arguments.text("--csv")
    shares = arguments.text("--shares")
    svg = arguments.text("--svg")
    prints = arguments.has("--print")
    listsPolicies = arguments.has("--list-policies")
    if path == nil, !listsPolicies { throw arguments.missing("FILE") }
  }

  /// The plan with the changes of the command line.
  func applied(to plan: SimulationPlan) -> SimulationPlan {
    var plan = plan
    if let policies { plan.policies = policies }
    if let seeds { plan.seeds = seeds }
    return plan
  }
}
