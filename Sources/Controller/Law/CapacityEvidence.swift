// Evidence of one endpoint's capacity: decaying sums of the balancer's own observations, in a short
// memory, which says what the endpoint does now, and a long one, which says what it usually does;
// and the load of other balancers there. Metrics pages are no evidence of speed: their counters may
// belong to one of several processes, or count a request more than once.
// A pure value; docs/control.md derives the formulas.
import Fleet
package import Primitives

/// The cells of an endpoint, summed over all workers, at one moment.
package struct EvidenceReading: Sendable, Equatable {
  package var inFlight = 0.0
  /// The part of `inFlight` whose clients do not read, so that the endpoint has to wait.
  package var held = 0.0
  package var started = 0.0
  package var completed = 0.0
  package var failed = 0.0
  /// Exchanges answered with 429, 503 or another error that does not count as a failure.
  package var refused = 0.0
  /// Sum of the durations of completed exchanges, and of those given up because they took too long,
  /// seconds.
  package var seconds = 0.0
  package var lostSeconds = 0.0
  /// Sum over completions of the expected slowdown of each (`ServiceShape.stretch`).
  package var work = 0.0
  /// Sum over completions of the squares of their durations, square seconds.
  package var squares = 0.0
  package var readmissions = 0.0
  /// Pieces of response content, and answers that ended well.
  package var pieces = 0.0
  /// Pieces of answers of unknown length only.
  package var streamPieces = 0.0
  /// Request content, bytes: of all requests; of those in flight whose answer has no content yet;
  /// of those whose answer had some.
  package var startedBytes = 0.0
  package var outstandingBytes = 0.0
  package var answeredBytes = 0.0
  /// Sum of the ages of the exchanges in flight, seconds; held ones do not count.
  package var outstandingSeconds = 0.0

  package init() {}

  init(_ board: EvidenceBoard, _ endpointIndex: Int, now: Nanoseconds) {
    // Tunnels are not requests that wait for an answer. Cells are read one by one.
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
    // Cells are read one by one: a request may have begun or ended in between.
    let held = min(board.sum(.held, endpointIndex), count)
    self.held = Double(held)
    let ages =
      (count - held) &* UInt64(bitPattern: now.rawValue)
      &- board.sum(.outstandingStarts, endpointIndex)
    outstandingSeconds = max(0, Double(Int64(bitPattern: ages)) / 1e9)
    if outstandingSeconds > 1e6 * max(1, inFlight) { outstandingSeconds = 0 }
  }
}

/// What a page says about an endpoint's work, by signal role; nil: the page does not say.
package struct WorkReading: Sendable, Equatable {
  package var running: Double?
  package var waiting: Double?
  /// Since the previous page.
  package var completions: Double?
  package var failures: Double?
  /// Steps of work per second.
  package var progress: Double?
  /// The counter of work did not move since the previous page; the last rate holds for a while.
  package var isProgressHeld = false
  /// Seconds since the previous page; nil for the first.
  package var window: Double?
  package init() {}
}

/// Sums that decay together.
package struct CapacityMemory: Codable, Sendable, Equatable {
  /// The number of answers.
  package var completions = 0.0
  /// a: the number of answers, each multiplied by its expected slowdown.
  package var amount = 0.0
  /// d: the time that the answers took, seconds.
  package var seconds = 0.0
  /// Sums of the squares of the answers' durations, square seconds, and of the durations.
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

  /// Requests per second with one in flight; nil without evidence.
  package var rate: Double? { amount > 0 && seconds > 0 ? amount / seconds : nil }

  /// The mean duration of an answer, seconds; nil without any.
  package var meanResponse: Double? {
    completions > CapacityLaw.completionsMin ? durations / completions : nil
  }

  /// The expected total time of a request in flight: half the mean weighted by duration. For
  /// exponential durations it equals the plain mean; for a mix of quick and slow requests it is
  /// that of the slow ones. Seconds; 0 without answers.
  package var usualResponse: Double {
    guard completions > CapacityLaw.completionsMin, durations > 0 else { return 0 }
    return max(durations / completions, squares / (2 * durations))
  }

  /// The squared coefficient of variation of the durations; 1 for exponential ones. nil while
  /// unknown.
  var variability: Double? {
    guard completions >= 10, durations > 0 else { return nil }
    return max(0, squares * completions / (durations * durations) - 1)
  }
}

