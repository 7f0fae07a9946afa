// What is known of one endpoint's capacity: sums of the balancer's own observations that fade, in a
// short memory, which says what it does now, and in a long one, which says what it usually does;
// and the load that other balancers have there. Pages say nothing of speed: their counters may be
// of one of several processes, or count a request more than once.
// A pure value; docs/control.md derives the formulas.
import Fleet
package import Primitives

/// The cells of an endpoint, summed over the workers, at one moment.
package struct EvidenceReading: Sendable, Equatable {
  package var inFlight = 0.0
  /// Of these, those whose clients do not read: the endpoint waits.
  package var held = 0.0
  package var started = 0.0
  package var completed = 0.0
  package var failed = 0.0
  /// Answered with 429, 503 or another error that is no failure.
  package var refused = 0.0
  /// Sum of the durations of completed ones, and of those that were given up for their time,
  /// seconds.
  package var seconds = 0.0
  package var lostSeconds = 0.0
  /// Sum over completions of how many times as long as alone each was to take.
  package var work = 0.0
  /// Sum over completions of the squares of their durations, square seconds.
  package var squares = 0.0
  package var readmissions = 0.0
  /// Pieces of content that came, and answers that ended well.
  package var pieces = 0.0
  /// Pieces of answers of unknown length alone.
  package var streamPieces = 0.0
  /// Content of requests, bytes: of all; of those in flight whose answer has none yet; of those
  /// whose answer had some.
  package var startedBytes = 0.0
  package var outstandingBytes = 0.0
  package var answeredBytes = 0.0
  /// Sum over the exchanges in flight of how long they have run already, seconds; held ones count
  /// nothing.
  package var outstandingSeconds = 0.0

  package init() {}

  init(_ board: EvidenceBoard, _ endpointIndex: Int, now: Nanoseconds) {
    // A tunnel is no request that is being answered. Cells are read one by one.
    let (all, tunnels) = (board.sum(.inFlight, endpointIndex), board.sum(.tunnels, endpointIndex))
    let count = all > tunnels ? all - tunnels : 0
    inFlight = Double(count)
    started = Double(board.sum(.started, endpointIndex))
    completed = Double(board.sum(.completed, endpointIndex))
    failed = Double(board.sum(.failed, endpointIndex))
    refused = Double(board.sum(.refused, endpointIndex))
    seconds = Double(board.sum(.completedNanoseconds, endpointIndex)) / 1e9
    lostSeconds = Double(board.sum(.timedOutNanoseconds, endpointIndex)) / 1e9
    work = Double(board.sum(.workMicros, endpointIndex)) / 1e6
    squares = Double(board.sum(.completedSquares, endpointIndex)) / 1e12
    readmissions = Double(board.sum(.readmissions, endpointIndex))
    pieces = Double(board.sum(.pieces, endpointIndex)) + completed + refused
    streamPieces = Double(board.sum(.streamPieces, endpointIndex))
    startedBytes = Double(board.sum(.startedBytes, endpointIndex))
    outstandingBytes = Double(board.sum(.outstandingBytes, endpointIndex))
    answeredBytes = Double(board.sum(.answeredBytes, endpointIndex))
    // Cells are read one by one: a request may have come or gone between.
    let held = min(board.sum(.held, endpointIndex), count)
    self.held = Double(held)
    let ages =
      (count - held) &* UInt64(bitPattern: now.rawValue)
      &- board.sum(.outstandingStarts, endpointIndex)
    outstandingSeconds = max(0, Double(Int64(bitPattern: ages)) / 1e9)
    if outstandingSeconds > 1e6 * max(1, inFlight) { outstandingSeconds = 0 }
  }
}

/// What a page said of an endpoint's work, by roles; nil where it does not say.
package struct WorkReading: Sendable, Equatable {
  package var running: Double?
  package var waiting: Double?
  /// Since the page before.
  package var completions: Double?
  package var failures: Double?
  /// Steps of work a second.
  package var progress: Double?
  /// Seconds since the page before; nil at the first.
  package var window: Double?
  package init() {}
}

