import Demo
import Fleet
import Primitives
import Testing

@Suite struct VirtualServerTests {
  @Test func finishesInOrderAndNeverRunsMoreThanItsSlots() {
    var server = VirtualServer(speed: 2, slots: 2, queueMax: 10, now: .zero)
    var finished: [UInt64] = []
    let taken = (1...5).map { server.arrive(UInt64($0), work: 1, now: .zero) }
    #expect(taken == [true, true, true, true, true])
    #expect(server.runningCount == 2 && server.waitingCount == 3)
    finished = server.advance(to: .milliseconds(499))
    #expect(finished == [])
    finished = server.advance(to: .milliseconds(1_001))
    #expect(finished == [1, 2, 3, 4])
    #expect(server.runningCount == 1)
    finished = server.advance(to: .milliseconds(1_501))
    #expect(finished == [5])
    #expect(server.nextEvent == nil)
  }

  @Test func aChangeOfSpeedRescalesWhatIsLeft() {
    var server = VirtualServer(speed: 1, slots: 1, queueMax: 10, now: .zero)
    var finished: [UInt64] = []
    _ = server.arrive(1, work: 1, now: .zero)
    finished = server.advance(to: .milliseconds(500))
    #expect(finished == [])
    server.set(.slow(5))
    // Half of the work is left, five times slower.
    finished = server.advance(to: .milliseconds(2_990))
    #expect(finished == [])
    finished = server.advance(to: .milliseconds(3_010))
    #expect(finished == [1])
  }

  @Test(arguments: [(0, 0.0), (4, 0.25), (8, 0.5), (10, 0.54), (100, 0.6)])
  func theCacheFillsWithTheBatch(count: Int, ratio: Double) {
    var server = VirtualServer(
      speed: 1, slots: 8, queueMax: 200, fullCacheRatio: 0.5, now: .zero)
    for id in 0..<count { _ = server.arrive(UInt64(id), work: 1, now: .zero) }
    #expect(abs(server.cacheRatio - ratio) < 1e-12)
  }

  @Test func aFullQueueRefusesAndAHangingServerNeverFinishes() {
    var server = VirtualServer(speed: 1, slots: 1, queueMax: 1, now: .zero)
    var finished: [UInt64] = []
    let taken = (1...3).map { server.arrive(UInt64($0), work: 1, now: .zero) }
    #expect(taken == [true, true, false])
    server.set(.hanging)
    finished = server.advance(to: .seconds(100))
    #expect(finished == [])
    server.cancel(1)
    #expect(server.runningCount == 1 && server.waitingCount == 0)
    server.set(.dead)
    #expect(server.runningCount == 0)
  }
}

@Suite struct DemoTextTests {
  @Test(arguments: [
    (0.0123, "12.3ms"), (0.5, "500ms"), (0.9999, "1.00s"), (1.236, "1.24s"), (12.34, "12.3s"),
  ])
  func durationsReadWell(seconds: Double, text: String) {
    #expect(DemoTable.duration(seconds) == text)
  }

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
