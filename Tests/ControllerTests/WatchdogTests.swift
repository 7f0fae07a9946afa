// The watchdog as a pure machine: an endpoint played second by second, with ticks of 100 ms and a
// page every second, and when it is taken out and comes back.
import Fleet
import Primitives
import Testing

@testable import Controller

/// An endpoint that a test plays.
struct Stage {
  var watchdog = Watchdog()
  var policy = WatchdogPolicy()
  var reading = WatchdogReading()
  /// What its next pages say; nil: no page comes.
  var load: Double? = 0
  var progress: Double? = 0
  var isCoarse = false
  var isProgressHeld = false
  var hasPage = true
  /// Scrapes and checks are answered.
  var answers = true
  var hasHealth = true
  /// Pieces of content a second.
  var contentRate = 0.0
  var othersMove = true
  /// The pool can do without it.
  var mayTrip = true
  private(set) var seconds = 0.0
  private var tick = 0
  private var pieces = 0.0
  private var silentSince: Double?
  private(set) var trips: [(at: Double, cause: StallCause)] = []
  private(set) var events: [(at: Double, event: Watchdog.Event)] = []

  /// At work: it runs `load`, the counter moves, content comes.
  mutating func work(_ load: Double = 3, coarse: Bool = false) {
    (self.load, progress, contentRate, reading.inFlight) = (load, 10, 5, load)
    isCoarse = coarse
  }

  /// What it had to do stays, and nothing comes of it.
  mutating func hang() { (progress, contentRate) = (0, 0) }

  /// The whole process is stopped.
  mutating func freeze() {
    hang()
    answers = false
  }

  mutating func idle() { (load, progress, contentRate, reading.inFlight) = (0, 0, 0, 0) }

  mutating func run(_ seconds: Double) {
    for _ in 0..<Int((seconds * 10).rounded()) {
      tick += 1
      self.seconds = Double(tick) / 10
      if tick % 10 == 0 { probe() }
      if let since = silentSince {
        reading.scrapeTimeouts = Int(
          max(0, self.seconds - since - 0.8) + (self.seconds - since >= 0.8 ? 1 : 0))
        if hasHealth { reading.healthSilence = self.seconds - since }
        if self.seconds - since > 3 { reading.page = nil }
      }
      pieces += contentRate / 10
      reading.pieces = pieces.rounded(.down)
      step()
    }
  }

  private mutating func probe() {
    guard answers else {
      silentSince = silentSince ?? seconds
      return
    }
    silentSince = nil
    reading.answers += 2
    reading.scrapeTimeouts = 0
    reading.healthSilence = hasHealth ? 0 : nil
    guard hasPage else {
      reading.page = nil
      return
    }
    var page = WatchdogReading.Page()
    page.serial = Int64(tick)
    (page.load, page.progress, page.isCoarse) = (load, progress, isCoarse)
    page.isQueueing = isQueueing
    page.isProgressHeld = isProgressHeld
    reading.page = page
  }

  private mutating func step() {
    let cause = watchdog.observe(reading, passed: 0.1, othersMove: othersMove, policy)
    if let event = watchdog.advance(reading, passed: 0.1, policy) {
      events.append((seconds, event))
    }
    guard let cause, mayTrip else { return }
    watchdog.trip(cause)
    trips.append((seconds, cause))
  }

  /// Requests wait for their turn.
  var isQueueing = false

  /// Sends that many requests, with so much content each.
  mutating func send(_ count: Double, bytes: Double = 0) {
    reading.started += count
    reading.inFlight += count
    reading.startedBytes += count * bytes
    reading.outstandingBytes += count * bytes
  }

  /// Answers one of them.
  mutating func answer(bytes: Double = 0) {
    reading.inFlight -= 1
    reading.outstandingBytes -= bytes
    reading.answeredBytes += bytes
    pieces += 1
  }

  /// One request on an otherwise idle endpoint whose counter stands until the prompt is read.
  mutating func ask(bytes: Double, for seconds: Double) {
    send(1, bytes: bytes)
    (load, progress) = (1, 0)
    run(seconds)
    progress = 10
    run(1)
    answer(bytes: bytes)
    (load, progress) = (0, 0)
    run(2)
  }
}

@Suite struct WatchdogTests {
  private static func worked(_ seconds: Double = 30) -> Stage {
    var stage = Stage()
    stage.work()
    stage.run(seconds)
    return stage
  }