/// Turns the pieces of a stream into evidence.
package struct StreamPace: Sendable, Equatable {
  /// The decay time of such evidence, seconds. It is short, since pieces arrive all the time.
  static let tau = 8.0
  /// After this many seconds without a piece, the evidence begins anew.
  static let stillMax = 3.0
  /// The mean of the pool.
  package var piecesPerAnswer: Double
  /// How many times longer requests take with the endpoint's present load than alone.
  package var stretch: Double
}

/// What an endpoint did in one tick.
package struct CapacityDelta: Sendable, Equatable {
  package var started = 0.0
  package var failed = 0.0
  package var completions = 0.0
  /// Sums over completed exchanges of their durations and of the squares.
  package var seconds = 0.0
  package var squares = 0.0
  /// Pieces of streams.
  package var pieces = 0.0
  package init() {}
  init(started: Double, failed: Double, completions: Double, seconds: Double, squares: Double) {
    self.started = started
    self.failed = failed
    self.completions = completions
    self.seconds = seconds
    self.squares = squares
  }

  /// A lower bound of the longest duration, seconds.
  var longest: Double { seconds > 0 ? squares / seconds : 0 }
}

package struct CapacityEvidence: Sendable, Equatable {
  /// The sums that the law reads.
  package struct Sums: Sendable, Equatable {
    /// The memory of the last seconds, and that of the last minutes.
    package var short = CapacityMemory()
    package var long = CapacityMemory()
    /// Elapsed time that decays like `short`, seconds.
    package var elapsed = 0.0
    /// The requests in flight now, and the sum of their ages, seconds.
    package var inFlight = 0.0
    package var outstandingSeconds = 0.0
    /// How long the endpoint has had requests without sending content of an answer, seconds.
    package var silentSeconds = 0.0
    /// How long the endpoint has had streams without sending a piece of one, seconds.
    package var stillSeconds = 0.0
    package init() {}

    /// The usual time of a request at the endpoint or in the pool, whichever is longer, seconds. A
    /// time far above the pool's does not count as usual: the endpoint was slow when it was first
    /// seen.
    package func usualResponse(pool: Double) -> Double {
      hasBadPast(pool: pool) ? pool : max(long.usualResponse, pool)
    }

    func hasBadPast(pool: Double) -> Bool {
      pool > 0 && long.usualResponse > Probation.lateRatio * pool
    }
  }
  /// The decay time of the long memory, seconds. It is longer while nothing can be learned, or
  /// while the endpoint is sick.
  static let longTau = 300.0
  static let restingTau = 1_800.0
  /// The mean load of other balancers is limited to this many times their present load plus two.
  static let meanRatioMax = 4.0

  package private(set) var sums = Sums()
  /// Whether the endpoint is sick, judged by single requests.
  package var probation = Probation()
  /// The load of other balancers on the last page, its mean, and when the scrape was sent.
  package private(set) var others = 0.0
  package private(set) var othersMean = 0.0
  package private(set) var othersAt: Nanoseconds?
  /// The cells at the last tick.
  package private(set) var last: EvidenceReading?
  /// What changed since the previous tick.
  private(set) var delta = CapacityDelta()
  /// The cells when the last scrape was sent.
  private(set) var atSending: EvidenceReading?
  /// The cells at the last page.
  private var atPage: EvidenceReading?

  package init() {}

  /// Takes the cells `passed` seconds after the last call. τ is the decay time of the short memory
  /// in seconds. `stream`: set if the pool's answers are streams.
  package mutating func take(
    _ now: EvidenceReading, passed: Double, tau: Double, stream: StreamPace? = nil
  ) {
    defer { last = now }
    sums.inFlight = now.inFlight
    sums.outstandingSeconds = now.outstandingSeconds
    guard let last else { return }
    // Evidence from before the ejection says nothing about the readmitted endpoint.
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

  /// Counts the pieces of unfinished answers, so that a stream of a minute is evidence of speed
  /// before it ends. `running`: the streams whose clients read.
  private mutating func takeStream(
    _ stream: StreamPace, _ fresh: inout CapacityMemory, running: Double, passed: Double
  ) {
    fresh.completions = delta.pieces / stream.piecesPerAnswer
    fresh.amount = fresh.completions * stream.stretch
    fresh.seconds = running * passed
    if delta.pieces > 0 {
      // The endpoint stood still and goes on: evidence of that time no longer holds.
      if sums.stillSeconds > StreamPace.stillMax { forget() }
      sums.stillSeconds = 0
    } else {
      sums.stillSeconds = running > 0 ? sums.stillSeconds + passed : 0
    }
  }

  /// The endpoint has recovered: evidence of its bad time is forgotten, and the long memory too if
  /// it holds nothing else. `usual`: the pool's usual response time, seconds.
  package mutating func recover(usual: Double) {
    forget()
    if sums.hasBadPast(pool: usual) { sums.long = CapacityMemory() }
  }

  /// Goes on with what another process has learnt.
  mutating func restore(short: CapacityMemory, long: CapacityMemory, elapsed: Double) {
    (sums.short, sums.long, sums.elapsed) = (short, long, elapsed)
  }

  /// Forgets the recent observations of the balancer.
  package mutating func forget() {
    sums.short = CapacityMemory()
    sums.elapsed = 0
  }

  /// Notes the cells at the moment a scrape is sent.
  package mutating func scrapeSent(_ cells: EvidenceReading) { atSending = cells }

  /// Takes the page of the scrape that was sent at `sentAt`. The load of other balancers is limited
  /// to `othersMax`. Returns the endpoint's load within that limit and our own part of it; nil: the
  /// page has no load.
  package mutating func take(
    _ page: WorkReading, cells: EvidenceReading, sentAt: Nanoseconds,
    othersMax: Double = .infinity
  ) -> (total: Double, own: Double)? {
    defer { atPage = cells }
    guard page.running != nil || page.waiting != nil, let atSending else { return nil }
    let total = (page.running ?? 0) + (page.waiting ?? 0)
    // Requests in flight at sending, and all sent since: no race with our own requests.
    let own = atSending.inFlight + max(0, cells.started - atSending.started)
    let age = othersAt.map { max(0, (sentAt - $0).seconds) } ?? 0
    let keep = othersAt == nil ? 0 : exponential(-age / 5)
    others = min(max(0, total - own), othersMax)
    // A mean far above the present load belongs to the past.
    let mean = othersMean * keep + others * (1 - keep)
    othersMean = min(mean, Self.meanRatioMax * (others + 2))
    othersAt = sentAt
    return (own + others, own)
  }

  /// The outcomes of the other balancers' requests since the previous page: (failed, ended well).
  package func othersOutcomes(
    _ page: WorkReading, cells: EvidenceReading
  ) -> (failed: Double, good: Double)? {
    guard let completions = page.completions, let failures = page.failures, let atPage else {
      return nil
    }
    // The page may count refusals as failures, as completions or not at all: outcomes that may be
    // our own are not attributed to other balancers.
    let ownRefused = cells.refused - atPage.refused
    let ownFailed = cells.failed - atPage.failed
    let ownGood = cells.completed - atPage.completed
    return (failures - ownFailed - ownRefused, completions - failures - ownGood - ownRefused)
  }

  /// The mean load of other balancers; it decays once scrapes fail.
  package func fadedOthersMean(now: Nanoseconds, interval: Double) -> Double {
    guard let othersAt else { return 0 }
    let late = max(0, (now - othersAt).seconds - 3 * interval)
    return othersMean * exponential(-late / (3 * interval))
  }
}
