// Whether an endpoint that has work does any of it. Three clocks run while there is work: of its
// own work counter, of the content of its answers to us, and of any sign of life. What it is known
// to take its time for lengthens them, and so does the content that it was sent, so that a long
// prefill or a slow batch is no stall.
// Invariant: an endpoint that has no work never stalls; one that is out comes back by a sign of
// work, or is tried again, one request at a time, after a pause that grows.
// A pure value; docs/health.md tells the rules and where their numbers come from.
package import Fleet
import Primitives

/// What is seen of one endpoint at one tick. Counts only grow.
package struct WatchdogReading: Sendable, Equatable {
  /// What its last page says, as long as the page is fresh.
  package struct Page: Sendable, Equatable {
    /// Of the page; a new one has another.
    package var serial: Int64 = 0
    /// Requests that it runs or holds; nil: it does not say.
    package var load: Double?
    /// Steps of work a second, or requests that ended; nil: it does not say.
    package var progress: Double?
    /// Requests wait for their turn, or it does not say.
    package var isQueueing = false
    /// `progress` moves only where a request ends.
    package var isCoarse = false
    package init() {}
  }
  /// Ours.
  package var inFlight = 0.0
  package var started = 0.0
  /// Pieces of content, and answers that ended.
  package var pieces = 0.0
  /// Content of our requests, bytes: of all; of those in flight whose answer has none yet; of those
  /// whose answer had some.
  package var startedBytes = 0.0
  package var outstandingBytes = 0.0
  package var answeredBytes = 0.0
  package var page: Page?
  /// Answers to scrapes and health checks, with whatever status.
  package var answers: UInt64 = 0
  /// Scrapes in a row that were not over in time.
  package var scrapeTimeouts = 0
  /// Seconds for which a health check has not been answered; 0: it was. nil: there are none.
  package var healthSilence: Double?
  /// Between two scrapes, seconds.
  package var interval = 1.0
  package init() {}
}

