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
