// One metrics page of one endpoint over time: its schedule, its counters, its signals.
package import Fleet
package import Primitives

package struct ScrapeState: Sendable {
  package let source: ScrapeSource
  package internal(set) var timer: PollTimer
  package private(set) var statistics = PollStatistics()
  /// The states of the source's signals, in the same order.
  package private(set) var signals: [SignalState]
  /// When the last successful scrape was sent.
  package private(set) var pageSentAt: Nanoseconds?
  /// What the last page said about the endpoint's work; nil: no signal has a role.
  private(set) var work: WorkReading?
  /// How often a page showed that the process behind it had restarted.
  package private(set) var restartCount: UInt64 = 0
  /// The number of scrapes in a row that timed out.
  private(set) var timeoutsInRow = 0
  /// Whether any signal has a role.
  let hasRoles: Bool
  private var reader: PageReader

  init(
    _ source: ScrapeSource, interval: Nanoseconds, now: Nanoseconds, _ random: inout RandomSource
  ) {
    self.source = source
    timer = PollTimer(interval: interval, now: now, &random)
    signals = source.signals.map { _ in SignalState() }
    hasRoles = source.signals.contains { $0.role != nil }
    reader = PageReader(source, windowMax: Freshness.expiryAge(interval: interval))
  }

  /// The freshness of signal `index`.
  package func freshness(_ index: Int, now: Nanoseconds) -> Freshness {
    signals[index].freshness(now: now, interval: timer.interval)
  }

  /// Collects the signals that a law may use. Changes no state, like `EndpointState`'s method.
  mutating func gatherSignals(_ now: Nanoseconds, _ ratiosOnly: Bool, into found: inout [LawSignal])
  {
    for index in signals.indices {
      let freshness = freshness(index, now: now)
      guard freshness.isUsable, let value = signals[index].value,
        !ratiosOnly || source.signals[index].isRatio
      else { continue }
      found.append(
        LawSignal(
          name: source.signals[index].name, value: value, isStale: freshness == .stale,
          thresholds: source.signals[index].thresholds, isRatio: source.signals[index].isRatio))
    }
  }

  mutating func begin(
    serial: UInt64, timeout: Nanoseconds, now: Nanoseconds, _ random: inout RandomSource
  ) {
    timer.begin(serial: serial, timeout: timeout, now: now, &random)
    statistics.attempts += 1
  }

  mutating func setInterval(
    _ interval: Nanoseconds, now: Nanoseconds, _ random: inout RandomSource
  ) {
    timer.setInterval(interval, now: now, &random)
    reader.windowMax = Freshness.expiryAge(interval: interval)
  }

  /// Takes the end of an attempt.
  mutating func take(
    _ outcome: PollOutcome, of attempt: PollTimer.Attempt, now: Nanoseconds, wall: Nanoseconds
  ) {
    statistics.lastDuration = now - attempt.sentAt
    var isTimeout = false
    if case .failed(let failure) = outcome { isTimeout = failure.kind == .timeout }
    timeoutsInRow = isTimeout ? timeoutsInRow + 1 : 0
    switch outcome {
    case .failed(let failure): statistics.fail(failure)
    case .connected: break
    case .answered(200, let content, _): read(content, sentAt: attempt.sentAt, wall: wall)
    case .answered(let status, let content, _):
      statistics.fail(PollFailure(.status, "\(status): \(Wording.snippet(content))"))
    }
  }

  private mutating func read(
    _ content: UnsafeRawBufferPointer, sentAt: Nanoseconds, wall: Nanoseconds
  ) {
    do throws(PageError) {
      let page = try reader.read(content, sentAt: sentAt)
      statistics.parseErrors += UInt64(page.parseErrorCount)
      if let error = page.firstParseError { statistics.lastParseError = error }
      if page.didRestart { restartCount += 1 }
      for index in signals.indices {
        if page.didRestart { signals[index].restart() }
        signals[index].take(page.readings[index], sentAt: sentAt)
      }
      if hasRoles { work = workReading(page, sentAt: sentAt) }
      pageSentAt = sentAt
      statistics.succeed(wall: wall)
    } catch {
      statistics.fail(PollFailure(.badPage, error.detail))
    }
  }
}

extension ScrapeState {
  /// If several signals have the same role, the first one with a number counts.
  private func workReading(_ page: PageReading, sentAt: Nanoseconds) -> WorkReading {
    var work = WorkReading()
    work.window = pageSentAt.map { (sentAt - $0).seconds }
    func put(_ value: Double, _ path: WritableKeyPath<WorkReading, Double?>) {
      if work[keyPath: path] == nil { work[keyPath: path] = max(0, value) }
    }
    for (index, (spec, reading)) in zip(source.signals, page.readings).enumerated() {
      guard let role = spec.role, let value = reading.value else { continue }
      switch role {
      case .running: put(value, \.running)
      case .waiting: put(value, \.waiting)
      case .completions: if let window = work.window { put(value * window, \.completions) }
      case .failures: if let window = work.window { put(value * window, \.failures) }
      case .concurrency: break
      case .progress:
        if work.progress == nil { work.isProgressHeld = page.held.contains(index) }
        put(value, \.progress)
      }
    }
    return work
  }
}
