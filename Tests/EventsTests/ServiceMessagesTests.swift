// What a service manager is told, and when.
import Primitives
import Testing

@testable import Events

@Suite struct ServiceMessagesTests {
  private static func state(
    open: Int = 1, inFlight: Int = 0, stopsAt: Nanoseconds? = nil
  ) -> ServiceState {
    ServiceState(
      endpointCount: 2, openCount: open, inFlight: inFlight, stopsAt: stopsAt, silentWorker: nil)
  }

  private let second = Nanoseconds.seconds(1)

  @Test func theStatusLineFollowsTheStateEveryFiveSeconds() {
    var messages = ServiceMessages(watchdogInterval: nil)
    #expect(messages.dueAt == .distantFuture)
    #expect(
      messages.ready(Self.state(), isRefused: false, now: second)
        == ["READY=1", "STATUS=Serving: 1 of 2 endpoints take requests"])
    #expect(messages.dueAt == .seconds(6))
    var due = messages.due(Self.state(open: 2), isAlive: false, now: .seconds(5))
    #expect(due == [])
    due = messages.due(Self.state(open: 2), isAlive: false, now: .seconds(6))
    #expect(due == ["STATUS=Serving: 2 of 2 endpoints take requests"])
    due = messages.due(Self.state(open: 2), isAlive: false, now: .seconds(11))
    #expect(due == [], "it is the same")
    let refused = messages.ready(Self.state(), isRefused: true, now: .seconds(12))
    #expect(refused.last?.hasSuffix("take requests; the last reload was refused") == true)
  }

  @Test func theWatchdogIsFedWhileAllAreAlive() {
    var messages = ServiceMessages(watchdogInterval: second)
    _ = messages.ready(Self.state(), isRefused: false, now: .zero)
    #expect(messages.dueAt == second && !messages.isWatchdogDue(.milliseconds(999)))
    #expect(messages.isWatchdogDue(second))
    var due = messages.due(Self.state(), isAlive: false, now: second)
    #expect(due == [] && messages.isWatchdogDue(second), "it is due until it is fed")
    due = messages.due(Self.state(), isAlive: true, now: second)
    #expect(due == ["WATCHDOG=1"] && !messages.isWatchdogDue(second))
    // A reload does not put it off.
    _ = messages.ready(Self.state(), isRefused: false, now: .milliseconds(1_900))
    #expect(messages.dueAt == .seconds(2))
  }

  @Test func aGracefulStopAsksForMoreTimeEachSecond() {
    var messages = ServiceMessages(watchdogInterval: nil)
    _ = messages.ready(Self.state(), isRefused: false, now: .zero)
    #expect(messages.stopping(now: second) == ["STOPPING=1"])
    let stopping = Self.state(inFlight: 3, stopsAt: .seconds(21))
    var due = messages.due(stopping, isAlive: true, now: second)
    #expect(
      due == [
        "EXTEND_TIMEOUT_USEC=30000000", "STATUS=Ending: 3 requests in flight, cut in 20 s",
      ])
    #expect(messages.dueAt == .seconds(2))
    due = messages.due(stopping, isAlive: true, now: .seconds(30))
    #expect(due.first == "EXTEND_TIMEOUT_USEC=10000000", "the deadline is over")
    #expect(messages.ready(stopping, isRefused: false, now: second) == [])
    #expect(messages.reloading(stopping, now: second) == [])
  }

  @Test(
    arguments: [
      (nil, nil, nil), ("2000000", nil, 1.0), ("2000000", "7", 1.0), ("2000000", "8", nil),
      ("86400000000", nil, 43_200),
    ] as [(String?, String?, Double?)])
  func theWatchdogIsForOneProcess(_ period: String?, _ process: String?, _ seconds: Double?) throws
  {
    let found = try ServiceMessages.watchdogInterval(period: period, process: process, own: "7")
    #expect(found == seconds.map { .seconds($0) })
  }

  @Test(arguments: ["", "0", "-1", "x", "1.5", "86400000001"])
  func aPeriodThatIsNoneIsAnError(_ period: String) {
    #expect(throws: ServiceMessages.NotANumber.self) {
      try ServiceMessages.watchdogInterval(period: period, process: nil, own: "7")
    }
  }
}
