// How long an endpoint may make no progress while it reads the content of requests. A server that
// reads a long prompt shows no sign of work until it has read it, for a time proportional to the
// prompt's length. Two numbers are learned: the longest pause that ended by itself, which the
// clocks keep, and the most content that was answered in one interval. More content is allowed more
// time, in proportion.
// A pure value.

struct ContentAhead: Sendable, Equatable {
  /// The default for seconds per byte, from a slow processor core: llama.cpp with SmolLM2-135M on
  /// one core takes 11.6 s for 1 125 tokens in 6 337 bytes.
  static let secondsPerByteMax = 0.002
  /// The most time that content is allowed, seconds.
  static let secondsMax = 60.0

  /// The most content answered in one interval, bytes; decays as pauses do.
  private(set) var answeredMax = 0.0
  private var answered = 0.0
  private var answeredFor = 0.0
  /// The content received since the last page that showed progress, and between the last two.
  private var arrivedNow = 0.0
  private var arrivedBefore = 0.0
  /// Whether the last page, or the one before, said that requests wait.
  private var queuesNow = false
  private var queuedBefore = false
  /// The content sent since the previous tick, bytes.
  private(set) var arrivals = 0.0
  /// The content of requests in flight that the endpoint may not have read yet, bytes.
  private(set) var unread = 0.0

  /// Takes a reading. `isNewPage`: its page was not seen before; `moves`: the work counter moved on
  /// that page; `learns`: the endpoint is not suspected of a stall.
  mutating func take(
    _ now: WatchdogReading, after last: WatchdogReading, passed: Double, isNewPage: Bool,
    moves: Bool, learns: Bool
  ) {
    answeredMax -= answeredMax * min(1, passed / StillClock.tau)
    answered += max(0, now.answeredBytes - last.answeredBytes)
    answeredFor += passed
    if answeredFor >= now.interval {
      // A late tick holds the answers of more than one interval.
      if learns { answeredMax = max(answeredMax, answered * min(1, now.interval / answeredFor)) }
      (answered, answeredFor) = (0, 0)
    }
    // Without progress nothing was read: a busy server may not even have begun with a request that
    // it was sent several pages ago.
    if moves { (arrivedBefore, arrivedNow) = (arrivedNow, 0) }
    if isNewPage { (queuedBefore, queuesNow) = (queuesNow, now.page?.isQueueing == true) }
    arrivals = max(0, now.startedBytes - last.startedBytes)
    arrivedNow += arrivals
    // Earlier content was read while the counter moved, unless the request waited in a queue.
    let isAllRead = now.page != nil && !queuesNow && !queuedBefore
    unread =
      isAllRead ? min(now.outstandingBytes, arrivedBefore + arrivedNow) : now.outstandingBytes
  }

  /// The time that this much content may take, seconds. `pause`: the longest pause after which the
  /// endpoint went on; pauses shorter than `interval` are not seen.
  func seconds(_ bytes: Double, pause: Double, interval: Double) -> Double {
    var perByte = Self.secondsPerByteMax
    if answeredMax > 0 {
      let slowest = max(perByte, (pause - interval) / answeredMax)
      perByte = min(slowest, max(pause, interval) / answeredMax)
    }
    return min(bytes * perByte, Self.secondsMax)
  }
}
