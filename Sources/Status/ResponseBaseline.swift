// The usual response times of a pool, from its own past: the upper quartile over the hours of the
// last week, which that over the minutes of the last hour may exceed by half. A pool that slowly
// degrades thus raises an alarm instead of its threshold. Minutes slower than the alarm are learned
// at a 24th of the pace. Kept in memory: a restart begins with no past.
// Pure; 4 KB a pool.
import Exposition
package import Fleet
package import Primitives

/// One number, such as a mean, that is learned from minutes.
struct UsualValue: Sendable {
  /// The number of minutes with enough exchanges that are kept; the hours kept have such minutes.
  static let minuteCountMax = 60
  static let hourCountMax = 168
  /// The fewest minutes that give a value.
  static let minuteCountMin = 10
  /// The limit of the last hour relative to the week.
  static let hourRatioMax = 1.5
  /// One in this many minutes in alarm is learned: after half a day of alarm, its value is usual.
  static let alarmPace = 24
  private static let hour = Nanoseconds.seconds(3_600)

  private var minutes: [Double] = []
  private var hours: [Double] = []
  private var hourBegunAt: Nanoseconds?
  private var alarmCount = 0
  /// nil: too little is known.
  private(set) var value: Double?

  /// Takes a minute's number. `alarm` is the value below which it is learned at once.
  mutating func take(_ number: Double, alarm: Double?, now: Nanoseconds) {
    if let alarm, number > alarm {
      alarmCount += 1
      guard alarmCount % Self.alarmPace == 0 else { return }
    }
    let begun = hourBegunAt ?? now
    hourBegunAt = begun
    minutes.append(number)
    if minutes.count > Self.minuteCountMax { minutes.removeFirst() }
    if now - begun >= Self.hour {
      hours.append(Self.quantile(minutes, 0.75))
      if hours.count > Self.hourCountMax { hours.removeFirst() }
      hourBegunAt = now
    }
    guard minutes.count >= Self.minuteCountMin else { return }
    let lately = Self.quantile(minutes, 0.75)
    guard !hours.isEmpty else {
      value = lately
      return
    }
    let week = Self.quantile(hours, 0.75)
    value = max(week, min(lately, week * Self.hourRatioMax))
  }

  /// Nearest rank. Requires: at least one value.
  private static func quantile(_ values: [Double], _ q: Double) -> Double {
    let rank = max(1, Int((q * Double(values.count)).rounded(.up)))
    return values.sorted()[rank - 1]
  }
}

/// The usual response time of a pool.
struct ResponseBaseline: Sendable {
  /// The number of exchanges that a mean, and a 99th percentile, need.
  static let meanCountMin = 20.0
  static let tailCountMin = 100.0
  private static let minute = Nanoseconds.seconds(60)
  private static let slicesMax = 6

  /// Sums of ten seconds each, the oldest first.
  private var slices: [TrafficSums] = []
  private var slicedAt: Nanoseconds?
  private var forMean = Collected()
  private var forTail = Collected()
  private(set) var mean = UsualValue()
  private(set) var tail = UsualValue()
  private(set) var firstByte = UsualValue()

  private struct Collected: Sendable {
    var sums = TrafficSums()
    var begunAt: Nanoseconds?

    /// Returns the sums if they cover a minute and enough exchanges; then the next minute begins.
    mutating func take(
      _ slice: TrafficSums, countMin: Double, now: Nanoseconds
    ) -> TrafficSums? {
      let begun = begunAt ?? now - CounterWindow.length
      begunAt = begun
      sums.add(slice)
      guard now - begun >= ResponseBaseline.minute, sums.answered >= countMin else { return nil }
      defer { (sums, begunAt) = (TrafficSums(), now) }
      return sums
    }
  }

