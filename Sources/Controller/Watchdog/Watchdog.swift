// Whether an endpoint that has work makes progress. Three clocks run while there is work: of the
// endpoint's own work counter, of the content of its answers to us, and of any sign of life. Pauses
// that it is known to make lengthen their limits, and so does the content of the requests sent to
// it, so that a long prefill or a slow batch is no stall.
// Invariant: an endpoint without work never stalls; a stalled one is readmitted by a sign of work,
// or is tried again, one request at a time, after a pause that grows.
// A pure value; docs/health.md describes the rules and the origin of their numbers.
package import Fleet
import Primitives

/// What is observed of one endpoint at one tick. Counters only grow.
package struct WatchdogReading: Sendable, Equatable {
  /// The contents of the endpoint's last page, while it is fresh.
  package struct Page: Sendable, Equatable {
    /// Identifies the page; a new page has another serial.
    package var serial: Int64 = 0
    /// The requests that the endpoint runs or holds; nil: the page does not say.
    package var load: Double?
    /// Steps of work per second, or requests that ended; nil: the page does not say.
    package var progress: Double?
    /// `progress` is the rate of an earlier page: the counter did not move since then.
    package var isProgressHeld = false
    /// Requests wait in the endpoint's queue, or the page does not say.
    package var isQueueing = false
    /// `progress` changes only when a request ends.
    package var isCoarse = false
    package init() {}
  }
  /// Our own requests in flight.
  package var inFlight = 0.0
  package var started = 0.0
  /// Pieces of content, and answers that ended.
  package var pieces = 0.0
  /// Content of our requests, bytes: of all; of those in flight whose answer has no content yet; of
  /// those whose answer had some.
  package var startedBytes = 0.0
  package var outstandingBytes = 0.0
  package var answeredBytes = 0.0
  package var page: Page?
  /// Answers to scrapes and health checks, with any status.
  package var answers: UInt64 = 0
  /// The number of scrapes in a row that timed out.
  package var scrapeTimeouts = 0
  /// How many seconds a health check has not been answered; 0: the last one was. nil: there are no
  /// checks.
  package var healthSilence: Double?
  /// The time between two scrapes, seconds.
  package var interval = 1.0
  package init() {}
}

