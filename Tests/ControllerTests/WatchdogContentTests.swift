// How long the watchdog gives an endpoint for the content that it was sent, and that a hang is still
// seen soon where that is known to be read fast.
import Fleet
import Testing

@testable import Controller

@Suite struct WatchdogContentTests {
  /// Seconds until it is taken out from now on, at most `max`.
  private static func secondsUntilTrip(_ stage: inout Stage, max: Double = 400) -> Double {
    let start = stage.seconds
    while stage.trips.isEmpty, stage.seconds - start < max { stage.run(0.1) }
    return stage.seconds - start
  }

  /// An endpoint that streams `rate` answers a second, to prompts of so many bytes each.
  private static func streaming(_ rate: Int, bytes: Double, seconds: Int = 30) -> Stage {
    var stage = Stage()
    stage.work(2)
    for _ in 0..<seconds { second(&stage, rate, bytes) }
    return stage
  }

  private static func second(_ stage: inout Stage, _ rate: Int, _ bytes: Double) {
    for _ in 0..<rate { stage.send(1, bytes: bytes) }
    stage.run(0.3)
    for _ in 0..<rate { stage.answer(bytes: bytes) }
    stage.run(0.7)
  }

  @Test func llamaCppReadsLongPromptsAsLongAsItTakes() {
    // Recorded on a busy core: content in bytes, seconds until the prompt was read.
    var stage = Stage()
    for (bytes, seconds) in [(222, 0.5), (677, 1.6), (2_383, 5.6), (8_040, 24.8)] {
      stage.ask(bytes: Double(bytes), for: seconds)
    }
    #expect(stage.trips.isEmpty)
  }

  @Test(arguments: [0, 3, 40]) func aLongPromptAfterShortOnesIsNoStall(shortCount: Int) {
    var stage = Stage()
    for _ in 0..<shortCount { stage.ask(bytes: 170, for: 0.6) }
    stage.ask(bytes: 6_337, for: 11.6)
    #expect(stage.trips.isEmpty)
    // Now it is known.
    for _ in 0..<3 { stage.ask(bytes: 170, for: 0.6) }
    stage.ask(bytes: 9_000, for: 20)
    #expect(stage.trips.isEmpty)
  }

  @Test func aSlowerMachineThanIsSupposedIsLearnedFromItsShortPrompts() {
    var stage = Stage()
    for _ in 0..<4 { stage.ask(bytes: 500, for: 5) }
    stage.ask(bytes: 6_000, for: 58)
    #expect(stage.trips.isEmpty)
  }

  @Test func aRequestThatIsBegunSeveralPagesLateIsNoStall() {
    var stage = Stage()
    for _ in 0..<10 { stage.ask(bytes: 170, for: 0.6) }
    stage.send(1, bytes: 6_337)
    // The pages do not count it yet.
    stage.run(4)
    stage.load = 1
    stage.run(11.6)
    #expect(stage.trips.isEmpty)
  }

  @Test func aRateThatHoldsIsNoProgress() {
    var stage = Stage()
    for _ in 0..<10 { stage.ask(bytes: 170, for: 0.6) }
    stage.send(1, bytes: 6_337)
    // The counter stands, and the rate of the last request is still shown.
    (stage.load, stage.progress, stage.isProgressHeld) = (1, 10, true)
    stage.run(4)
    (stage.progress, stage.isProgressHeld) = (0, false)
    stage.run(11.6)
    #expect(stage.trips.isEmpty)
  }

  @Test func aPromptThatWaitedForItsTurnIsReadLater() {
    var stage = Self.streaming(1, bytes: 170)
    stage.isQueueing = true
    stage.send(1, bytes: 6_337)
    for _ in 0..<15 { Self.second(&stage, 1, 170) }
    stage.isQueueing = false
    stage.run(1)
    stage.hang()
    stage.run(12)
    #expect(stage.trips.isEmpty)
    stage.run(60)
    #expect(stage.trips.map(\.cause) == [.noProgress])
  }

