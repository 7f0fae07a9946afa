// What the demo prints.
import Testing

@testable import CLI

@Suite struct DemoTableTests {
  @Test func theSummaryIsHonestWhenDynamicIsWorse() {
    func side(_ name: String, _ p99: Double) -> DemoSummary.Side {
      .init(name: name, sent: 10, ok: 9, failed: 1, p50: 0.1, p99: p99, shares: [0.25, 0.75])
    }
    let worse = DemoSummary(
      seconds: 30, balance: "round_robin", sides: [side("static", 1), side("dynamic", 2)])
    #expect(worse.lines.last?.contains("worse") == true)
    let better = DemoSummary(
      seconds: 30, balance: "round_robin", sides: [side("static", 2), side("dynamic", 1)])
    #expect(better.lines.last == "Dynamic against static: p50 ×1.00, p99 ×0.50.")
  }
}
