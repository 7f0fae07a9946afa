// How many requests a second one endpoint can do, for the demand ratio of its pool: slots ÷ mean
// time in service, where slots are the requests that it serves at once. By Little's law that is
// right at any load and however requests were picked, which throughput + 1 ÷ latency is not.
// Where slots are not known they count as 1: then it is what it does in a second with work to do.
// A pure value; docs/forecast.md says what it is worth.
import Primitives

/// What a capacity rests on.
package enum CapacityBasis: String, Sendable, CaseIterable {
  /// Slots are known, of at least half the pool.
  case slots
  /// They are not: an endpoint with anything in flight counts as full.
  case busy
}

package struct ServiceEvidence: Sendable, Equatable {
  /// Evidence is forgotten over so many seconds.
  static let tau = 120.0
  /// After so many seconds without a request nothing is forgotten any more.
  static let idleMax = 30.0
  /// Requests that an estimate needs.
  static let endedMin = 10.0
  /// Pages in a row with requests that wait that a number of slots needs.
  static let fullPagesMin = 3
  static let slotsGain = 0.2

  /// As seen: how many the endpoint served while others waited in it. nil: it was never seen full.
  package private(set) var learnedSlots: Double?
  /// Decayed: requests that ended and were not failed, and the seconds that ours were served.
  private var ended = 0.0
  private var servedSeconds = 0.0
  /// What the sums were made with.
  private var slots = 1.0
  private var idle = 0.0
  private var last: EvidenceReading?
  private var fullPages = 0
  private var hasEnough = false

  package init() {}

  /// Takes the cells `passed` seconds after the last time; `others` is the load of others. Returns
  /// the requests that were sent since.
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
    // Of those that it serves at once, our part.
    let total = now.inFlight + max(0, others)
    let served = total > self.slots ? now.inFlight * self.slots / total : now.inFlight
    ended = ended * decay + done
    servedSeconds = servedSeconds * decay + served * passed
    if ended >= Self.endedMin { hasEnough = true }
    return started
  }

  /// Sums made with other slots say nothing of these.
  private mutating func adopt(_ slots: Double) {
    guard slots > self.slots * 1.1 || slots < self.slots / 1.1 else { return }
    (self.slots, ended, servedSeconds, hasEnough) = (slots, 0, 0, false)
  }

  /// Takes the load that a page told. One page is no proof: a request may wait for a moment
  /// although there is room.
  package mutating func takePage(running: Double?, waiting: Double?) {
    guard let running, let waiting, waiting >= 1, running >= 1 else {
      fullPages = 0
      // More at once than was thought possible, and none waits.
      if let running, let slots = learnedSlots, running > slots { learnedSlots = running }
      return
    }
    fullPages += 1
    guard fullPages >= Self.fullPagesMin else { return }
    let slots = learnedSlots ?? running
    learnedSlots = slots + Self.slotsGain * (running - slots)
  }

  /// Requests a second when it is full, those of others included; nil while unknown.
  package var capacity: Double? {
    guard hasEnough, ended > 0, servedSeconds > 0 else { return nil }
    return slots * ended / servedSeconds
  }
}