  @Test func aHangOverPromptsThatItReadsFastIsSeenSoon() {
    for (rate, bytes) in [(1, 40_000.0), (10, 2_000), (5, 300)] {
      var stage = Self.streaming(rate, bytes: bytes)
      stage.hang()
      stage.send(Double(rate), bytes: bytes)
      let seconds = Self.secondsUntilTrip(&stage)
      #expect((5.0...6.2).contains(seconds), "\(rate) of \(bytes) bytes: \(seconds) s")
    }
  }

  @Test func aHangWithManyRequestsInTheMiddleOfTheirAnswersIsSeenSoon() {
    // Nothing is streamed: each answer takes ten seconds and comes at once. Two end each second.
    var stage = Stage()
    stage.work(20)
    (stage.reading.inFlight, stage.contentRate) = (0, 0)
    stage.send(20, bytes: 2_000)
    for _ in 0..<60 {
      stage.answer(bytes: 2_000)
      stage.send(1, bytes: 2_000)
      stage.run(0.5)
    }
    var other = stage
    stage.hang()
    let seconds = Self.secondsUntilTrip(&stage)
    #expect((4.5...6.5).contains(seconds), "\(seconds) s")
    // Where some of them may not have begun it is less clear.
    other.isQueueing = true
    other.run(2)
    other.hang()
    let longer = Self.secondsUntilTrip(&other)
    #expect((10.0...35).contains(longer), "\(longer) s")
  }

  @Test func whatIsSentToAnEndpointThatStandsStillDoesNotKeepItIn() {
    var stage = Self.streaming(2, bytes: 1_000)
    stage.hang()
    stage.run(2)
    for _ in 0..<40 where stage.trips.isEmpty {
      stage.send(3, bytes: 50_000)
      stage.run(0.1)
    }
    #expect((5.0...6.2).contains(stage.trips.first.map { $0.at - 30 } ?? 99))
  }

  @Test func contentThatIsMuchMoreThanItEverHadIsGivenThreeMinutesAtMost() {
    var stage = Self.streaming(1, bytes: 200)
    stage.send(1, bytes: 50_000_000)
    stage.run(1)
    stage.hang()
    let seconds = Self.secondsUntilTrip(&stage)
    #expect((175.0...182).contains(seconds), "\(seconds) s")
  }

  @Test func answersThatAreErrorsSayNothingOfItsSpeed() {
    var stage = Stage()
    for _ in 0..<20 {
      stage.send(1, bytes: 6_000)
      (stage.load, stage.progress) = (1, 0)
      stage.run(0.2)
      // Refused: it has an answer, and was not read.
      stage.answer(bytes: 6_000)
      stage.reading.answeredBytes = 0
      (stage.load, stage.progress) = (0, 0)
      stage.run(1)
    }
    stage.ask(bytes: 6_000, for: 12)
    #expect(stage.trips.isEmpty)
  }

  @Test func aTrialMayTakeAsLongAsItsPrompt() {
    var stage = Self.streaming(1, bytes: 170)
    stage.hang()
    stage.send(1, bytes: 170)
    while stage.trips.isEmpty { stage.run(0.1) }
    // The client gave up.
    (stage.reading.inFlight, stage.reading.outstandingBytes) = (0, 0)
    while stage.watchdog.phase != .trial { stage.run(0.1) }
    stage.send(1, bytes: 6_337)
    stage.run(12)
    #expect(stage.watchdog.phase == .trial)
    stage.contentRate = 5
    stage.run(1)
    #expect(stage.watchdog.phase == .fine && stage.trips.count == 1)
  }

  @Test func longPromptsCountForEndpointsWithoutAPageToo() {
    var stage = Stage()
    stage.hasPage = false
    for _ in 0..<20 {
      stage.send(1, bytes: 300)
      stage.run(0.6)
      stage.answer(bytes: 300)
      stage.run(0.2)
    }
    stage.send(2, bytes: 6_337)
    stage.run(25)
    #expect(stage.trips.isEmpty)
    stage.run(60)
    #expect(stage.trips.map(\.cause) == [.noContent])
  }
}
