// The policies that can be simulated, by name.
import Configuration
import Fleet
import Primitives

package enum PolicyName: String, Sendable, CaseIterable {
  case steelyard
  case steelyardGuard = "steelyard_guard"
  case steelyardShed = "steelyard_shed"
  case headroom
  case steps306080 = "steps-30-60-80"
  case roundRobin = "round_robin"
  case leastRequest = "least_request"
  case leastRequestTrue = "least_request_true"
  case leastRequestOutlier = "least_request_outlier"
  case peakEWMA = "peak_ewma"
  case grpcWeighted = "grpc_a58"
  case queueCache = "queue_kv"
  case haproxyAgent = "haproxy_agent"
  case `static`
  case nginx
  case sed
  case marginal

  /// The policy with that name or former name.
  package init?(named name: String) {
    self.init(rawValue: name == "oracle" ? Self.sed.rawValue : name)
  }

  /// One line for people.
  package var summary: String {
    switch self {
    case .steelyard: "law capacity, weighted least request, passive health"
    case .steelyardGuard: "the same with a KV cache of .9 in a full batch as a guard"
    case .steelyardShed: "the first with `shed: 0.3`: what would wait too long is refused at once"
    case .headroom: "law headroom on utilisation, weighted least request, passive health"
    case .steps306080: "weights 4/3/2/1 by utilisation below 30/60/80 %, weighted round robin"
    case .roundRobin: "equal weights in turn"
    case .leastRequest: "equal weights, fewest in flight"
    case .leastRequestTrue: "the operator's true static weights, fewest in flight for its weight"
    case .leastRequestOutlier: "equal weights, fewest in flight, Envoy's outlier detection"
    case .peakEWMA: "Finagle's and Linkerd's peak-EWMA, two choices"
    case .grpcWeighted: "gRPC A58 weights, weighted round robin"
    case .queueCache: "queue and KV-cache scores from scrapes every 50 ms (llm-d)"
    case .haproxyAgent: "HAProxy's agent-check percentages every 2 s, leastconn"
    case .static: "law static, weighted least request, passive health"
    case .nginx: "nginx's least_conn, max_fails=1 fail_timeout=10s"
    case .sed: "joins the shortest expected delay; knows every queue, slot, speed and fault"
    case .marginal: "knows as much; counts the delay of others too, once, twice in full pools"
    }
  }

  func make(_ scenario: Scenario, seed: UInt64) -> any SimulatedPolicy {
    let endpoints = scenario.endpoints
    let equal = endpoints.map { _ in 1.0 }
    let known = endpoints.map { $0.weight ?? $0.capacity }
    let told = scenario.hasTrueWeights ? known : equal
    func own(
      _ law: Law, _ weights: [Double], balance: BalancePolicy = .leastRequest,
      ejects: Bool = false, cache: Bool = false, sheds: Bool = false
    ) -> any SimulatedPolicy {
      SteelyardPolicy(scenario, weights: weights, seed: seed) { pool in
        pool.weights.law = law
        pool.balance = balance
        if !ejects { pool.ejection.failsMax = 0 }
        if law == .headroom || law == .steps {
          pool.weights.scrapes = [SimulatedPage.utilisation]
        }
        if sheds { pool.shedRatio = 0.3 }
        if cache { pool.weights.scrapes[0].signals.append(SimulatedPage.cache) }
        if law == .static { pool.weights.scrapes = [] }
      }
    }
    switch self {
    case .steelyard: return own(.capacity, told, ejects: true)
    case .steelyardShed: return own(.capacity, told, ejects: true, sheds: true)
    case .steelyardGuard: return own(.capacity, told, ejects: true, cache: true)
    case .headroom: return own(.headroom, told, ejects: true)
    case .steps306080: return own(.steps, equal, balance: .roundRobin)
    case .roundRobin: return own(.static, equal, balance: .roundRobin)
    case .leastRequest: return own(.static, equal)
    case .leastRequestTrue: return own(.static, known)
    case .leastRequestOutlier: return OutlierPolicy(count: endpoints.count, seed: seed)
    case .peakEWMA: return PeakEWMAPolicy(count: endpoints.count, seed: seed)
    case .grpcWeighted: return GRPCWeightedPolicy(count: endpoints.count, seed: seed)
    case .queueCache: return QueueCachePolicy(count: endpoints.count, seed: seed)
    case .static: return own(.static, told, ejects: true)
    case .nginx: return NginxPolicy(weights: told, seed: seed)
    case .sed:
      return OraclePolicy(.shortestDelay, scenario.tokens, count: endpoints.count, seed: seed)
    case .marginal:
      return OraclePolicy(.marginal, scenario.tokens, count: endpoints.count, seed: seed)
    case .haproxyAgent: return AgentPolicy(count: endpoints.count, seed: seed)
    }
  }
}

/// Runs a scenario with a policy. The same arguments give the same record.
package enum Simulation {
  package static func run(_ scenario: Scenario, _ policy: PolicyName, seed: UInt64) -> Record {
    var simulator = Simulator(scenario, seed: seed) { index in
      policy.make(scenario, seed: seed &* 1_000_003 &+ UInt64(index))
    }
    return simulator.run()
  }
}

extension PolicyName {
  /// "did you mean `least_request`?"; nil: nothing is near.
  static func hint(for word: String) -> String? {
    Suggestion.hint(for: word, among: allCases.map(\.rawValue))
  }
}