/// Sums that fade together.
package struct CapacityMemory: Sendable, Equatable {
  /// Answers.
  package var completions = 0.0
  /// a: what the answers would have taken alone, in requests.
  package var amount = 0.0
  /// d: what they took, seconds.
  package var seconds = 0.0
  /// Of the answers' durations, square seconds; and their plain sum.
  package var squares = 0.0
  package var durations = 0.0
  package init() {}

  mutating func fade(_ keep: Double) {
    completions *= keep
    amount *= keep
    seconds *= keep
    squares *= keep
    durations *= keep
  }

  mutating func add(_ other: CapacityMemory, share: Double = 1) {
    completions += share * other.completions
    amount += share * other.amount
    seconds += share * other.seconds
    squares += share * other.squares
    durations += share * other.durations
  }

  /// Requests a second at one in flight; nil without evidence.
  package var rate: Double? { amount > 0 && seconds > 0 ? amount / seconds : nil }

  /// The mean duration of an answer, seconds; nil without any.
  package var meanResponse: Double? {
    completions > CapacityLaw.completionsMin ? durations / completions : nil
  }

  /// How long a request that is in flight is to take in all: half the mean weighed by duration,
  /// which for exponential durations is the plain mean, and where quick requests stand beside slow
  /// ones is that of the slow ones. Seconds; 0 without answers.
  package var usualResponse: Double {
    guard completions > CapacityLaw.completionsMin, durations > 0 else { return 0 }
    return max(durations / completions, squares / (2 * durations))
  }

  /// The squared coefficient of variation of durations; 1 for exponential ones. nil while unknown.
  var variability: Double? {
    guard completions >= 10, durations > 0 else { return nil }
    return max(0, squares * completions / (durations * durations) - 1)
  }
}

/// What makes evidence of a piece of a stream.
package struct StreamPace: Sendable, Equatable {
  /// Such evidence fades over so many seconds: pieces come all the time.
  static let tau = 8.0
  /// After so many seconds without a piece it begins anew.
  static let stillMax = 3.0
  /// The mean of the pool.
  package var piecesPerAnswer: Double
  /// How many times as long as alone requests take with what the endpoint has now.
  package var stretch: Double
}

/// What an endpoint did in one tick.
package struct CapacityDelta: Sendable, Equatable {
  package var started = 0.0
  package var failed = 0.0
  package var completions = 0.0
  /// Of the completed ones: sums of their durations and of the squares.
  package var seconds = 0.0
  package var squares = 0.0
  /// Of streams.
  package var pieces = 0.0
  package init() {}
  init(started: Double, failed: Double, completions: Double, seconds: Double, squares: Double) {
    self.started = started
    self.failed = failed
    self.completions = completions
    self.seconds = seconds
    self.squares = squares
  }

  /// The longest duration is no shorter than this, seconds.
  var longest: Double { seconds > 0 ? squares / seconds : 0 }
}

