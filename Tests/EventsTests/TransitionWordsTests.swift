// The words for transitions: which have a line, an event, a text, and that they agree.
import Fleet
import Primitives
import Testing

@testable import Events

@Suite struct TransitionWordsTests {
  private static let endpoint = SocketAddress(bytes: [10, 0, 0, 1], port: 8000)

  private static func change(
    _ old: Eligibility, _ new: Eligibility, cause: String? = nil
  ) -> EndpointChange {
    EndpointChange(
      pool: "text", endpoint: endpoint, old: old, new: new, readyCount: 1, count: 2, cause: cause)
  }

  private static func pairs(_ transition: Transition) -> [String] {
    (transition.line?.pairs.map { "\($0.key)=\($0.value.shown)" }) ?? []
  }

  @Test func anEjectionIsToldByAllThree() {
    var change = Self.change(.ready, .ejected)
    change.ejection = Ejection(
      since: .zero, lastEvidenceAt: .zero, reason: .refused, failures: 3,
      cooldownUntil: .seconds(9),
      trialFrom: .seconds(9))
    let ejected = Transition.endpoint(change)
    #expect(ejected.line?.message == "endpoint ejected" && ejected.line?.level == .warning)
    #expect(
      Self.pairs(ejected) == [
        "pool=text", "endpoint=10.0.0.1:8000", "reason=connection_refused", "failures=3",
        "left=1", "of=2",
      ])
    #expect(ejected.text == "ejected: connection refused, 3 in a row; 1 of 2 left")
    #expect(
      ejected.occurrence(at: .seconds(5))
        == Occurrence(
          .endpointEjected, pool: "text", endpoint: Self.endpoint, reason: "connection_refused",
          at: .seconds(5)))
    change.ejection = nil
    #expect(Transition.endpoint(change).text == "ejected: for a moment; 1 of 2 left")
    #expect(Transition.endpoint(change).occurrence(at: .zero)?.reason == "unknown")
  }

  @Test func itsEndIsTooAndHooksHearThatItIsReady() {
    var change = Self.change(.ejected, .ready)
    change.readmission = EndpointChange.Readmission(cause: .answers, seconds: 1.5)
    let back = Transition.endpoint(change)
    #expect(back.line?.message == "endpoint readmitted" && back.line?.level == .info)
    #expect(
      Self.pairs(back).contains("by=trial_answers") && Self.pairs(back).contains("seconds=1.5"))
    #expect(back.text == "readmitted: trial requests ended well; 1 of 2 left")
    #expect(back.occurrence(at: .zero)?.event == .endpointReady)
    #expect(back.occurrence(at: .zero)?.reason == "was ejected")
  }

  @Test(
    arguments: [
      (.ready, .unhealthy, "status", .endpointUnhealthy, "status"),
      (.ready, .unhealthy, nil, .endpointUnhealthy, "health check"),
      (.ready, .stalled, "no_progress", .endpointStalled, "no_progress"),
      (.ready, .stalled, nil, .endpointStalled, "watchdog"),
      (.ready, .draining, nil, .endpointDraining, "operator"),
      (.stalled, .ready, nil, .endpointReady, "was stalled"),
      (.starting, .ready, nil, nil, nil),
    ] as [(Eligibility, Eligibility, String?, HookEvent?, String?)])
  func verdictsReachHooksAndHaveLinesOfTheirOwn(
    _ old: Eligibility, _ new: Eligibility, _ cause: String?, _ event: HookEvent?,
    _ reason: String?
  ) {
    let transition = Transition.endpoint(Self.change(old, new, cause: cause))
    #expect(transition.line == nil && transition.text == nil)
    let occurrence = transition.occurrence(at: .zero)
    #expect(occurrence?.event == event && occurrence?.reason == reason)
  }

  @Test func aVerdictSaysWhy() {
    let out = Transition.verdict(
      VerdictChange(
        pool: "text", endpoint: Self.endpoint, old: .ready, new: .unhealthy,
        failure: PollFailure(.status, "503")))
    #expect(out.line?.level == .warning && out.occurrence(at: .zero) == nil)
    #expect(
      Self.pairs(out) == [
        "pool=text", "endpoint=10.0.0.1:8000", "from=ready", "to=unhealthy", "failure=status",
        "cause=none",
      ])
    #expect(out.text == "ready → unhealthy, health check: status")
  }

  @Test func aScrapesSecretIsInNoWord() {
    let fails = Transition.scrape(
      ScrapeChange(
        pool: "text", address: Self.endpoint, path: "/metrics?token=sekret",
        failure: PollFailure(.timeout, "late")))
    #expect(!Self.pairs(fails).joined().contains("sekret"))
    #expect(fails.text?.contains("sekret") == false)
    #expect(fails.text?.hasSuffix("fails: timeout late") == true)
    #expect(fails.occurrence(at: .zero)?.event == .scrapeFailing)
  }

  @Test func reloadsHaveTextAndEventButNoLine() {
    let taken = Transition.reload(.taken(changeCount: 0))
    #expect(taken.line == nil && taken.text == "configuration reloaded: nothing has changed")
    #expect(taken.occurrence(at: .zero)?.reason == "0 changes")
    let refused = Transition.reload(.refused("no such file"))
    #expect(refused.text == "reload refused: no such file" && refused.occurrence(at: .zero) == nil)
  }

  @Test func theLogTellsEachTransitionOnce() throws {
    var journal = Journal()
    var reader = EventLog()
    let log = try LogDriver(isQuiet: true)
    journal.append(.pool(PoolChange(pool: "text", state: .withoutEndpoint("2 ejected"))), at: .zero)
    journal.append(.pool(PoolChange(pool: "text", state: .unfrozen)), at: .zero)
    let told = reader.write(journal, to: log, wall: .seconds(7))
    #expect(told.map(\.event) == [.poolWithoutEndpoint] && told.first?.reason == "2 ejected")
    // The one of level error, as the log is quiet.
    #expect(log.lineCounts == [.error: 1])
    #expect(reader.write(journal, to: log, wall: .seconds(8)).isEmpty)
    #expect(log.lineCounts == [.error: 1])
  }

  @Test func theObserverNotesAnEjectionAndItsEnd() {
    var pool = Pool(name: "text", endpoints: [])
    var endpoint = Endpoint(address: Self.endpoint, baseWeight: 1)
    endpoint.endpointIndex = 0
    pool.endpoints = [endpoint]
    let board = EvidenceBoard(workerCount: 1, endpointLimit: 1)
    var observer = FleetObserver()
    func look(_ seconds: Double, _ state: Eligibility = .ready) -> [Transition] {
      observer.look(
        at: pool, freeze: nil, board, now: .seconds(seconds), eligibility: { _ in state },
        cause: { _, new in new == .unhealthy ? "timeout" : nil })
    }
    #expect(look(1).isEmpty)
    #expect(
      look(2, .unhealthy) == [
        .endpoint(
          EndpointChange(
            pool: "text", endpoint: Self.endpoint, old: .ready, new: .unhealthy, readyCount: 0,
            count: 1, cause: "timeout")),
        .pool(PoolChange(pool: "text", state: .withoutEndpoint("1 unhealthy"))),
      ])
    #expect(look(3).count == 2)
    let cells = board.block(ofWorker: 0)
    cells.add(1, at: board.index(.ejections, 0))
    let ejected = look(4)
    guard case .endpoint(let out)? = ejected.first else {
      Issue.record("\(ejected)")
      return
    }
    #expect(out.new == .ejected && out.ejection == nil && out.readyCount == 0)
    guard case .endpoint(let back)? = look(5.52).first else { return }
    #expect(back.new == .ready && back.readmission?.seconds == 1.5)
    #expect(back.readmission?.cause == .silence)
  }
}
