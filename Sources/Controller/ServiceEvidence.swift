// How many requests a second one endpoint can do, for the demand ratio of its pool.
// Where its slots are known (requests that it serves at once): slots ÷ mean time in service, which
// is right at any load, by Little's law. Else throughput + 1 ÷ mean latency, which is right for
// processor sharing and too low for a server that batches and is not yet full.
// A pure value; docs/forecast.md says what it is worth.
package import Primitives

/// What a capacity rests on.
package enum CapacityBasis: String, Sendable, CaseIterable {
  /// Slots of all endpoints are known.
  case slots
  /// Endpoints whose slots are not known count as processor sharing.
  case sharing
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
  /// Decayed: requests that ended and were not failed, seconds in flight, of those in service,
  /// seconds, and the load of others.
  private var ended = 0.0
  private var inFlightSeconds = 0.0
  private var serviceSeconds = 0.0
  private var elapsed = 0.0
  private var foreignSum = 0.0
  private var idle = 0.0
  private var last: EvidenceReading?
  private var fullPages = 0
  private var wasEnough = false

  package init() {}

  /// Takes the cells `passed` seconds after the last time. `foreign` is the load of others.
  /// Returns the requests that were sent since.
  package mutating func take(
    _ now: EvidenceReading, foreign: Double, slots: Double?, passed: Double
  ) -> Double {
    defer { last = now }
    guard let last else { return 0 }
    let started = max(0, now.started - last.started)
    let failed = max(0, now.failed - last.failed)
    let done = now.started - last.started - (now.inFlight - last.inFlight) - failed
    idle = now.inFlight > 0 || started > 0 ? 0 : idle + passed
    // The time after a slot changed its owner, or the cells were read in mid-change.
    guard passed > 0, idle < Self.idleMax, abs(done) < 1e9 else { return started }
    let decay = exponential(-passed / Self.tau)
    let total = now.inFlight + max(0, foreign)
    // Of those that it serves, our part.
    let served = slots.map { total > $0 ? now.inFlight * $0 / total : now.inFlight }
    ended = ended * decay + done
    inFlightSeconds = inFlightSeconds * decay + now.inFlight * passed
    serviceSeconds = serviceSeconds * decay + (served ?? now.inFlight) * passed
    elapsed = elapsed * decay + passed
    foreignSum = foreignSum * decay + max(0, foreign) * max(0, done)
    if ended >= Self.endedMin { wasEnough = true }
    return started
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
    guard let slots = learnedSlots else {
      learnedSlots = running
      return
    }
    learnedSlots = max(slots + Self.slotsGain * (running - slots), 1)
  }

  /// Requests a second when it is full, those of others included; nil while unknown.
  package func capacity(slots: Double?) -> Double? {
    guard wasEnough, ended > 0 else { return nil }
    if let slots {
      return serviceSeconds > 0 ? slots * ended / serviceSeconds : nil
    }
    guard inFlightSeconds > 0, elapsed > 0 else { return nil }
    return ended / elapsed + (ended + foreignSum) / inFlightSeconds
  }
}
