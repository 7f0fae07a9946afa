// The inference server of demonstrations: the queue of the simulator (`ServiceQueue`) with the ways
// in which servers fail. Pure: time is an argument; the driver gives it sockets.
package import Primitives
import Simulation

package struct VirtualServer: Sendable {
  /// The behaviour of the server.
  package enum Mode: Sendable, Equatable {
    case healthy
    /// Works, slower by this factor.
    case slow(Double)
    /// Works, but cold: from a tenth of its speed up to full speed over this time from now on.
    case warming(Nanoseconds)
    /// Accepts requests and answers none; its health page still says 200.
    case hanging
    /// Answers 500 at once.
    case failing
    /// Answers 404 at once: what was asked for does not exist.
    case rejecting
    /// Closed: the driver refuses connections.
    case dead

    package var label: String {
      switch self {
      case .healthy: "healthy"
      case .slow: "slow"
      case .warming: "warming"
      case .hanging: "hanging"
      case .failing: "failing"
      case .rejecting: "rejecting"
      case .dead: "dead"
      }
    }
  }

  /// The units of work per second of each slot.
  package let speed: Double
  private let fullCacheRatio: Double
  private static let coldRatio = 0.1

  package private(set) var mode = Mode.healthy
  private var warmUp: WarmUp?
  private var queue: ServiceQueue<UInt64>
  private var advancedTo: Nanoseconds
  package private(set) var finishedCount: UInt64 = 0

  /// `fullCacheRatio` is the share of its cache that a full batch uses. Requires: speed > 0, slots
  /// > 0.
  package init(
    speed: Double, slots: Int, queueMax: Int, fullCacheRatio: Double = 0.9, now: Nanoseconds
  ) {
    self.fullCacheRatio = fullCacheRatio
    self.speed = speed
    queue = ServiceQueue(slots: slots, waitingMax: queueMax)
    advancedTo = now
  }

  package var slots: Int { queue.slots }
  package var runningCount: Int { queue.runningCount }
  package var waitingCount: Int { queue.waitingCount }
  /// Like a paged key-value cache: running requests use most of it, waiting ones a part of the
  /// remainder.
  package var cacheRatio: Double {
    let batchRatio = Double(runningCount) / Double(slots)
    return min(1, fullCacheRatio * batchRatio + 0.02 * Double(min(waitingCount, 5)))
  }

  private var rate: Double {
    switch mode {
    case .healthy, .failing, .rejecting, .warming: speed
    case .slow(let factor): speed / factor
    case .hanging, .dead: 0
    }
  }

  /// Takes a request; returns false if the queue is full. Requires: `advance` was called for `now`.
  package mutating func arrive(_ id: UInt64, work: Double, now: Nanoseconds) -> Bool {
    queue.arrive(id, work: work, now: now)
  }

  /// Works until `now`; returns the finished requests in order.
  package mutating func advance(to now: Nanoseconds) -> [UInt64] {
    var finished: [UInt64] = []
    while rate > 0, let next = nextFinish, next <= now {
      work(until: next)
      // Of rounding to nanoseconds a part may be left.
      queue.advance(by: queue.untilNext ?? 0)
      guard let job = queue.complete() else { break }
      finished.append(job.id)
      finishedCount += 1
    }
    work(until: now)
    return finished
  }

  private mutating func work(until now: Nanoseconds) {
    guard now > advancedTo else { return }
    let seconds = warmUp?.work(from: advancedTo, to: now) ?? (now - advancedTo).seconds
    advancedTo = now
    queue.advance(by: min(seconds * rate, queue.untilNext ?? 0))
  }

  private var nextFinish: Nanoseconds? {
    guard let left = queue.untilNext else { return nil }
    let seconds = min(left / max(rate, 1e-9), 1e6)
    return warmUp?.instant(after: seconds, from: advancedTo) ?? advancedTo + .seconds(seconds)
  }

  /// The next time at which `advance` changes something; nil: nothing is running.
  package var nextEvent: Nanoseconds? { rate > 0 ? nextFinish : nil }

  /// The finished share of a request's work, 0…1; 0 while it waits, nil: the request is unknown.
  package func progress(_ id: UInt64) -> Double? { queue.share(id) }

  /// Removes a request whose client has gone.
  package mutating func cancel(_ id: UInt64) { _ = queue.cancel(id) }

  /// Changes the behaviour from now on. Running requests keep their remaining work; a dead server
  /// forgets everything. Requires: `advance` was called for now; a time above 0.
  package mutating func set(_ mode: Mode) {
    self.mode = mode
    warmUp = nil
    if case .warming(let span) = mode {
      warmUp = WarmUp(start: advancedTo, span: span, firstRatio: Self.coldRatio)
    }
    if mode == .dead { queue.removeAll() }
  }
}
