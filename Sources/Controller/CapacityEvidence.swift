// What is known of one endpoint's capacity: decayed sums of the balancer's own observations and of
// scraped counters, and the load of other balancers. For a processor-sharing server throughput +
// 1 / mean latency is the capacity (M/G/1-PS), for a batching one it is close.
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
  /// Sum of durations, seconds, those that were given up for their time included.
  package var seconds = 0.0
  /// Sum over completions of the foreign load at their end.
  package var foreign = 0.0
  package var readmissions = 0.0
  /// Pieces of content that came, and answers that ended well.
  package var pieces = 0.0
  /// Content of requests, bytes: of all; of those in flight whose answer has none yet; of those
  /// whose answer had some.
  package var startedBytes = 0.0
  package var outstandingBytes = 0.0
  package var answeredBytes = 0.0
  /// Sum over the exchanges in flight of how long they have run already, seconds; held ones count
  /// nothing.
  package var outstandingSeconds = 0.0

  package init() {}

  init(_ board: EvidenceBoard, _ slot: Int, now: Nanoseconds) {
    // A tunnel is no request that is being answered. Cells are read one by one.
    let (all, tunnels) = (board.sum(.inFlight, slot), board.sum(.tunnels, slot))
    let count = all > tunnels ? all - tunnels : 0
    inFlight = Double(count)
    started = Double(board.sum(.started, slot))
    completed = Double(board.sum(.completed, slot))
    failed = Double(board.sum(.failed, slot))
    refused = Double(board.sum(.refused, slot))
    seconds =
      Double(board.sum(.completedNanoseconds, slot) &+ board.sum(.timedOutNanoseconds, slot)) / 1e9
    foreign = Double(board.sum(.foreignMicros, slot)) / 1e6
    readmissions = Double(board.sum(.readmissions, slot))
    pieces = Double(board.sum(.pieces, slot)) + completed + refused
    startedBytes = Double(board.sum(.startedBytes, slot))
    outstandingBytes = Double(board.sum(.outstandingBytes, slot))
    answeredBytes = Double(board.sum(.answeredBytes, slot))
    // Cells are read one by one: a request may have come or gone between.
    let held = min(board.sum(.held, slot), count)
    self.held = Double(held)
    let ages =
      (count - held) &* UInt64(bitPattern: now.rawValue) &- board.sum(.outstandingStarts, slot)
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
  /// Sum of durations since the page before, seconds.
  package var seconds: Double?
  /// Steps of work a second.
  package var progress: Double?
  /// Seconds since the page before; nil at the first.
  package var window: Double?
  package init() {}
}

