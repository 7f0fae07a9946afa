// The table of the suite that asks for no harm: one line per scenario, with ratios to other
// policies.
import Simulation

extension BenchRuns {
  /// How much worse than another policy still counts as no harm.
  private static let tolerance = 0.05
  /// How many more of ten thousand requests may fail if next to none fails with the other policy.
  private static let failuresTolerance = 10.0

  /// Goodput, failures, mean and p99 relative to those of the other policies, as medians over the
  /// seeds, and whether any is worse by more than a twentieth. Failures, per ten thousand, are
  /// ours/theirs.
  func comparison(with peers: [PolicyName]) -> String {
    var text = "| scenario |"
    for peer in peers {
      for word in ["goodput", "failed", "mean", "p99"] { text += " \(word) ÷ \(peer.rawValue) |" }
    }
    text += " |\n|---|" + String(repeating: "---|", count: peers.count * 4 + 1) + "\n"
    var passed = 0
    let names = scenarioNames
    for name in names {
      var worse: [String] = []
      text += "| \(name) |"
      for peer in peers {
        let goodput = ratio(name, .goodput, to: peer) ?? 1
        let mean = ratio(name, .mean, to: peer) ?? 1
        let p99 = ratio(name, .p99, to: peer) ?? 1
        let ours = median(name, .steelyard, .failuresPer10000) ?? 0
        let theirs = median(name, peer, .failuresPer10000) ?? 0
        if goodput < 1 - Self.tolerance { worse.append("goodput") }
        if ours > theirs * (1 + Self.tolerance) + Self.failuresTolerance {
          worse.append("failed")
        }
        if mean > 1 + Self.tolerance { worse.append("mean") }
        if p99 > 1 + Self.tolerance { worse.append("p99") }
        text += " \(Self.text(goodput)) | \(Self.whole(ours))/\(Self.whole(theirs)) |"
        text += " \(Self.text(mean)) | \(Self.text(p99)) |"
      }
      let words = Set(worse).sorted().joined(separator: ", ")
      text += worse.isEmpty ? " pass |\n" : " FAIL \(words) |\n"
      passed += worse.isEmpty ? 1 : 0
    }
    return text + "\n\(passed) of \(names.count) pass.\n"
  }

  private static func whole(_ value: Double) -> String { "\(Int(value.rounded()))" }

  private func ratio(_ name: String, _ figure: Figure, to peer: PolicyName) -> Double? {
    ratio(figure, (name, .steelyard), (name, peer))
  }
}
