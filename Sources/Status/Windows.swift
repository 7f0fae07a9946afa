// Counters and histograms over the last ten seconds, charts over the last two minutes. Pure: time
// is an argument; each `take` is called about once a second.
import Exposition
import Primitives

/// The increase of a counter over about ten seconds. A counter that falls has been reset.
struct CounterWindow: Sendable {
  static let length = Nanoseconds.seconds(10)
  private var marks: [(at: Nanoseconds, count: Double)] = []

  mutating func take(_ count: Double, now: Nanoseconds) {
    if let last = marks.last, count < last.count || now <= last.at { marks.removeAll() }
    marks.append((now, count))
    // One mark at or before the beginning of the window is kept, so that the window is fully
    // covered.
    while marks.count > 2, now - marks[1].at >= Self.length { marks.removeFirst() }
  }

  /// The increase over the window; 0 while unknown.
  var increase: Double {
    guard let first = marks.first, let last = marks.last else { return 0 }
    return last.count - first.count
  }

  /// The length of the window in seconds; nil before there are two marks.
  var length: Double? {
    guard marks.count > 1, let first = marks.first, let last = marks.last else { return nil }
    return (last.at - first.at).seconds
  }

  /// The increase per second over the window; nil before there are two marks.
  var rate: Double? {
    guard marks.count > 1, let first = marks.first, let last = marks.last else { return nil }
    return (last.count - first.count) / (last.at - first.at).seconds
  }
}

/// Durations of the last eight to ten seconds.
struct DurationWindow: Sendable {
  private static let step = Nanoseconds.seconds(2)
  private static let markCount = 5
  private var marks: [(at: Nanoseconds, counts: FineCounts)] = []
  /// The counts within the window.
  private(set) var recent = FineCounts()

  mutating func take(_ counts: FineCounts, now: Nanoseconds) {
    if let last = marks.last, counts.total < last.counts.total { marks.removeAll() }
    guard let first = marks.first, let last = marks.last else {
      marks = [(now, counts)]
      recent = FineCounts()
      return
    }
    recent = counts.since(first.counts)
    guard now - last.at >= Self.step else { return }
    marks.append((now, counts))
    if marks.count > Self.markCount { marks.removeFirst() }
  }
}

/// Durations of the last five to ten minutes.
struct UsualDurations: Sendable {
  private static let generation = Nanoseconds.seconds(300)
  /// About as long as the window of a `DurationWindow`.
  private static let step = Nanoseconds.seconds(10)
  private var older = FineCounts()
  private var newer = FineCounts()
  private var begunAt: Nanoseconds?
  private var takenAt: Nanoseconds?

  /// `recent` are the counts of a `DurationWindow`.
  mutating func take(_ recent: FineCounts?, now: Nanoseconds) {
    let begun = begunAt ?? now
    begunAt = begun
    if now - begun >= Self.generation {
      (older, newer) = (newer, FineCounts())
      begunAt = now
    }
    guard let recent else { return }
    if let takenAt, now - takenAt < Self.step { return }
    takenAt = now
    newer.add(recent)
  }

  /// nil: nothing was measured.
  func quantile(_ q: Double) -> Double? {
    var all = older
    all.add(newer)
    return all.quantile(q)
  }
}

/// The last points of a chart, one a second, the oldest first.
struct ChartRing: Sendable {
  static let capacity = 120
  private var points: [Float] = []
  private var next = 0

  /// nil is a gap.
  mutating func append(_ value: Double?) {
    let point = value.map(Float.init) ?? .nan
    if points.count < Self.capacity {
      points.append(point)
      return
    }
    points[next] = point
    next = (next + 1) % Self.capacity
  }

  /// The oldest first; nil is a gap.
  var values: [Double?] {
    (points[next...] + points[..<next]).map { $0.isNaN ? nil : Double($0) }
  }
}

/// In how many of the last thirty readings a condition held.
struct RecentShare: Sendable {
  private static let capacity: UInt32 = 30
  /// The last readings, the newest in the lowest bit.
  private var points: UInt32 = 0

  mutating func append(_ holds: Bool) {
    points = (points << 1 | (holds ? 1 : 0)) & (1 << Self.capacity - 1)
  }

  /// Whether it held in more than half of them.
  var isMost: Bool { points.nonzeroBitCount * 2 > Self.capacity }
}

/// The times of the last eight occurrences of an event.
struct EventTimes: Sendable {
  private static let capacity = 8
  private var times: [Nanoseconds] = []

  mutating func note(_ now: Nanoseconds) {
    times.append(now)
    if times.count > Self.capacity { times.removeFirst() }
  }

  var isEmpty: Bool { times.isEmpty }

  func count(since: Nanoseconds) -> Int { times.reduce(0) { $0 + ($1 >= since ? 1 : 0) } }
}