  @Test func workThatStandsStillLeavesWithinSeconds() throws {
    var stage = Self.worked()
    stage.hang()
    stage.run(10)
    let trip = try #require(stage.trips.first)
    #expect(trip.cause == .noProgress)
    #expect((5.0...6.2).contains(trip.at - 30), "after \(trip.at - 30) s")
    #expect(stage.watchdog.phase == .stalled(.noProgress))
    #expect(stage.watchdog.trips(.noProgress) == 1)
    #expect(near(stage.watchdog.stillness, 10, 1.3))
  }

  @Test func anEndpointThatWasNeverSeenAtWorkGetsTwiceTheTime() {
    var stage = Stage()
    (stage.load, stage.reading.inFlight) = (2, 2)
    stage.run(30)
    #expect(stage.trips.map(\.cause) == [.noProgress])
    #expect((10.0...12.5).contains(stage.trips[0].at))
  }

  @Test func aLoadThatNobodyOfOursCausesCountsTwiceAsLate() {
    var stage = Stage()
    stage.work()
    (stage.reading.inFlight, stage.contentRate) = (0, 0)
    stage.run(30)
    stage.hang()
    stage.run(9)
    #expect(stage.trips.isEmpty)
    stage.run(3)
    #expect(stage.trips.map(\.cause) == [.noProgress])
  }

  @Test func anIdleEndpointNeverStalls() {
    var stage = Self.worked()
    stage.idle()
    stage.run(600)
    #expect(stage.trips.isEmpty && stage.watchdog.stillness == 0)
    // A page without any load, and one without any counter.
    (stage.load, stage.progress) = (nil, nil)
    stage.run(600)
    #expect(stage.trips.isEmpty)
  }

  @Test func bytesThatFlowAreLifeWhateverThePageSays() {
    var stage = Self.worked()
    stage.progress = 0
    stage.run(120)
    #expect(stage.trips.isEmpty)
    // And so is a counter that moves, where no content comes: a long prefill.
    (stage.progress, stage.contentRate) = (1, 0)
    stage.send(5)
    stage.run(120)
    #expect(stage.trips.isEmpty)
  }

  @Test func whatItIsKnownToTakeItsTimeForIsNoStall() {
    var stage = Self.worked()
    // Prefills of 4 s, in which nothing at all moves.
    for _ in 0..<10 {
      stage.hang()
      stage.run(4)
      stage.work()
      stage.run(2)
    }
    #expect(stage.trips.isEmpty)
    let start = stage.seconds
    stage.hang()
    stage.run(11)
    #expect(stage.trips.isEmpty)
    stage.run(6)
    #expect(stage.trips.count == 1, "after \(stage.seconds - start) s")
  }

  @Test func aSlowBatchServerIsLearnedFromItsRequests() {
    // One request of 20 s after the other, counted where it ends; a page without a load.
    var stage = Stage()
    stage.isCoarse = true
    stage.load = nil
    for _ in 0..<20 {
      stage.reading.inFlight = 1
      stage.reading.started += 1
      stage.hang()
      stage.run(20)
      stage.progress = 1
      stage.contentRate = 5
      stage.run(1)
    }
    #expect(stage.trips.isEmpty)
    stage.hang()
    stage.run(100)
    #expect(stage.trips.map(\.cause) == [.noProgress])
  }

  @Test func answersThatStopWhileOthersAnswerLeaveWithoutAnyPage() {
    var stage = Stage()
    stage.hasPage = false
    for _ in 0..<20 {
      stage.send(1)
      stage.contentRate = 20
      stage.run(0.5)
      stage.reading.inFlight -= 1
    }
    stage.contentRate = 0
    stage.send(1)
    stage.run(30)
    // One request may be a long one.
    #expect(stage.trips.isEmpty)
    stage.send(1)
    stage.run(1)
    #expect(stage.trips.map(\.cause) == [.noContent])
  }

  @Test func whereNobodyAnswersNobodyIsToBlame() {
    var stage = Self.worked()
    stage.hasPage = false
    stage.othersMove = false
    stage.hang()
    stage.send(5)
    stage.run(60)
    #expect(stage.trips.isEmpty)
  }

  @Test func aFrozenProcessLeavesAfterTwoScrapesAndACheck() throws {
    var stage = Self.worked()
    stage.freeze()
    stage.run(5)
    let trip = try #require(stage.trips.first)
    #expect(trip.cause == .noAnswer)
    #expect(trip.at - 30 <= 3.0, "after \(trip.at - 30) s")
  }

  @Test func aServerWhosePageAloneHangsIsGivenTheTimeout() throws {
    var stage = Self.worked()
    stage.hasHealth = false
    stage.reading.healthSilence = nil
    stage.freeze()
    stage.run(10)
    let trip = try #require(stage.trips.first)
    #expect(trip.cause == .noAnswer)
    #expect((4.0...6.5).contains(trip.at - 30))
    // The health page answers while the metrics page hangs: it lives.
    var other = Self.worked()
    other.freeze()
    for _ in 0..<60 {
      other.reading.answers += 1
      other.reading.healthSilence = 0
      other.run(0.4)
    }
    #expect(other.trips.isEmpty)
  }