package struct Watchdog: Sendable, Equatable {
  /// Why an endpoint is taken for stalled.
  package enum Cause: UInt8, Sendable, CaseIterable {
    /// Its page says that it has work; the counter of work stands.
    case noProgress
    /// It has requests of ours, and no content comes, while others answer.
    case noContent
    /// It has work, and answers neither scrapes nor checks.
    case noAnswer

    /// The value of a metric label, finite by construction.
    package var label: String {
      switch self {
      case .noProgress: "no_progress"
      case .noContent: "no_content"
      case .noAnswer: "no_answer"
      }
    }
  }

  package enum Phase: Sendable, Equatable {
    case fine
    case stalled(Cause)
    /// Takes single requests, to be seen at work.
    case trial
  }

  package enum Event: Sendable, Equatable {
    /// Its pause is over.
    case retried
    /// It is at work again.
    case recovered
  }

  static let pauseMax = 60.0
  /// After so long without a stall the next one is the first again.
  static let fineMin = 60.0
  static let freshMax = 3.0
  /// A health check that has been silent for so long counts as evidence.
  static let healthSilenceMin = 1.0

  package private(set) var phase = Phase.fine
  /// Seconds for which it has had work and shown none; 0 while it gets on or is idle.
  package private(set) var stillness = 0.0
  private var tripCounts = [UInt64](repeating: 0, count: Cause.allCases.count)
  /// The clocks, seconds.
  private var work = StillClock()
  private var content = StillClock()
  private var life = StillClock()
  private var ahead = ContentAhead()
  /// Requests sent before the content clock began.
  private var startedBefore = 0.0
  /// Seconds since it was seen at work by us; for the other endpoints of its pool.
  package private(set) var quiet = Double.infinity
  private var hasOwnWork = false
  /// In the present phase, seconds.
  private var phaseAge = 0.0
  private var trialAge = 0.0
  private var pauses = 0
  /// Answered a probe since the stall began.
  private var isAlive = false
  /// It was seen at work since the tick before.
  private var isMoving = false
  private var last: WatchdogReading?

  package init() {}

  package func trips(_ cause: Cause) -> UInt64 { tripCounts[Int(cause.rawValue)] }

  /// It is back since a short while: answers that end now were held up by the stall.
  package var isFreshlyBack: Bool { phase == .fine && pauses > 0 && phaseAge < Self.freshMax }

  /// Whether a probe now would tell more: it has work and a scrape was not answered.
  package private(set) var isSuspicious = false

  // MARK: Ticks

  /// Takes what was seen `passed` seconds after the last time. Returns why it should be taken out
  /// now, to be followed by `trip` where the pool can do without it. `othersMove`: the others of
  /// its pool answer.
  package mutating func observe(
    _ now: WatchdogReading, passed: Double, othersMove: Bool, _ policy: WatchdogPolicy
  ) -> Cause? {
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
    ahead.take(now, after: last, passed: passed, isNewPage: isNewPage, learns: phase == .fine)
    work.fade(passed)
    content.fade(passed)
    life.fade(passed)
    // One that was out and came back may have been slow; or it hung, and will again.
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
      // Of all trials together: clients may be less patient.
      if now.inFlight > 0 { trialAge += passed }
      // A trial is one request; what clients gave up before may still be read.
      let limit = max(
        policy.timeout.seconds, 3 * work.learned, 4 * content.learned,
        3 * ahead.seconds(now.outstandingBytes, pause: work.learned, interval: now.interval))
      guard !isMoving, trialAge >= limit else { return nil }
      return now.page == nil ? .noContent : .noProgress
    }
  }

  /// It is taken out.
  package mutating func trip(_ cause: Cause) {
    tripCounts[Int(cause.rawValue)] += 1
    enter(.stalled(cause))
    pauses += 1
    isAlive = false
  }

  /// What changes for one that is out or on trial. After `observe`, in the same tick.
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

  /// Of the page's counter of work. A page that is late stops the clock, but does not set it back.
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
      // A counter that began anew, or nothing to do.
      work.begin(ahead.unread)
      hasOwnWork = false
    } else {
      work.wait(passed, ahead.arrivals, within: now.interval)
      if now.inFlight > 0 { hasOwnWork = true }
    }
  }

  /// Of the content of answers to us. It stops where we have nothing there: what was sent before
  /// was given up, not answered.
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

  /// Of anything at all. A server may answer nobody while it computes: that is learned in full.
  private mutating func advanceLife(_ now: WatchdogReading, _ passed: Double, isSign: Bool) {
    let hasWork = now.inFlight > 0 || (now.page?.load ?? 0) > 0
    if isSign {
      if hasWork { life.move(StillClock.learnedMax) } else { life.begin() }
    } else {
      life.wait(passed)
    }
    isSuspicious = !isSign && hasWork && now.scrapeTimeouts >= 1
  }

  /// How long it is known to stand still, or has to over what it was sent before it did.
  private func allowance(_ clock: StillClock, _ now: WatchdogReading) -> Double {
    max(
      clock.learned,
      ahead.seconds(clock.content, pause: clock.learned, interval: now.interval))
  }

  private func cause(
    _ now: WatchdogReading, othersMove: Bool, _ policy: WatchdogPolicy
  ) -> Cause? {
    let timeout = policy.timeout.seconds
    if let page = now.page, page.progress != nil, work.moves >= 3 || !page.isCoarse {
      var limit = max(timeout, 5 * now.interval, 3 * allowance(work, now))
      // Never seen at work, or a page that nobody of ours can confirm: twice as sure.
      if work.moves < 3 { limit *= 2 }
      if !hasOwnWork { limit *= 2 }
      if work.still >= limit { return .noProgress }
    }
    // Of two requests that were sent one after the other at least one should have been answered.
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
      // Scrapes alone: a busy server may let them wait and be well.
      limit = max(limit, timeout)
    }
    return life.still >= limit ? .noAnswer : nil
  }
}

/// How long nothing has happened, and how long that has been known to last without harm.
struct StillClock: Sendable, Equatable {
  /// What is learned fades over so many seconds.
  static let tau = 600.0
  /// More than this is not learned.
  static let learnedMax = 30.0

  private(set) var still = 0.0
  /// The longest that it was still and went on.
  private(set) var learned = 0.0
  /// How often it was seen to move.
  private(set) var moves = 0
  /// Content that it had to read when it began to be still, bytes: what comes later is not why.
  private(set) var content = 0.0
  /// For how long arrivals have been added to that, seconds.
  private var contentAge = 0.0

  mutating func fade(_ passed: Double) { learned -= learned * min(1, passed / Self.tau) }

  /// What `arrivals` has come counts while it is not sure yet that it is still: `within` so many
  /// seconds, between two looks at it.
  mutating func wait(_ passed: Double, _ arrivals: Double = 0, within: Double = 0) {
    if contentAge < within { content += arrivals }
    contentAge += passed
    still += passed
  }

  /// It has nothing to do; the clock stops.
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