package struct CapacityEvidence: Sendable, Equatable {
  /// What the law reads.
  package struct Sums: Sendable, Equatable {
    /// Decayed: completions C, sum of their latency D, elapsed T in seconds, foreign load AF.
    package var completions = 0.0
    package var seconds = 0.0
    package var elapsed = 0.0
    package var foreignSum = 0.0
    /// Decayed, from pages: A_s, C_s, D_s.
    package var scrapedAmount = 0.0
    package var scrapedCompletions = 0.0
    package var scrapedSeconds = 0.0
    /// Now: requests in flight, and the sum of how long each has run already, seconds.
    package var inFlight = 0.0
    package var outstandingSeconds = 0.0
    /// For how long it has had requests and given no content of an answer, seconds.
    package var silentSeconds = 0.0
    package init() {}
  }
  package private(set) var sums = Sums()
  /// Decayed share of the balancer's own attempts that failed or were refused.
  private(set) var failureRatio = 0.0
  /// The last page's load of others, its mean, and when the scrape was sent.
  package private(set) var foreign = 0.0
  package private(set) var foreignMean = 0.0
  package private(set) var foreignAt: Nanoseconds?
  /// The last tick's cells.
  package private(set) var last: EvidenceReading?
  /// When a scrape was sent, and what the cells said then.
  private(set) var atSending: EvidenceReading?
  /// The cells at the last page.
  private var atPage: EvidenceReading?

  package init() {}

  /// Takes the cells `passed` seconds after the last time; τ is the decay time in seconds,
  /// `idleTau` that of an endpoint that has nothing to do (unless given, the same).
  package mutating func take(
    _ now: EvidenceReading, passed: Double, tau: Double, idleTau: Double? = nil
  ) {
    defer { last = now }
    sums.inFlight = now.inFlight
    sums.outstandingSeconds = now.outstandingSeconds
    guard let last else { return }
    // What was before the ejection says nothing of what came back.
    if now.readmissions > last.readmissions { forget() }
    let good = max(0, now.completed - last.completed)
    let bad = max(0, now.failed - last.failed) + max(0, now.refused - last.refused)
    // What gets no request can show nothing: its bad times must not be held against it for long.
    let isIdle = now.inFlight == 0 && good == 0 && bad == 0
    let isSilent = !isIdle && good == 0 && now.pieces <= last.pieces
    sums.silentSeconds = isSilent ? sums.silentSeconds + passed : 0
    let decay = exponential(-passed / (isIdle ? idleTau ?? tau : tau))
    sums.completions = sums.completions * decay + good
    sums.seconds = sums.seconds * decay + max(0, now.seconds - last.seconds)
    sums.foreignSum = sums.foreignSum * decay + max(0, now.foreign - last.foreign)
    sums.elapsed = sums.elapsed * decay + passed
    sums.scrapedAmount *= decay
    sums.scrapedCompletions *= decay
    sums.scrapedSeconds *= decay
    if good + bad > 0 {
      let keep = exponential((good + bad) * -0.105)
      failureRatio = failureRatio * keep + bad / (good + bad) * (1 - keep)
    }
  }

  /// Forgets what the balancer itself saw.
  package mutating func forget() {
    (sums.completions, sums.seconds, sums.elapsed, sums.foreignSum) = (0, 0, 0, 0)
    failureRatio = 0
  }

  /// A scrape is sent now.
  package mutating func scrapeSent(_ cells: EvidenceReading) { atSending = cells }

  /// The page of the scrape that was sent at `sentAt`. Returns the load that others had on the
  /// endpoint, the page's total and our own part; nil where the page has no load.
  package mutating func take(
    _ page: WorkReading, cells: EvidenceReading, sentAt: Nanoseconds
  ) -> (total: Double, own: Double)? {
    defer { atPage = cells }
    takeCounters(page)
    guard page.running != nil || page.waiting != nil, let atSending else { return nil }
    let total = (page.running ?? 0) + (page.waiting ?? 0)
    // In flight when it was sent, and all that was sent since: no race with our own requests.
    let own = atSending.inFlight + max(0, cells.started - atSending.started)
    let age = foreignAt.map { max(0, (sentAt - $0).seconds) } ?? 0
    let keep = foreignAt == nil ? 0 : exponential(-age / 5)
    foreign = max(0, total - own)
    foreignMean = foreignMean * keep + foreign * (1 - keep)
    foreignAt = sentAt
    return (total, own)
  }

  private mutating func takeCounters(_ page: WorkReading) {
    guard let window = page.window, window > 0, var good = page.completions, let sum = page.seconds
    else { return }
    let failures = page.failures ?? 0
    good -= failures
    // A server that counts its failures as successes gives our own view of them away.
    if failures == 0 { good *= 1 - failureRatio }
    guard good > 0, sum > 0 else { return }
    sums.scrapedAmount += good * (1 + sum / window)
    sums.scrapedCompletions += good
    sums.scrapedSeconds += sum
  }

  /// What the other balancers' requests came to since the page before: (failed, ended well).
  package func foreignOutcomes(
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
  package func fadedForeignMean(now: Nanoseconds, interval: Double) -> Double {
    guard let foreignAt else { return 0 }
    let late = max(0, (now - foreignAt).seconds - 3 * interval)
    return foreignMean * exponential(-late / (3 * interval))
  }
}
