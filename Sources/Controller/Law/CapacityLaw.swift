// The `capacity` law of one pool: each endpoint's rate with one request in flight → its weight.
//   rate = Σ stretch ÷ Σ duration of its answers, in a long memory and a short one, each with a
//   prior of two answers and less a dead band of 0.5/√(C + 1), for the short one 1/√(C + 1);
//   weight = base · e^(0.9 (usual + lately)), kept within floor … 1/floor.
// Without evidence, weights are the base weights. docs/control.md derives the law and evaluates it.
import Fleet
import Glibc

/// e^x.
func exponential(_ x: Double) -> Double { exp(x) }

/// ln x.
func logarithm(_ x: Double) -> Double { log(x) }

/// The common value of endpoints whose speeds cannot be told apart.
struct Alike: Sendable, Equatable {
  /// As `CapacityVerdict.usual`.
  var usual: Double
  var count: Int
}

/// The state of a pool as a whole.
package struct CapacityPool: Sendable, Equatable {
  /// The median of the endpoints' mean response times, seconds; 0 while unknown.
  package var fleetResponse = 0.0
  /// The median of the endpoints' expected total times of a request in flight, over minutes,
  /// seconds; 0 while unknown.
  package var usualResponse = 0.0
  /// m: the median over the endpoints of their rate with one in flight ÷ base weight.
  package var rateOfOne = 1.0
  /// The variance of durations relative to exponential ones, 1…64. This many times as many answers
  /// are needed for the same certainty.
  package var variability = 1.0
  /// Requests begun per second, over ten seconds.
  package var requestRate = 0.0
  /// The shape learned from the endpoints' durations.
  var shapeFit = ShapeFit()
  var shape = PoolShape(.plain, .none)
  /// Whether requests with long content take long.
  var sizeFit = SizeFit()
  /// Pieces of answers of unknown length, and answers; both decay over a minute.
  private var streamPieces = 0.0
  private var streamAnswers = 0.0
  /// By position: each endpoint's value over minutes, averaged over the endpoints whose speeds
  /// cannot be told apart, and the number of those. Computed once a second.
  var alike: [Alike] = []
  /// The highest value of an endpoint over minutes, as `CapacityVerdict.usual`.
  var bestUsual = -Double.infinity
  /// Seconds since `alike` was computed.
  var sinceAlike = 0.0
  /// Seconds since shapes were updated.
  var sinceShape = 0.0
  /// The pool's load relative to its endpoints' slots, 0 and up, smoothed; 0 if slots are unknown.
  package var fill = 0.0
  /// Whether `fleetResponse` includes more than the quickest answers.
  package private(set) var isResponseKnown = false
  /// The median of the endpoints' answers per second; 0 while unknown.
  package var fleetRate = 0.0
  /// The usual time of a good canary, seconds; 0 while unknown.
  package var usualCanary = 0.0
  /// The number of balancers that send requests to the endpoints, this one included.
  package var balancers = 1.0
  /// Most endpoints time out: weights are frozen.
  package var isFrozen = false
  /// More endpoints are stalled than the watchdog may take out.
  package var isHeld = false
  private var roundTotal = 0.0
  private var roundOwn = 0.0
  private var roundCount = 0
  private var roundMost = 0.0

  package init() {}

  /// The decay time of the short memory, seconds.
  package var tau: Double { max(10, min(5 * max(fleetResponse, usualResponse), 120)) }

  /// Whether other balancers send requests too.
  package var hasOthers: Bool { balancers >= 1.3 }

  /// Counts the first answers of a pool, which are its quickest ones. By Little's law, after about
  /// one mean response time as many answers have ended as requests are in flight: that many are
  /// needed, and at least three.
  mutating func noteAnswers(completions: Double, inFlight: Double) {
    if completions >= 3, completions >= inFlight { isResponseKnown = true }
  }

  /// Takes the time of a good canary.
  mutating func noteCanary(_ seconds: Double) {
    usualCanary = Canary.usual(usualCanary, after: seconds)
  }

  /// Takes the pieces of streams, and the answers, of the last `passed` seconds.
  mutating func noteStreams(pieces: Double, answers: Double, passed: Double) {
    let keep = exponential(-passed / 60)
    streamPieces = streamPieces * keep + pieces
    streamAnswers = streamAnswers * keep + answers
  }

  /// Pieces per answer if answers are streams; otherwise nil.
  var piecesPerAnswer: Double? {
    guard streamAnswers >= 5, streamPieces >= 8 * streamAnswers else { return nil }
    return streamPieces / streamAnswers
  }

  /// Takes the requests begun in the last `passed` seconds.
  mutating func noteRequests(_ started: Double, passed: Double) {
    guard passed > 0 else { return }
    sinceAlike += passed
    let keep = exponential(-passed / 10)
    requestRate = requestRate * keep + started / passed * (1 - keep)
  }

  /// The limit on the load of other balancers that a page may claim: eight times the average load
  /// on the pool's pages, without the highest, plus two.
  private(set) var othersMax = Double.infinity

  /// Takes the load from a scrape of one of `endpointCount` endpoints, and our `own` part of it.
  package mutating func noteLoad(total: Double, own: Double, endpointCount: Int) {
    roundTotal += total
    roundOwn += own
    roundCount += 1
    roundMost = max(roundMost, total)
    guard roundCount >= endpointCount else { return }
    if roundOwn > 0 { balancers += 0.1 * (min(max(roundTotal / roundOwn, 1), 64) - balancers) }
    if roundCount > 1 {
      othersMax = 8 * ((roundTotal - roundMost) / Double(roundCount - 1) + 2)
    }
    roundMost = 0
    (roundTotal, roundOwn, roundCount) = (0, 0, 0)
  }
}

