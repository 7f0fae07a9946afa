// The `capacity` law of one pool: evidence of all endpoints → a weight each.
//   a = C(1 + D/T) + AF, d = D (+ scraped evidence where no other balancer is about, + requests
//   that hang), m = median(a/d), x = ln(((a + 2) / (d + 2/m)) / m) less a dead band of
//   0.5/√(C + 1), weight = m·e^(0.9 x), kept within m/20 … 20 m.
// The operator's base weight takes the place of 1 in the prior: with no evidence, weights are the
// base weights. docs/control.md derives it and says what it is worth.
import Glibc

/// e^x.
func exponential(_ x: Double) -> Double { exp(x) }

/// What is known of a pool as a whole.
package struct CapacityPool: Sendable, Equatable {
  /// The median over the endpoints of the mean response time, seconds; 0 while unknown.
  package var fleetResponse = 0.0
  /// `fleetResponse` is no longer the time of the quickest answers alone.
  package private(set) var isResponseKnown = false
  /// The median over the endpoints of the answers a second; 0 while unknown.
  package var fleetRate = 0.0
  /// How many balancers send requests to the endpoints, this one included.
  package var balancers = 1.0
  /// Most endpoints time out: weights stay as they are.
  package var isFrozen = false
  /// More of its endpoints stand still than the watchdog may take out.
  package var isHeld = false
  private var roundTotal = 0.0
  private var roundOwn = 0.0
  private var roundCount = 0

  package init() {}

  /// Decay time of the evidence, seconds.
  package var tau: Double { max(10, min(5 * fleetResponse, 120)) }

  /// The same where an endpoint has nothing to do, seconds: shorter where answers are quick, as
  /// the weight that keeps requests away would otherwise outlast its reason.
  package var idleTau: Double { max(1, min(5 * fleetResponse, 120)) }

  /// Whether others send requests too.
  package var hasOthers: Bool { balancers >= 1.3 }

  /// The first answers of a pool are its quickest ones. By Little's law as many answers as requests
  /// are in flight have ended after about one mean response time; so many, and three, are needed.
  mutating func noteAnswers(completions: Double, inFlight: Double) {
    if completions >= 3, completions >= inFlight { isResponseKnown = true }
  }

  /// A scrape of one of `endpointCount` endpoints said that much load, of which our part was `own`.
  package mutating func noteLoad(total: Double, own: Double, endpointCount: Int) {
    roundTotal += total
    roundOwn += own
    roundCount += 1
    guard roundCount >= endpointCount else { return }
    if roundOwn > 0 { balancers += 0.1 * (min(max(roundTotal / roundOwn, 1), 64) - balancers) }
    (roundTotal, roundOwn, roundCount) = (0, 0, 0)
  }
}

/// How one endpoint's weight came to be.
package struct CapacityVerdict: Sendable, Equatable {
  /// Work done, in requests × (1 + concurrency), and the time it took, seconds.
  package var amount = 0.0
  package var seconds = 0.0
  /// Decayed own completions.
  package var completions = 0.0
  /// The larger of its own mean response time and the pool's, seconds: what is waited for.
  package var usualResponse = 0.0
  /// Seconds that hanging requests add.
  package var stuckSeconds = 0.0
  package var usesScraped = false
  /// ln of how much better than its base weight it is, less the dead band.
  package var deviation = 0.0
  /// Weight ÷ (m · base weight).
  package var factor = 1.0
  /// Estimated capacity, requests a second at one in flight: m·b·e^x.
  package var capacity = 0.0
}

