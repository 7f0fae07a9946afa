import Testing

@testable import Controller

/// What an endpoint did in a tick.
private func delta(_ durations: [Double] = [], failed: Double = 0) -> CapacityDelta {
  var delta = CapacityDelta()
  delta.completions = Double(durations.count)
  delta.seconds = durations.reduce(0, +)
  delta.squares = durations.reduce(0) { $0 + $1 * $1 }
  delta.failed = failed
  return delta
}

@Suite struct ProbationTests {
  /// Lets `seconds` pass without a request.
  private func idle(_ probation: inout Probation, _ seconds: Double) {
    for _ in 0..<Int((seconds * 10).rounded()) {
      _ = probation.take(delta(), inFlight: 0, outstandingSeconds: 0, usual: 0.1, passed: 0.1)
    }
  }

  private func take(_ probation: inout Probation, _ delta: CapacityDelta) -> Bool {
    probation.take(delta, inFlight: 0, outstandingSeconds: 0, usual: 0.1, passed: 0.1)
  }

  @Test func oneThatIsWellGetsNoTrial() {
    var probation = Probation()
    idle(&probation, 100)
    #expect(!probation.wantsTrial(sickIdle: 1, rate: 1_000))
  }

  @Test func threeGoodAnswersAreOwedAndEachEarnsTheNext() {
    var probation = Probation()
    probation.fall()
    idle(&probation, 0.9)
    #expect(!probation.wantsTrial(sickIdle: 1, rate: 1_000))
    idle(&probation, 0.2)
    #expect(probation.wantsTrial(sickIdle: 1, rate: 1_000))
    for round in 1...3 {
      probation.begin()
      #expect(!probation.wantsTrial(sickIdle: 1, rate: 1_000))
      #expect(take(&probation, delta([0.1])) == (round == 3))
      idle(&probation, 0.1)
      #expect(probation.wantsTrial(sickIdle: 1, rate: 1_000) == (round < 3))
    }
    #expect(!probation.isSick)
  }

  @Test(arguments: [(rate: 50.0, sick: 1, pause: 1.0), (10, 1, 5), (50, 4, 4)])
  func trialsAreAFiftiethOfTheRequests(rate: Double, sick: Int, pause: Double) {
    var probation = Probation()
    probation.fall()
    idle(&probation, pause - 0.2)
    #expect(!probation.wantsTrial(sickIdle: sick, rate: rate))
    idle(&probation, 0.3)
    #expect(probation.wantsTrial(sickIdle: sick, rate: rate))
  }

  @Test func aTrialInVainDoublesThePauseAndAGoodOneEndsThat() {
    var probation = Probation()
    probation.fall()
    for expected in [2.0, 4, 8, 16, 16] {
      probation.begin()
      _ = take(&probation, delta([2]))
      #expect(probation.back == expected)
      #expect(probation.owed == 3)
    }
    probation.begin()
    _ = take(&probation, delta(failed: 1))
    #expect(probation.back == 16)
    probation.begin()
    _ = take(&probation, delta([0.1]))
    #expect(probation.back == 1)
  }

  @Test func goodCanariesComeBeforeATrialAndMakeItCheap() {
    var probation = Probation()
    probation.fall()
    idle(&probation, 1.1)
    // At 5/s trials alone would be 10 s apart.
    #expect(!probation.wantsTrial(sickIdle: 1, rate: 5))
    #expect(!probation.wantsTrial(sickIdle: 1, rate: 5, isCleared: false))
    #expect(probation.wantsTrial(sickIdle: 1, rate: 5, isCleared: true))
    // Client's trials alone lengthen the pause, bad canaries do not.
    for _ in 0..<5 { probation.canaryFailed() }
    #expect(probation.back == 1 && probation.owed == 3)
    probation.begin()
    _ = take(&probation, delta([2]))
    #expect(probation.back == 2)
    idle(&probation, 1.5)
    #expect(!probation.wantsTrial(sickIdle: 1, rate: 5, isCleared: true))
    idle(&probation, 1)
    probation.begin()
    _ = take(&probation, delta([0.1]))
    idle(&probation, 0.1)
    #expect(probation.owed == 2 && probation.wantsTrial(sickIdle: 1, rate: 5, isCleared: true))
    // Good answers of clients are owed anew after a bad canary.
    probation.canaryFailed()
    #expect(probation.owed == 3)
    #expect(!probation.wantsTrial(sickIdle: 1, rate: 5, isCleared: false))
    // It makes nobody sick.
    var well = Probation()
    well.canaryFailed()
    #expect(!well.isSick)
  }

  @Test func answersOfRequestsFromBeforeAreNoTrials() {
    var probation = Probation()
    for _ in 0..<20 { _ = take(&probation, delta([9])) }
    #expect(probation.isSick)
    #expect(probation.back == 1)
  }

  @Test func whatWaitsFarTooLongMakesSick() {
    var probation = Probation()
    _ = probation.take(delta(), inFlight: 2, outstandingSeconds: 2.3, usual: 0.1, passed: 0.1)
    #expect(!probation.isSick)
    _ = probation.take(delta(), inFlight: 2, outstandingSeconds: 2.5, usual: 0.1, passed: 0.1)
    #expect(probation.isSick)
  }

  @Test func aTrialThatHangsIsInVainBeforeItEnds() {
    var probation = Probation()
    probation.fall()
    idle(&probation, 2)
    probation.begin()
    var hung = 0.0
    while probation.isTried, hung < 60 {
      hung += 0.1
      _ = probation.take(delta(), inFlight: 1, outstandingSeconds: hung, usual: 0.1, passed: 0.1)
    }
    // Eight times what is usual for each of two requests.
    #expect(hung < 2)
    #expect(probation.back == 2)
  }
}