  /// Takes the last ten seconds. Call about once a second. Minutes with more failures than
  /// `errorRatio.alarm` are not learned, since failures may be quick.
  mutating func take(_ sums: TrafficSums, _ policy: ThresholdPolicy, now: Nanoseconds) {
    if let slicedAt, now - slicedAt < CounterWindow.length { return }
    defer { slicedAt = now }
    // The first window is not complete yet.
    guard slicedAt != nil else { return }
    slices.append(sums)
    if slices.count > Self.slicesMax { slices.removeFirst() }
    let limits = ResponseLimits(policy, self)
    let errorsMax = policy.errorRatio.alarm
    if let minute = forMean.take(sums, countMin: Self.meanCountMin, now: now),
      let number = minute.meanDuration, minute.errorRatio ?? 0 <= errorsMax
    {
      mean.take(number, alarm: limits.mean?.alarm.seconds, now: now)
    }
    if let minute = forTail.take(sums, countMin: Self.tailCountMin, now: now),
      let number = minute.durations.quantile(0.99), minute.errorRatio ?? 0 <= errorsMax
    {
      tail.take(number, alarm: limits.p99?.seconds, now: now)
      if let first = minute.firstBytes?.quantile(0.99) {
        firstByte.take(first, alarm: limits.firstByte?.seconds, now: now)
      }
    }
  }

  /// The sums of about the last minute.
  var lastMinute: TrafficSums { slices.reduce(into: TrafficSums()) { $0.add($1) } }
}

/// The thresholds of a pool's response times.
package struct ResponseLimits: Sendable, Equatable {
  /// The factor on the usual value if the file gives no numbers; never stricter than `web`.
  static let normalFactor = 2.0
  static let alarmFactor = 4.0
  static let p99Factor = 3.0

  /// Thresholds of the mean; nil: neither configured nor learned.
  package let mean: ThresholdPolicy.Levels<Nanoseconds>?
  /// Threshold of the 99th percentile; nil: neither configured nor learned.
  package let p99: Nanoseconds?
  /// Threshold of the 99th percentile of the time to the first byte of content; nil likewise.
  package let firstByte: Nanoseconds?
  /// The usual mean, seconds; nil: too little is known.
  package let usualMean: Double?
  package let usualP99: Double?
  package let usualFirstByte: Double?

  init(_ policy: ThresholdPolicy, _ baseline: ResponseBaseline) {
    (usualMean, usualP99) = (baseline.mean.value, baseline.tail.value)
    usualFirstByte = baseline.firstByte.value
    let web = ThresholdPolicy.webResponseTime
    mean =
      policy.responseTime
      ?? usualMean.map {
        .init(
          normal: max(web.normal, .seconds($0 * Self.normalFactor)),
          alarm: max(web.alarm, .seconds($0 * Self.alarmFactor)))
      }
    p99 =
      policy.p99 ?? usualP99.map { max(ThresholdPolicy.webP99, .seconds($0 * Self.p99Factor)) }
    firstByte =
      policy.firstByte
      ?? usualFirstByte.map { max(ThresholdPolicy.webP99, .seconds($0 * Self.p99Factor)) }
  }

  /// For people: the thresholds, and where they come from.
  package var words: String {
    func text(_ seconds: Double) -> String { NumberWords.duration(seconds) }
    var words = "response time unknown yet: too few requests"
    if let mean {
      words = "response time \(text(mean.normal.seconds)), alarm \(text(mean.alarm.seconds))"
    }
    if let p99 { words += "; p99 \(text(p99.seconds))" }
    if let usualMean { words += "; usual is \(text(usualMean))" }
    if let usualP99 { words += ", p99 \(text(usualP99))" }
    return words
  }

  /// The thresholds of a pool without a past.
  package init(_ policy: ThresholdPolicy) { self.init(policy, ResponseBaseline()) }
}

extension StatusHistory {
  /// The present thresholds of a pool's response times.
  package func limits(of pool: String, _ policy: ThresholdPolicy) -> ResponseLimits {
    guard let history = pools[pool] else { return ResponseLimits(policy) }
    return ResponseLimits(policy, history.baseline)
  }
}
