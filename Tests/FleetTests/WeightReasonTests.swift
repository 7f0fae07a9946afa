import Fleet
import Testing

/// The sentences that an operator reads: this endpoint's own numbers, and the weight in force.
@Suite struct WeightReasonTests {
  private static func row(
    _ reason: WeightReason, base: Double = 1, target: Double? = nil, effective: Double = 1
  ) -> WeightRow {
    WeightRow(
      base: base, target: target ?? effective, effective: effective, eligibility: .ready,
      reason: reason)
  }

  private static func answers(
    mean: Double? = nil, pool: Double? = nil, rate: Double? = nil, poolRate: Double? = nil,
    unanswered: Int = 0, oldest: Double = 0, isMoving: Bool = false
  ) -> WeightEvidence {
    var found = AnswerEvidence()
    (found.meanResponse, found.poolResponse) = (mean, pool)
    (found.rate, found.poolRate) = (rate, poolRate)
    (found.unanswered, found.oldest, found.isMoving) = (unanswered, oldest, isMoving)
    return .answers(found)
  }

  @Test func theFactorIsThatOfTheWeightInForceAndTheMeanIsTheEndpointsOwn() {
    let reason = WeightReason(.law, Self.answers(mean: 0.076, pool: 0.153))
    #expect(
      Self.row(reason, effective: 3.464).reasonText
        == "3.5 × its configured weight: mean response 76 ms, the pool's median is 153 ms")
    #expect(
      Self.row(reason, base: 2, effective: 2).reasonText
        == "the configured weight: mean response 76 ms, the pool's median is 153 ms")
  }

  @Test func equalResponsesAndUnequalWeightsAreExplainedByTheRates() {
    let reason = WeightReason(
      .law, Self.answers(mean: 0.15, pool: 0.153, rate: 40, poolRate: 10.5))
    #expect(
      Self.row(reason, effective: 2.2).reasonText
        == "2.2 × its configured weight: mean response 150 ms, the pool's median is 153 ms; "
        + "40 answers/s, the pool's median is 10.5")
  }

  @Test func requestsThatHangAreCountedAndTheOldestIsTimed() {
    let hung = WeightReason(.law, Self.answers(unanswered: 11, oldest: 31.2))
    #expect(
      Self.row(hung, effective: 0.05).reasonText
        == "0.05 × its configured weight: 11 requests unanswered, the oldest for 31 s")
    let stream = WeightReason(
      .law, Self.answers(mean: 0.5, pool: 0.4, unanswered: 1, oldest: 8, isMoving: true))
    #expect(
      Self.row(stream, effective: 0.5).reasonText
        == "0.50 × its configured weight: 1 request unfinished, for 8 s; mean response 500 ms, "
        + "the pool's median is 400 ms")
  }

  @Test func withoutRecentRequestsNothingIsPromised() {
    let none = WeightReason(.blackout, Self.answers(pool: 0.153))
    #expect(Self.row(none).reasonText == "no recent requests: the configured weight")
    // The others' weights keep the pool's sum: its own is not the configured one.
    #expect(
      Self.row(none, effective: 0.62).reasonText
        == "no recent requests: 0.62 × its configured weight")
    #expect(Self.row(WeightReason(.base)).reasonText == "law static: the configured weight")
  }

  @Test func signalsSayWhereTheyLie() {
    func text(_ value: Double, _ effective: Double) -> String {
      let signal = SignalEvidence(name: "cpu", value: value, normal: 0.7, alarm: 0.85)
      return Self.row(WeightReason(.law, .signal(signal)), effective: effective).reasonText
    }
    #expect(text(0.2, 1) == "the configured weight: cpu 0.2, below its normal 0.7")
    #expect(
      text(0.775, 0.525)
        == "0.53 × its configured weight: cpu 0.775, between normal 0.7 and alarm 0.85")
    #expect(text(0.9, 0.05) == "0.05 × its configured weight: cpu 0.9, beyond its alarm 0.85")
    let load = WeightEvidence.load(
      ratio: 0.45, [.init(name: "cpu", value: 0.5), .init(name: "memory", value: 0.4)])
    #expect(
      Self.row(WeightReason(.law, load), base: 2, effective: 6).reasonText
        == "3.0 × its configured weight: load 45 % (cpu 50 %, memory 40 %)")
  }

  @Test func whatOverridesTheLawComesFirst() {
    let law = Self.answers(mean: 0.076, pool: 0.153)
    let words = "3.5 × its configured weight: mean response 76 ms, the pool's median is 153 ms"
    let rows: [(WeightReason, effective: Double, String)] = [
      (WeightReason(.pinned, law), 9, "pinned by an operator to 9"),
      (
        WeightReason(.scaled, law), 1.75,
        "scaled by an operator to 1.8 × its configured weight; the law says \(words)"
      ),
      (
        WeightReason(.dryRun, law), 1,
        "dry run: the configured weight; the law says \(words)"
      ),
      (
        WeightReason(.frozen, law, freeze: .operator), 2,
        "frozen by an operator; stays at 2.0 × its configured weight"
      ),
      (
        WeightReason(.frozen, law, freeze: .mostHang), 2,
        "frozen: most endpoints do not answer; stays at 2.0 × its configured weight"
      ),
      (
        WeightReason(.slew, law), 2,
        "2.0 × its configured weight, moving to "
          + "3.5 × its configured weight: mean response 76 ms, the pool's median is 153 ms"
      ),
      (WeightReason(.stale, law), 3.5, words + "; the numbers are getting old"),
      (
        WeightReason(.expired, .median(of: 3, isFirst: false)), 1,
        "no fresh metrics: the configured weight, the median of 3 other endpoints"
      ),
      (
        WeightReason(.expired, .noPage(seconds: 41)), 0.25,
        "0.25 × its configured weight: no metrics page for 41 s, counts as full load"
      ),
    ]
    for (reason, effective, text) in rows {
      #expect(Self.row(reason, target: 3.5, effective: effective).reasonText == text)
    }
  }
}