  @Test func whatAnswersNobodyWhileItComputesIsLearned() {
    var stage = Self.worked()
    for _ in 0..<4 {
      stage.freeze()
      stage.run(9)
      stage.work()
      stage.answers = true
      stage.run(20)
    }
    // Only the first one surprised.
    #expect(stage.trips.count == 1)
  }

  @Test func aFrozenProcessWithNothingInFlightIsNoneOfOurs() {
    var stage = Self.worked()
    stage.idle()
    stage.run(5)
    stage.freeze()
    stage.run(60)
    #expect(stage.trips.isEmpty)
    // The next request finds it out.
    stage.send(1)
    stage.run(1)
    #expect(stage.trips.map(\.cause) == [.noAnswer])
  }

  @Test func itComesBackAtOnceWhenTheCounterMoves() {
    var stage = Self.worked()
    stage.hang()
    stage.run(10)
    stage.progress = 5
    stage.run(1.5)
    #expect(stage.events.map(\.event) == [.recovered])
    #expect(stage.watchdog.phase == .fine)
  }

  @Test func withNothingInFlightItIsTriedAfterPausesThatGrow() {
    var stage = Self.worked()
    stage.hang()
    stage.run(7)
    // Clients gave up; the engine still says that it has their requests.
    stage.reading.inFlight = 0
    var pauses: [Double] = []
    for _ in 0..<7 {
      let start = stage.seconds
      while stage.watchdog.phase != .trial { stage.run(0.1) }
      pauses.append(((stage.seconds - start) * 10).rounded() / 10)
      stage.send(1)
      while stage.watchdog.phase == .trial { stage.run(0.1) }
      stage.reading.inFlight = 0
    }
    #expect(zip(pauses.dropFirst(), [4.0, 8, 16, 32, 60, 60]).allSatisfy { near($0, $1, 0.3) })
    // At last it works.
    while stage.watchdog.phase != .trial { stage.run(0.1) }
    stage.send(1)
    stage.contentRate = 5
    stage.run(1)
    #expect(stage.watchdog.phase == .fine)
    #expect(stage.events.last?.event == .recovered)
  }

  @Test func impatientClientsDoNotKeepItOnTrialForEver() {
    var stage = Self.worked()
    stage.hang()
    stage.run(7)
    stage.reading.inFlight = 0
    while stage.watchdog.phase != .trial { stage.run(0.1) }
    for _ in 0..<12 where stage.watchdog.phase == .trial {
      stage.send(1)
      stage.run(1)
      stage.reading.inFlight = 0
      stage.run(0.2)
    }
    #expect(stage.trips.count == 2)
  }

  @Test func whatThePoolCannotDoWithoutStaysAndIsAskedForAgain() {
    var stage = Self.worked()
    stage.mayTrip = false
    stage.hang()
    stage.run(60)
    #expect(stage.watchdog.phase == .fine)
    #expect(stage.watchdog.trips(.noProgress) == 0)
    stage.mayTrip = true
    stage.run(0.1)
    #expect(stage.watchdog.phase == .stalled(.noProgress))
  }

  @Test func switchedOffItLooksAtNothingAndLetsGo() {
    var stage = Self.worked()
    stage.hang()
    stage.run(10)
    stage.policy.isOn = false
    stage.run(0.1)
    #expect(stage.watchdog.phase == .fine)
    stage.run(60)
    #expect(stage.trips.count == 1)
  }

  @Test func aCounterThatBeganAnewIsNoStall() {
    var stage = Self.worked()
    for _ in 0..<20 {
      stage.hang()
      stage.run(4)
      stage.progress = nil
      stage.run(1)
    }
    #expect(stage.trips.isEmpty)
  }

  @Test func randomReadingsNeverTripWhatHasNoWork() {
    for seed in 1...30 as ClosedRange<UInt64> {
      var random = RandomSource(seed: seed)
      var stage = Stage()
      for _ in 0..<300 {
        stage.load = random.index(below: 3) == 0 ? nil : 0
        stage.progress = random.index(below: 2) == 0 ? 0 : nil
        stage.answers = random.index(below: 2) == 0
        stage.hasHealth = random.index(below: 2) == 0
        stage.isCoarse = random.index(below: 2) == 0
        stage.reading.started += Double(random.index(below: 3))
        stage.run(random.unit() * 4)
      }
      #expect(stage.trips.isEmpty, "seed \(seed)")
    }
  }
}