package struct CapacityEvidence: Sendable, Equatable {
  /// What the law reads.
  package struct Sums: Sendable, Equatable {
    /// Of the last seconds, and of the last minutes.
    package var short = CapacityMemory()
    package var long = CapacityMemory()
    /// Faded as `short` is: elapsed time, seconds.
    package var elapsed = 0.0
    /// Now: requests in flight, and the sum of how long each has run already, seconds.
    package var inFlight = 0.0
    package var outstandingSeconds = 0.0
    /// For how long it has had requests and given no content of an answer, seconds.
    package var silentSeconds = 0.0
    /// For how long it has had streams and given no piece of one, seconds.
    package var stillSeconds = 0.0
    package init() {}

    /// What a request usually takes there or, if longer, in the pool, seconds. Far more than in the
    /// pool is no habit but a bad time that it began with.
    package func usualResponse(pool: Double) -> Double {
      hasBadPast(pool: pool) ? pool : max(long.usualResponse, pool)
    }

    func hasBadPast(pool: Double) -> Bool {
      pool > 0 && long.usualResponse > Probation.lateRatio * pool
    }
  }
  /// The long memory fades over so many seconds; where nothing can be learnt, or what can be is not
  /// usual, more slowly.
  static let longTau = 300.0
  static let restingTau = 1_800.0
  /// A mean load of others is believed up to so many times what there is of it now, and two.
  static let meanRatioMax = 4.0

  package private(set) var sums = Sums()
  /// Whether it deserves its weight, by what it does with single requests.
  package var probation = Probation()
  /// The last page's load of others, its mean, and when the scrape was sent.
  package private(set) var others = 0.0
  package private(set) var othersMean = 0.0
  package private(set) var othersAt: Nanoseconds?
  /// The last tick's cells.
  package private(set) var last: EvidenceReading?
  /// What came since the tick before.
  private(set) var delta = CapacityDelta()
  /// When a scrape was sent, and what the cells said then.
  private(set) var atSending: EvidenceReading?
  /// The cells at the last page.
  private var atPage: EvidenceReading?

  package init() {}

  /// Takes the cells `passed` seconds after the last time; τ is the decay time of the short memory
  /// in seconds. `stream`: the pool's answers are streams.
  package mutating func take(
    _ now: EvidenceReading, passed: Double, tau: Double, stream: StreamPace? = nil
  ) {
    defer { last = now }
    sums.inFlight = now.inFlight
    sums.outstandingSeconds = now.outstandingSeconds
    guard let last else { return }
    // What was before the ejection says nothing of what came back.
    if now.readmissions > last.readmissions { forget() }
    var fresh = CapacityMemory()
    fresh.completions = max(0, now.completed - last.completed)
    fresh.amount = max(0, now.work - last.work)
    fresh.durations = max(0, now.seconds - last.seconds)
    fresh.seconds = fresh.durations + max(0, now.lostSeconds - last.lostSeconds)
    fresh.squares = max(0, now.squares - last.squares)
    let ended = fresh.completions + max(0, now.refused - last.refused)
    let failed = max(0, now.failed - last.failed)
    let isIdle = now.inFlight == 0 && ended + failed == 0
    let isSilent = !isIdle && fresh.completions == 0 && now.pieces <= last.pieces
    sums.silentSeconds = isSilent ? sums.silentSeconds + passed : 0
    delta = CapacityDelta(
      started: max(0, now.started - last.started), failed: failed,
      completions: fresh.completions, seconds: fresh.durations, squares: fresh.squares)
    delta.pieces = max(0, now.streamPieces - last.streamPieces)
    if let stream {
      takeStream(stream, &fresh, running: max(0, now.inFlight - now.held), passed: passed)
    }
    let keep = exponential(-passed / (stream == nil ? tau : StreamPace.tau))
    sums.short.fade(keep)
    sums.short.add(fresh)
    sums.elapsed = sums.elapsed * keep + passed
    let isUsual = !probation.isSick
    let longTau = isUsual && !isIdle ? max(Self.longTau, 5 * tau) : Self.restingTau
    sums.long.fade(exponential(-passed / longTau))
    sums.long.add(fresh, share: isUsual ? 1 : Self.longTau / Self.restingTau)
  }

  /// Answers that are still under way count for the pieces that have come of them: a stream of a
  /// minute need not end before it says how fast it is. `running`: those whose clients read.
  private mutating func takeStream(
    _ stream: StreamPace, _ fresh: inout CapacityMemory, running: Double, passed: Double
  ) {
    fresh.completions = delta.pieces / stream.piecesPerAnswer
    fresh.amount = fresh.completions * stream.stretch
    fresh.seconds = running * passed
    if delta.pieces > 0 {
      // It stood still and goes on: what was meanwhile is not what is now.
      if sums.stillSeconds > StreamPace.stillMax { forget() }
      sums.stillSeconds = 0
    } else {
      sums.stillSeconds = running > 0 ? sums.stillSeconds + passed : 0
    }
  }

  /// It is well again: its bad times are over. Where they are all that is known of it, nothing is.
  /// `usual`: the pool's usual response, seconds.
  package mutating func recover(usual: Double) {
    forget()
    if sums.hasBadPast(pool: usual) { sums.long = CapacityMemory() }
  }

  /// Forgets what the balancer itself saw lately.
  package mutating func forget() {
    sums.short = CapacityMemory()
    sums.elapsed = 0
  }

  /// A scrape is sent now.
  package mutating func scrapeSent(_ cells: EvidenceReading) { atSending = cells }

  /// The page of the scrape that was sent at `sentAt`. More than `othersMax` requests of others
  /// are not believed. Returns the load of the endpoint, as far as it is believed, and our own part
  /// of it; nil where the page has no load.
  package mutating func take(
    _ page: WorkReading, cells: EvidenceReading, sentAt: Nanoseconds,
    othersMax: Double = .infinity
  ) -> (total: Double, own: Double)? {
    defer { atPage = cells }
    guard page.running != nil || page.waiting != nil, let atSending else { return nil }
    let total = (page.running ?? 0) + (page.waiting ?? 0)
    // In flight when it was sent, and all that was sent since: no race with our own requests.
    let own = atSending.inFlight + max(0, cells.started - atSending.started)
    let age = othersAt.map { max(0, (sentAt - $0).seconds) } ?? 0
    let keep = othersAt == nil ? 0 : exponential(-age / 5)
    others = min(max(0, total - own), othersMax)
    // A mean that is far above what is there now is of a time that is over.
    let mean = othersMean * keep + others * (1 - keep)
    othersMean = min(mean, Self.meanRatioMax * (others + 2))
    othersAt = sentAt
    return (own + others, own)
  }

  /// What the other balancers' requests came to since the page before: (failed, ended well).
  package func othersOutcomes(
    _ page: WorkReading, cells: EvidenceReading
  ) -> (failed: Double, good: Double)? {
    guard let completions = page.completions, let failures = page.failures, let atPage else {
      return nil
    }
    // Whether the page counts refusals as failures, as completions or not at all is not known: what
    // may be ours is nobody else's.
    let ownRefused = cells.refused - atPage.refused
    let ownFailed = cells.failed - atPage.failed
    let ownGood = cells.completed - atPage.completed
    return (failures - ownFailed - ownRefused, completions - failures - ownGood - ownRefused)
  }

  /// The mean load of others as it may still be believed: it fades once scrapes fail.
  package func fadedOthersMean(now: Nanoseconds, interval: Double) -> Double {
    guard let othersAt else { return 0 }
    let late = max(0, (now - othersAt).seconds - 3 * interval)
    return othersMean * exponential(-late / (3 * interval))
  }
}