package struct Watchdog: Sendable, Equatable {
  package enum Phase: Sendable, Equatable {
    case fine
    case stalled(StallCause)
    /// It takes single requests until it is seen to make progress.
    case trial
  }

  package enum Event: Sendable, Equatable {
    /// The pause is over, and a trial begins.
    case retried
    /// It makes progress again.
    case recovered
  }

  static let pauseMax = 60.0
  /// After this many seconds without a stall, pauses begin with the first one again.
  static let fineMin = 60.0
  static let freshMax = 3.0
  /// The shortest silence of a health check that counts as evidence, seconds.
  static let healthSilenceMin = 1.0

  package private(set) var phase = Phase.fine
  /// How many seconds it has had work without progress; 0 while it makes progress or is idle.
  package private(set) var stillness = 0.0
  private var tripCounts = [UInt64](repeating: 0, count: StallCause.allCases.count)
  /// The three clocks.
  private var work = StillClock()
  private var content = StillClock()
  private var life = StillClock()
  private var ahead = ContentAhead()
  /// The requests sent before the content clock began.
  private var startedBefore = 0.0
  /// Seconds since we saw it make progress; used for the other endpoints of its pool.
  package private(set) var quiet = Double.infinity
  private var hasOwnWork = false
  /// The time in the present phase, seconds.
  private var phaseAge = 0.0
  private var trialAge = 0.0
  private var pauses = 0
  /// Whether it answered a poll since the stall began.
  private var isAlive = false
  /// Whether it made progress since the previous tick.
  private var isMoving = false
  private var last: WatchdogReading?

  package init() {}

  package func trips(_ cause: StallCause) -> UInt64 { tripCounts[Int(cause.rawValue)] }

  /// Whether it has just recovered: answers that end now were delayed by the stall.
  package var isFreshlyBack: Bool { phase == .fine && pauses > 0 && phaseAge < Self.freshMax }

  /// Whether a poll now would help: the endpoint has work, and a scrape was not answered.
  package private(set) var isSuspicious = false

  // MARK: Ticks

  /// Takes a reading `passed` seconds after the last one. Returns why the endpoint should be taken
  /// out now; the caller then calls `trip` if the pool can do without the endpoint. `othersMove`:
  /// other endpoints of the pool answer.
  package mutating func observe(
    _ now: WatchdogReading, passed: Double, othersMove: Bool, _ policy: WatchdogPolicy
  ) -> StallCause? {
    defer { last = now }
    guard policy.isOn, let last else { return nil }
    let hasContent = now.pieces > last.pieces
    let isNewPage = now.page != nil && now.page?.serial != last.page?.serial
    let moves = isNewPage && now.page?.progress.map { $0 > 0 } == true
    let isAnswered = now.answers > last.answers
    isMoving = hasContent || moves
    quiet = hasContent ? 0 : quiet + passed
    phaseAge += passed
    if isAnswered { isAlive = true }
    ahead.take(
      now, after: last, passed: passed, isNewPage: isNewPage,
      moves: moves && now.page?.isProgressHeld == false, learns: phase == .fine)
    work.fade(passed)
    content.fade(passed)
    life.fade(passed)
    // After a stall, long pauses are not learned: the endpoint may be slow, or hang again.
    let learnedMax = phase == .fine ? StillClock.learnedMax : policy.timeout.seconds
    advanceWork(now, passed, moves: moves, learnedMax)
    advanceContent(now, passed, hasContent: hasContent, moves: moves, learnedMax)
    advanceLife(now, passed, isSign: isAnswered || hasContent)
    let hasWork = now.inFlight > 0 || (now.page?.load ?? 0) > 0
    stillness = isMoving || !hasWork ? 0 : stillness + passed
    switch phase {
    case .fine:
      if phaseAge >= Self.fineMin { pauses = 0 }
      return cause(now, othersMove: othersMove, policy)
    case .stalled: return nil
    case .trial:
      // The age of all trials together, since clients may give up earlier than the watchdog.
      if now.inFlight > 0 { trialAge += passed }
      // A trial is one request; the endpoint may still be reading requests that clients gave up.
      let limit = max(
        policy.timeout.seconds, 3 * work.learned, 4 * content.learned,
        3 * ahead.seconds(now.outstandingBytes, pause: work.learned, interval: now.interval))
      guard !isMoving, trialAge >= limit else { return nil }
      return now.page == nil ? .noContent : .noProgress
    }
  }

  /// Takes the endpoint out.
  package mutating func trip(_ cause: StallCause) {
    tripCounts[Int(cause.rawValue)] += 1
    enter(.stalled(cause))
    pauses += 1
    isAlive = false
  }

  /// Moves a stalled endpoint, or one on trial, to its next phase. Call after `observe` in the same
  /// tick.
  package mutating func advance(
    _ now: WatchdogReading, passed: Double, _ policy: WatchdogPolicy
  ) -> Event? {
    guard policy.isOn else {
      guard phase != .fine else { return nil }
      enter(.fine)
      return .recovered
    }
    switch phase {
    case .fine: return nil
    case .stalled(let cause):
      if isMoving {
        enter(.fine)
        return .recovered
      }
      let pause = min(policy.pause.seconds * Double(1 << min(pauses - 1, 16)), Self.pauseMax)
      guard now.inFlight == 0, phaseAge >= pause, isAlive || cause != .noAnswer else { return nil }
      enter(.trial)
      return .retried
    case .trial:
      if isMoving {
        enter(.fine)
        return .recovered
      }
      return nil
    }
  }

  private mutating func enter(_ next: Phase) {
    phase = next
    phaseAge = 0
    trialAge = 0
    work.begin()
    content.begin()
    life.begin()
  }

  // MARK: Clocks

  /// Runs the clock of the page's work counter. A late page stops the clock but does not reset it.
  private mutating func advanceWork(
    _ now: WatchdogReading, _ passed: Double, moves: Bool, _ learnedMax: Double
  ) {
    guard let page = now.page else {
      if work.still == 0 { work.begin(ahead.unread) }
      return
    }
    let hasWork = (page.load ?? now.inFlight) > 0
    if isMoving, page.progress != nil {
      work.move(learnedMax, ahead.unread)
      hasOwnWork = now.inFlight > 0
    } else if page.progress == nil || !hasWork {
      // The counter was reset, or there is no work.
      work.begin(ahead.unread)
      hasOwnWork = false
    } else {
      work.wait(passed, ahead.arrivals, within: now.interval)
      if now.inFlight > 0 { hasOwnWork = true }
    }
  }

  /// Runs the clock of the content of answers to us. It stops while we have no request there:
  /// earlier requests were given up, not answered.
  private mutating func advanceContent(
    _ now: WatchdogReading, _ passed: Double, hasContent: Bool, moves: Bool, _ learnedMax: Double
  ) {
    if hasContent {
      content.move(learnedMax, now.outstandingBytes)
    } else if moves {
      content.begin(now.outstandingBytes)
    } else {
      if now.inFlight > 0 {
        content.wait(passed, ahead.arrivals, within: now.interval)
      } else {
        content.rest()
      }
      return
    }
    startedBefore = now.started
  }

  /// Runs the clock of any sign of life. A server may answer nothing while it computes: that pause
  /// is learned in full.
  private mutating func advanceLife(_ now: WatchdogReading, _ passed: Double, isSign: Bool) {
    let hasWork = now.inFlight > 0 || (now.page?.load ?? 0) > 0
    if isSign {
      if hasWork { life.move(StillClock.learnedMax) } else { life.begin() }
    } else {
      life.wait(passed)
    }
    isSuspicious = !isSign && hasWork && now.scrapeTimeouts >= 1
  }

  /// The longest pause that is normal for the endpoint, or that the content sent to it before the
  /// pause justifies.
  private func allowance(_ clock: StillClock, _ now: WatchdogReading) -> Double {
    max(
      clock.learned,
      ahead.seconds(clock.content, pause: clock.learned, interval: now.interval))
  }

  private func cause(
    _ now: WatchdogReading, othersMove: Bool, _ policy: WatchdogPolicy
  ) -> StallCause? {
    let timeout = policy.timeout.seconds
    if let page = now.page, page.progress != nil, work.moves >= 3 || !page.isCoarse {
      var limit = max(timeout, 5 * now.interval, 3 * allowance(work, now))
      // The limit is doubled if progress was hardly ever seen, and if no request of ours confirms
      // the page.
      if work.moves < 3 { limit *= 2 }
      if !hasOwnWork { limit *= 2 }
      if work.still >= limit { return .noProgress }
    }
    // At least one of two requests sent one after the other should have been answered.
    if othersMove, content.moves >= 10, now.started - startedBefore >= 2,
      content.still >= max(2 * timeout, 4 * content.learned, 3 * allowance(content, now))
    {
      return .noContent
    }
    guard isSuspicious, now.scrapeTimeouts >= 2 else { return nil }
    var limit = 2 * life.learned
    if let silence = now.healthSilence {
      guard silence >= Self.healthSilenceMin else { return nil }
    } else {
      // Only scrapes are silent: a busy server may delay those and be well.
      limit = max(limit, timeout)
    }
    return life.still >= limit ? .noAnswer : nil
  }
}

