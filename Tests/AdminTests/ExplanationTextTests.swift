// What `steelyard explain` prints of an explanation.
import Testing

@testable import Admin
@testable import Controller

@Suite struct ExplanationTextTests {
  private static let signals = [
    EndpointExplanation.Signal(
      name: "cpu", value: 0.775, freshness: "fresh", ageSeconds: 0.2, role: "utilization",
      normal: 0.7, alarm: 0.85, load: 0.5),
    EndpointExplanation.Signal(name: "memory", freshness: "blackout", absence: "missing"),
  ]

  private static let endpoint = EndpointExplanation(
    address: "10.0.0.1:8000", state: "ready", backup: false, baseWeight: 2, targetWeight: 1.05,
    effectiveWeight: 0.525, factor: 0.2625, reason: "scaled", reasonText: "scaled by an operator",
    watchdog: .init(state: "fine", stillSeconds: 0),
    requests: .init(
      inFlight: 3, started: 20, completed: 15, failed: 2, refused: 0, ejections: 1,
      readmissions: 1, oldestSeconds: 4),
    answers: .init(count: 15, windowSeconds: 9.5, meanResponseSeconds: 0.25),
    pages: [.init(url: "http://10.0.0.1:8000/metrics", ageSeconds: 0.2, signals: signals)],
    orders: [.init(name: "scale", value: "0.5", remainingSeconds: 99.8)],
    changes: [
      .init(ageSeconds: 3, from: 2, to: 1.05, reason: "law", reasonText: "the law says so")
    ])

  private static func pool(_ endpoint: EndpointExplanation) -> PoolExplanation {
    PoolExplanation(
      pool: "text", law: "headroom", balance: "least_request", dryRun: false, frozen: true,
      freezeReason: "few_scrapes", floorRatio: 0.05, slewPerSecond: 0.5, slowStartSeconds: 0,
      evidenceDecaySeconds: 10, balancers: 1, scrapeIntervalSeconds: 1,
      orders: [.init(name: "floor", value: "0.1")], endpoints: [endpoint])
  }

  @Test func aReasonAndWhatHappenedStandInFewLines() {
    let text = Self.pool(Self.endpoint).text(isVerbose: false)
    #expect(
      text == """
        pool text: law headroom, balance least_request, 1 endpoint
          frozen     few_scrapes: weights stay as they are
          operator   floor is 0.1, until it is taken back

        10.0.0.1:8000: weight 0.525, target 1.050, configured 2.000; ready
          why        scaled by an operator
          requests   3 in flight, 20 sent, 15 ended well, 2 failed, 0 refused; the oldest has run \
        for 4 s; ejected 1 times, back 1 times
          operator   scaled by 0.5, for another 100 s
          changed    3.0 s ago target 2.000 → 1.050, the law says so

        """)
  }

  @Test func everyNumberStandsInTheVerboseText() {
    let text = Self.pool(Self.endpoint).text(isVerbose: true)
    for part in [
      "  limits     floor 0.05, slew 0.50 configured weights a second, slow start 0.0 s\n",
      "  page       http://10.0.0.1:8000/metrics read 0.2 s ago\n",
      "  signal     cpu 0.775 (fresh, 0.2 s ago); role utilization; load 0.50 of normal 0.70, "
        + "alarm 0.85\n",
      "             not on this page: memory\n",
      "  own view   15.0 answers in 9.5 s, mean 0.250 s\n",
    ] {
      #expect(text.contains(part), "\(part) is not in\n\(text)")
    }
  }

  @Test func failuresAreShownInBothTexts() {
    var endpoint = Self.endpoint
    endpoint.pages[0].failure = "refused"
    endpoint.pages[0].detail = "nobody listens"
    endpoint.health = .init(state: "unhealthy", failure: "timeout", detail: "after 2 s")
    endpoint.watchdog = .init(state: "stalled", cause: "no_progress", stillSeconds: 12)
    endpoint.canary = .init(
      last: "status", detail: "500", ageSeconds: 1, seconds: 0.1, goodInRow: 0, goodNeeded: 2)
    for isVerbose in [false, true] {
      let text = Self.pool(endpoint).text(isVerbose: isVerbose)
      for part in [
        "  page       http://10.0.0.1:8000/metrics fails: refused nobody listens\n",
        "  health     unhealthy, the last check failed: timeout after 2 s\n",
        "  watchdog   stalled: no_progress, shows no work for 12.0 s\n",
        "  canary     the last one, 1.0 s ago: status (500), none was good, 0 of 2\n",
      ] {
        #expect(text.contains(part), "\(part) is not in\n\(text)")
      }
    }
    endpoint.canary = .init(
      last: "good", ageSeconds: 1, seconds: 0.1, lastGoodAgeSeconds: 1, goodInRow: 2,
      goodNeeded: 2)
    #expect(Self.pool(endpoint).text(isVerbose: false).contains("last good 1.0 s ago, 2 of 2\n"))
  }
}