/// How one endpoint's weight was computed.
package struct CapacityVerdict: Sendable, Equatable {
  /// Recent evidence: the answers multiplied by their expected slowdown, and their time, seconds.
  package var amount = 0.0
  package var seconds = 0.0
  /// Recent answers.
  package var completions = 0.0
  /// Whether there are answers to judge by, recent or not.
  package var isKnown = false
  /// The usual time of a request at the endpoint or in the pool, whichever is longer, seconds.
  package var usualResponse = 0.0
  /// Seconds added for requests that hang.
  package var stuckSeconds = 0.0
  /// ln of the endpoint's speed relative to its base weight over minutes, and of its speed in the
  /// last seconds relative to that and to the other endpoints; each less its dead band.
  package var usual = 0.0
  package var lately = 0.0
  /// Weight ÷ (m · base weight).
  package var factor = 1.0
  /// The number of endpoints that share this weight, itself included, because their speeds cannot
  /// be told apart.
  package var likeCount = 1
  /// Estimated requests per second with one in flight.
  package var capacity = 0.0

  /// ln of the endpoint's present speed relative to its base weight.
  package var deviation: Double { usual + lately }
}

package enum CapacityLaw {
  static let exponent = 0.9
  static let prior = 2.0
  /// An endpoint this many times slower than the median is very slow.
  static let slowRatio = 4.0
  /// Dead bands, in standard deviations of exponential durations.
  static let usualBand = 0.5
  static let latelyBand = 1.0
  /// A shorter silence is not a hang, seconds: connections are opened, processes are scheduled.
  static let silenceMin = 1.0
  /// With fewer answers, decayed, there is nothing to judge by.
  static let completionsMin = 0.5
  /// The largest difference between the fastest and the slowest of endpoints that count as equally
  /// fast, in standard deviations, and its limits in ln(speed).
  static let likeDeviations = 3.3
  static let likeMin = 0.04
  static let likeMax = 2.0

  /// The verdicts, in the order of `evidence`. `bases` are the base weights, which count if > 0. A
  /// wrong estimate changes a weight at most by the factor `floorRatio` or its inverse.
  package static func verdicts(
    _ evidence: [CapacityEvidence.Sums], bases: [Double], floorRatio: Double,
    pool: inout CapacityPool
  ) -> [CapacityVerdict] {
    var scratch: [Double] = []
    scratch.reserveCapacity(evidence.count)
    survey(evidence, bases, &pool, &scratch)
    var verdicts = evidence.map { gather($0, pool) }
    weighUsual(&verdicts, evidence, bases, pool)
    if pool.sinceAlike >= 1 || pool.alike.count != verdicts.count {
      pool.sinceAlike = 0
      pool.alike = alike(verdicts, evidence, bases, pool)
      pool.bestUsual = pool.alike.reduce(-.infinity) { max($0, $1.usual) }
    }
    for (index, alike) in pool.alike.enumerated() {
      (verdicts[index].usual, verdicts[index].likeCount) = (alike.usual, alike.count)
    }
    weighLately(&verdicts, bases, pool, &scratch)
    let floor = max(floorRatio, 1e-6)
    for index in verdicts.indices where bases[index] > 0 {
      verdicts[index].factor = min(max(exp(exponent * verdicts[index].deviation), floor), 1 / floor)
    }
    noteOverload(verdicts, evidence, &pool)
    return verdicts
  }

  /// Updates the state of the pool as a whole.
  private static func survey(
    _ evidence: [CapacityEvidence.Sums], _ bases: [Double], _ pool: inout CapacityPool,
    _ scratch: inout [Double]
  ) {
    func median(_ value: (CapacityEvidence.Sums) -> Double?, isLower: Bool = false) -> Double? {
      scratch.removeAll(keepingCapacity: true)
      for each in evidence { if let value = value(each) { scratch.append(value) } }
      return isLower ? lowerMedianInPlace(&scratch) : medianInPlace(&scratch)
    }
    // With two endpoints, the quicker one defines what is usual.
    if let found = median({ $0.short.meanResponse }, isLower: true) { pool.fleetResponse = found }
    let usual = median(
      { $0.long.completions > completionsMin ? $0.long.usualResponse : nil }, isLower: true)
    if let usual { pool.usualResponse = usual }
    let rate = median {
      $0.short.completions > completionsMin && $0.elapsed > 0
        ? $0.short.completions / $0.elapsed : nil
    }
    if let rate { pool.fleetRate = rate }
    pool.variability = min(max(1, median(\.long.variability) ?? 1), 64)
    var (completions, inFlight) = (0.0, 0.0)
    for each in evidence {
      completions += each.short.completions
      inFlight += each.inFlight
    }
    pool.noteAnswers(completions: completions, inFlight: inFlight)
    scratch.removeAll(keepingCapacity: true)
    for (index, each) in evidence.enumerated() where bases[index] > 0 {
      if let rate = each.long.rate { scratch.append(rate / bases[index]) }
    }
    pool.rateOfOne = medianInPlace(&scratch) ?? 1
  }

  private static func gather(
    _ evidence: CapacityEvidence.Sums, _ pool: CapacityPool
  ) -> CapacityVerdict {
    var verdict = CapacityVerdict()
    verdict.completions = evidence.short.completions
    verdict.isKnown = evidence.long.completions > completionsMin
    verdict.amount = evidence.short.amount
    verdict.seconds = evidence.short.seconds
    verdict.usualResponse = evidence.usualResponse(pool: pool.usualResponse)
    // With streams every piece counts, and so does the time without pieces.
    if evidence.inFlight > 0, pool.isResponseKnown, pool.piecesPerAnswer == nil {
      let expectedSeconds = 3 * verdict.usualResponse * (evidence.inFlight + 1)
      verdict.stuckSeconds = max(0, evidence.outstandingSeconds - expectedSeconds)
      verdict.seconds += verdict.stuckSeconds
    }
    return verdict
  }

  /// Computes each endpoint's value over minutes, relative to the pool's median.
  private static func weighUsual(
    _ verdicts: inout [CapacityVerdict], _ evidence: [CapacityEvidence.Sums], _ bases: [Double],
    _ pool: CapacityPool
  ) {
    let prior = prior * pool.variability
    for index in verdicts.indices where bases[index] > 0 {
      let expected = pool.rateOfOne * bases[index]
      let memory = evidence[index].long
      let rate = (memory.amount + prior) / (memory.seconds + prior / expected)
      verdicts[index].capacity = rate
      verdicts[index].usual = beyond(
        log(rate / expected), memory.completions, pool, band: usualBand)
    }
  }

  /// Groups endpoints of one base weight whose speeds differ by no more than chance. A group has
  /// one weight, so that requests go to all of its endpoints and not only to the one that seems
  /// best.
  private static func alike(
    _ verdicts: [CapacityVerdict], _ evidence: [CapacityEvidence.Sums], _ bases: [Double],
    _ pool: CapacityPool
  ) -> [Alike] {
    var alike = verdicts.map { Alike(usual: $0.usual, count: 1) }
    /// The variance of ln(speed) that is due to chance.
    func variance(_ index: Int) -> Double {
      pool.variability / (evidence[index].long.completions + 1)
    }
    let order = verdicts.indices.filter { bases[$0] > 0 }.sorted {
      bases[$0] != bases[$1]
        ? bases[$0] < bases[$1]
        : verdicts[$0].usual != verdicts[$1].usual
          ? verdicts[$0].usual > verdicts[$1].usual : $0 < $1
    }
    var begin = 0
    while begin < order.count {
      // The best endpoint alone at first, then the mean of the group so far.
      var (end, sum, count) = (begin, 0.0, 0.0)
      let first = order[begin]
      while end < order.count, bases[order[end]] == bases[first] {
        if count > 0 {
          let both = (1 / count + variance(order[end])).squareRoot()
          let width = min(max(likeDeviations * both, likeMin), likeMax)
          guard sum / count - verdicts[order[end]].usual <= width else { break }
        }
        let worth = 1 / variance(order[end])
        sum += worth * verdicts[order[end]].usual
        count += worth
        end += 1
      }
      let mean = sum / count
      for position in begin..<end {
        alike[order[position]] = Alike(usual: mean, count: end - begin)
      }
      begin = end
    }
    return alike
  }

  /// Computes what each endpoint did in the last seconds relative to its usual rate. Longer
  /// requests can slow down all of them at once, so that only differences count.
  private static func weighLately(
    _ verdicts: inout [CapacityVerdict], _ bases: [Double], _ pool: CapacityPool,
    _ scratch: inout [Double]
  ) {
    scratch.removeAll(keepingCapacity: true)
    for (index, each) in verdicts.enumerated() where each.seconds > 0 && bases[index] > 0 {
      scratch.append(each.amount / (each.seconds * each.capacity))
    }
    let pace = max(upperMedianInPlace(&scratch) ?? 1, 1e-6)
    for index in verdicts.indices where bases[index] > 0 {
      let expected = verdicts[index].capacity * pace
      // For a very slow endpoint fewer answers are enough: they take long, and it may have
      // recovered.
      let share = verdicts[index].capacity / (pool.rateOfOne * bases[index])
      let prior = prior * pool.variability * min(1, slowRatio * share)
      let rate =
        (verdicts[index].amount + prior) / (verdicts[index].seconds + prior / expected)
      verdicts[index].lately = beyond(
        log(rate / expected), verdicts[index].completions, pool, band: latelyBand)
      verdicts[index].capacity = expected * exp(verdicts[index].lately)
    }
  }

  /// The part of `x` that exceeds chance after this many answers.
  private static func beyond(
    _ x: Double, _ completions: Double, _ pool: CapacityPool, band: Double
  ) -> Double {
    let band = band * (pool.variability / (completions + 1)).squareRoot()
    return x < 0 ? min(0, x + band) : max(0, x - band)
  }

  /// If most busy endpoints hang, the pool is at fault and not a single endpoint. An endpoint that
  /// sends content does not hang, however long its requests run: durations may differ widely.
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

  /// The lower, or the upper, of the middle two values if the count is even; nil: no values. Both
  /// reorder the values.
  static func lowerMedianInPlace(_ values: inout [Double]) -> Double? {
    values.isEmpty ? nil : select(&values, (values.count - 1) / 2)
  }

  static func upperMedianInPlace(_ values: inout [Double]) -> Double? {
    values.isEmpty ? nil : select(&values, values.count / 2)
  }

  /// The mean of the middle two values if the count is even; nil: no values. Reorders the values.
  static func medianInPlace(_ values: inout [Double]) -> Double? {
    guard !values.isEmpty else { return nil }
    let middle = values.count / 2
    let upper = select(&values, middle)
    guard values.count % 2 == 0 else { return upper }
    var lower = values[0]
    for index in 1..<middle { lower = max(lower, values[index]) }
    return (lower + upper) / 2
  }

  /// Hoare's selection: afterwards no value before `rank` is larger than the value there.
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
