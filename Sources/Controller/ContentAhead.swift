// How long an endpoint may stand still over the content of the requests that it was sent. A server
// that reads a long prompt shows nothing of it until it is read, and that takes as long as the
// prompt is long.
// What is learned is two numbers: the longest pause that ended by itself, which the clocks keep,
// and the most content that was answered in one interval. More content is given more time, in
// proportion. A pure value.

struct ContentAhead: Sendable, Equatable {
  /// Seconds that a byte may take where nothing is known: what a slow processor core needs.
  /// llama.cpp with SmolLM2-135M on one core: 1 125 tokens in 6 337 bytes in 11.6 s.
  static let secondsPerByteMax = 0.002
  /// No content is given more than this.
  static let secondsMax = 60.0

  /// The most that was answered in an interval, bytes; fades as pauses do.
  private(set) var answeredMax = 0.0
  private var answered = 0.0
  private var answeredFor = 0.0
  /// What came since the last page, and between the one before and that.
  private var arrivedNow = 0.0
  private var arrivedBefore = 0.0
  /// Whether the last page, or the one before, said that requests wait.
  private var queuesNow = false
  private var queuedBefore = false
  /// Sent since the tick before, bytes.
  private(set) var arrivals = 0.0
  /// Of the requests in flight, what may not have been read yet, bytes.
  private(set) var unread = 0.0

  /// `learns`: it is not suspected of anything.
  mutating func take(
    _ now: WatchdogReading, after last: WatchdogReading, passed: Double, isNewPage: Bool,
    learns: Bool
  ) {
    answeredMax -= answeredMax * min(1, passed / StillClock.tau)
    answered += max(0, now.answeredBytes - last.answeredBytes)
    answeredFor += passed
    if answeredFor >= now.interval {
      // A tick that came late has more than one interval's answers.
      if learns { answeredMax = max(answeredMax, answered * min(1, now.interval / answeredFor)) }
      (answered, answeredFor) = (0, 0)
    }
    if isNewPage {
      (arrivedBefore, arrivedNow) = (arrivedNow, 0)
      (queuedBefore, queuesNow) = (queuesNow, now.page?.isQueueing == true)
    }
    arrivals = max(0, now.startedBytes - last.startedBytes)
    arrivedNow += arrivals
    // What came earlier was read while the counter moved, unless it waited for its turn.
    let isAllRead = now.page != nil && !queuesNow && !queuedBefore
    unread =
      isAllRead ? min(now.outstandingBytes, arrivedBefore + arrivedNow) : now.outstandingBytes
  }

  /// How long that much content may take. `pause`: the longest that it was still and went on;
  /// pauses shorter than `interval` are not seen.
  func seconds(_ bytes: Double, pause: Double, interval: Double) -> Double {
    var perByte = Self.secondsPerByteMax
    if answeredMax > 0 {
      let slowest = max(perByte, (pause - interval) / answeredMax)
      perByte = min(slowest, max(pause, interval) / answeredMax)
    }
    return min(bytes * perByte, Self.secondsMax)
  }
}