/// How long nothing has happened, and the longest such pause that is known to be harmless.
struct StillClock: Sendable, Equatable {
  /// The decay time of the learned pause, seconds.
  static let tau = 600.0
  /// The longest pause that is learned, seconds.
  static let learnedMax = 30.0

  private(set) var still = 0.0
  /// The longest pause after which the endpoint went on.
  private(set) var learned = 0.0
  /// How often progress was seen.
  private(set) var moves = 0
  /// The content that was to be read when the pause began, bytes; later content cannot be its
  /// cause.
  private(set) var content = 0.0
  /// How long arrivals have been added to `content`, seconds.
  private var contentAge = 0.0

  mutating func fade(_ passed: Double) { learned -= learned * min(1, passed / Self.tau) }

  /// Lengthens the pause. `arrivals` are added to the content for the first `within` seconds, the
  /// time between two readings, since the pause may have begun later.
  mutating func wait(_ passed: Double, _ arrivals: Double = 0, within: Double = 0) {
    if contentAge < within { content += arrivals }
    contentAge += passed
    still += passed
  }

  /// The endpoint has no work; the clock stops.
  mutating func rest() { (content, contentAge) = (0, 0) }

  mutating func begin(_ content: Double = 0) {
    still = 0
    (self.content, contentAge) = (content, 0)
  }

  mutating func move(_ learnedMax: Double, _ content: Double = 0) {
    learned = max(learned, min(still, learnedMax))
    moves = min(moves + 1, 1_000)
    begin(content)
  }
}