package enum CapacityLaw {
  static let exponent = 0.9
  static let prior = 2.0
  static let deadBand = 0.5
  /// A shorter silence is no hang, seconds: connections are opened, processes are scheduled.
  static let silenceMin = 1.0
  /// With fewer answers, faded, there is nothing to judge by.
  static let completionsMin = 0.5

  /// Verdicts in the order of `evidence`; `bases` are the base weights, > 0 where they count. A
  /// wrong estimate costs at most `floorRatio`, and its inverse.
  package static func verdicts(
    _ evidence: [CapacityEvidence.Sums], bases: [Double], floorRatio: Double,
    pool: inout CapacityPool
  ) -> [CapacityVerdict] {
    var scratch: [Double] = []
    scratch.reserveCapacity(evidence.count)
    for each in evidence where each.completions > completionsMin {
      scratch.append(each.seconds / each.completions)
    }
    if let median = medianInPlace(&scratch) { pool.fleetResponse = median }
    var (completions, inFlight) = (0.0, 0.0)
    for each in evidence {
      completions += each.completions
      inFlight += each.inFlight
    }
    pool.noteAnswers(completions: completions, inFlight: inFlight)
    scratch.removeAll(keepingCapacity: true)
    for each in evidence where each.completions > completionsMin && each.elapsed > 0 {
      scratch.append(each.completions / each.elapsed)
    }
    if let median = medianInPlace(&scratch) { pool.fleetRate = median }
    var verdicts = evidence.map { gather($0, pool) }
    scratch.removeAll(keepingCapacity: true)
    for (index, verdict) in verdicts.enumerated() where verdict.seconds > 0 && bases[index] > 0 {
      scratch.append(verdict.amount / (verdict.seconds * bases[index]))
    }
    let m = medianInPlace(&scratch) ?? 1
    for index in verdicts.indices where bases[index] > 0 {
      weigh(&verdicts[index], base: bases[index], m)
      let floor = max(floorRatio, 1e-6)
      verdicts[index].factor = min(max(verdicts[index].factor, floor), 1 / floor)
    }
    noteOverload(verdicts, evidence, &pool)
    return verdicts
  }

  private static func gather(
    _ evidence: CapacityEvidence.Sums, _ pool: CapacityPool
  ) -> CapacityVerdict {
    var verdict = CapacityVerdict()
    let (c, d) = (evidence.completions, evidence.seconds)
    verdict.completions = c
    if evidence.elapsed > 0 {
      verdict.amount = c * (1 + d / evidence.elapsed) + evidence.foreignSum
    }
    verdict.seconds = d
    var count = c
    let (sc, sd) = (evidence.scrapedCompletions, evidence.scrapedSeconds)
    if !pool.hasOthers, sc > 0, sd > 0, c > 3, d > 0 {
      let ratio = (sd / sc) / (d / c)
      if ratio > 1 / 3.0, ratio < 3 {
        verdict.amount += evidence.scrapedAmount
        verdict.seconds += sd
        count += sc
        verdict.usesScraped = true
      }
    }
    let mean = count > completionsMin ? verdict.seconds / count : 0
    verdict.usualResponse = max(mean, pool.fleetResponse)
    if evidence.inFlight > 0, pool.isResponseKnown {
      let usual = 3 * verdict.usualResponse * (evidence.inFlight + 1)
      verdict.stuckSeconds = max(0, evidence.outstandingSeconds - usual)
      verdict.seconds += verdict.stuckSeconds
    }
    return verdict
  }

  private static func weigh(_ verdict: inout CapacityVerdict, base: Double, _ m: Double) {
    let expected = m * base
    let share = (verdict.amount + prior) / (verdict.seconds + prior / expected)
    let x = log(share / expected)
    let band = deadBand / (verdict.completions + 1).squareRoot()
    verdict.deviation = x < 0 ? min(0, x + band) : max(0, x - band)
    verdict.factor = exp(exponent * verdict.deviation)
    verdict.capacity = expected * exp(verdict.deviation)
  }

  /// Where most busy endpoints hang, the pool is at fault and not one endpoint. An endpoint that
  /// gives content does not hang, however long its requests run: their times may differ widely.
  private static func noteOverload(
    _ verdicts: [CapacityVerdict], _ evidence: [CapacityEvidence.Sums], _ pool: inout CapacityPool
  ) {
    var (busy, stuck) = (0, 0)
    for (index, verdict) in verdicts.enumerated() where evidence[index].inFlight > 0 {
      busy += 1
      let silenceMin = max(silenceMin, 3 * verdict.usualResponse)
      if verdict.stuckSeconds > 0, evidence[index].silentSeconds >= silenceMin { stuck += 1 }
    }
    pool.isFrozen = busy > 2 && stuck * 2 > busy
  }

  /// The mean of the middle two where the count is even; nil where there are none. Reorders.
  static func medianInPlace(_ values: inout [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let middle = values.count / 2
    let upper = select(&values, middle)
    guard values.count % 2 == 0 else { return upper }
    var lower = values[0]
    for index in 1..<middle { lower = max(lower, values[index]) }
    return (lower + upper) / 2
  }

  /// Hoare's selection: afterwards nothing before `rank` is larger than what stands there.
  private static func select(_ values: inout [Double], _ rank: Int) -> Double {
    var (low, high) = (0, values.count - 1)
    while low < high {
      let pivot = values[(low + high) / 2]
      var (i, j) = (low, high)
      while i <= j {
        while values[i] < pivot { i += 1 }
        while values[j] > pivot { j -= 1 }
        if i <= j {
          values.swapAt(i, j)
          i += 1
          j -= 1
        }
      }
      if rank <= j { high = j } else if rank >= i { low = i } else { break }
    }
    return values[rank]
  }
}
