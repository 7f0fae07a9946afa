// One metrics page of one endpoint over time: its schedule, its counts, its signals.
package import Fleet
package import Primitives

package struct ScrapeState: Sendable {
  package let source: ScrapeSource
  package internal(set) var timer: ProbeTimer
  package private(set) var statistics = ProbeStatistics()
  /// One for each signal of the source, in its order.
  package private(set) var signals: [SignalState]
  /// When the last scrape that brought a page was sent.
  package private(set) var pageSentAt: Nanoseconds?
  private var reader: PageReader

  init(
    _ source: ScrapeSource, interval: Nanoseconds, now: Nanoseconds, _ random: inout RandomSource
  ) {
    self.source = source
    timer = ProbeTimer(interval: interval, now: now, &random)
    signals = source.signals.map { _ in SignalState() }
    reader = PageReader(source, windowMax: Freshness.expiryAge(interval: interval))
  }

  /// How far the number of signal `index` may be believed.
  package func freshness(_ index: Int, now: Nanoseconds) -> Freshness {
    signals[index].freshness(now: now, interval: timer.interval)
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

  /// Takes the end of the attempt.
  mutating func take(
    _ outcome: ProbeOutcome, of attempt: ProbeTimer.Attempt, now: Nanoseconds, wall: Nanoseconds
  ) {
    statistics.lastDuration = now - attempt.sentAt
    switch outcome {
    case .failed(let failure): statistics.fail(failure)
    case .answered(200, let content): read(content, sentAt: attempt.sentAt, wall: wall)
    case .answered(let status, let content):
      statistics.fail(ProbeFailure(.status, "\(status): \(Wording.snippet(content))"))
    }
  }

  private mutating func read(
    _ content: UnsafeRawBufferPointer, sentAt: Nanoseconds, wall: Nanoseconds
  ) {
    do throws(PageError) {
      let page = try reader.read(content, sentAt: sentAt)
      statistics.parseErrors += UInt64(page.parseErrorCount)
      if let error = page.firstParseError { statistics.lastParseError = error }
      for index in signals.indices {
        if page.didRestart { signals[index].restart() }
        signals[index].take(page.readings[index], sentAt: sentAt)
      }
      pageSentAt = sentAt
      statistics.succeed(wall: wall)
    } catch {
      statistics.fail(ProbeFailure(.badPage, error.detail))
    }
  }
}

/// The health probe of one endpoint.
package struct HealthProbe: Sendable {
  package internal(set) var timer: ProbeTimer
  package private(set) var statistics = ProbeStatistics()
  package private(set) var state = HealthState(isProbed: true)

  init(interval: Nanoseconds, now: Nanoseconds, _ random: inout RandomSource) {
    timer = ProbeTimer(interval: interval, now: now, &random)
  }

  mutating func begin(
    serial: UInt64, timeout: Nanoseconds, now: Nanoseconds, _ random: inout RandomSource
  ) {
    timer.begin(serial: serial, timeout: timeout, now: now, &random)
    statistics.attempts += 1
  }

  /// Takes the end of the attempt. What failed on our side says nothing of the endpoint.
  mutating func take(
    _ outcome: ProbeOutcome, of attempt: ProbeTimer.Attempt, _ policy: HealthPolicy,
    now: Nanoseconds, wall: Nanoseconds
  ) {
    statistics.lastDuration = now - attempt.sentAt
    switch outcome {
    case .answered(200...399, _):
      statistics.succeed(wall: wall)
      state.take(isSuccess: true, policy)
    case .answered(let status, let content):
      statistics.fail(ProbeFailure(.status, "\(status): \(Wording.snippet(content))"))
      state.take(isSuccess: false, policy)
    case .failed(let failure):
      statistics.fail(failure)
      if failure.kind != .local { state.take(isSuccess: false, policy) }
    }
  }
}
