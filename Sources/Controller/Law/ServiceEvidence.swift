// How many requests a second one endpoint can serve, for the demand ratio of its pool: slots ÷ mean
// time in service, where slots are the requests that it serves at once. By Little's law this is
// right at any load and for any distribution of requests, unlike throughput + 1 ÷ latency. Unknown
// slots count as 1: the result is then what the endpoint completes in a second with work.
// A pure value; docs/forecast.md evaluates it.
import Primitives

/// What a capacity is based on.
package enum CapacityBasis: String, Sendable, CaseIterable {
  /// The slots of at least half the pool are known.
  case slots
  /// They are not: an endpoint with any request in flight counts as full.
  case busy
}

package struct ServiceEvidence: Sendable, Equatable {
  /// The decay time of evidence, seconds.
  static let tau = 120.0
  /// After this many seconds without a request, evidence stops decaying.
  static let idleMax = 30.0
  /// The number of requests that an estimate needs.
  static let endedMin = 10.0
  /// The number of pages in a row with waiting requests that learning slots needs.
  static let fullPagesMin = 3
  static let slotsGain = 0.2

  /// The number of requests that the endpoint served while others waited in it. nil: it was never
  /// seen full.
  package private(set) var learnedSlots: Double?
  /// Decayed: requests that ended without failure, and the seconds for which our requests were
  /// served.
  private var ended = 0.0
  private var servedSeconds = 0.0
  /// The number of slots that the sums were made with.
  private var slots = 1.0
  private var idle = 0.0
  private var last: EvidenceReading?
  private var fullPages = 0
  private var hasEnough = false

  package init() {}

  /// Takes the cells `passed` seconds after the last call; `others` is the load of other balancers.
  /// Returns the number of requests sent since.
  package mutating func take(
    _ now: EvidenceReading, others: Double, slots: Double?, passed: Double
  ) -> Double {
    defer { last = now }
    guard let last else { return 0 }
    adopt(slots ?? 1)
    let started = max(0, now.started - last.started)
    let failed = max(0, now.failed - last.failed)
    let done = now.started - last.started - (now.inFlight - last.inFlight) - failed
    idle = now.inFlight > 0 || started > 0 ? 0 : idle + passed
    guard passed > 0, idle < Self.idleMax else { return started }
    let decay = exponential(-passed / Self.tau)
    // Our part of the requests that it serves at once.
    let total = now.inFlight + max(0, others)
    let served = total > self.slots ? now.inFlight * self.slots / total : now.inFlight
    ended = ended * decay + done
    servedSeconds = servedSeconds * decay + served * passed
    if ended >= Self.endedMin { hasEnough = true }
    return started
  }

  /// Discards sums that were made with another number of slots.
  private mutating func adopt(_ slots: Double) {
    guard slots > self.slots * 1.1 || slots < self.slots / 1.1 else { return }
    (self.slots, ended, servedSeconds, hasEnough) = (slots, 0, 0, false)
  }

  /// Takes the load on a page. One page is no proof: a request may wait for a moment although a
  /// slot is free.
  package mutating func takePage(running: Double?, waiting: Double?) {
    guard let running, let waiting, waiting >= 1, running >= 1 else {
      fullPages = 0
      // More requests than known slots are served, and none waits.
      if let running, let slots = learnedSlots, running > slots { learnedSlots = running }
      return
    }
    fullPages += 1
    guard fullPages >= Self.fullPagesMin else { return }
    let slots = learnedSlots ?? running
    learnedSlots = slots + Self.slotsGain * (running - slots)
  }

  /// The requests per second that the endpoint serves when full, those of other balancers included;
  /// nil while unknown.
  package var capacity: Double? {
    guard hasEnough, ended > 0, servedSeconds > 0 else { return nil }
    return slots * ended / servedSeconds
  }
}
