// An inference server as a queue: a number of slots that work at the same time (a batch), while
// other requests wait, first come, first served. Pure: time is an argument; the driver gives it
// sockets.
// Invariant: at most `slots` requests run; one waits only while all slots are taken.
package import Primitives

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

  struct Job: Sendable {
    let id: UInt64
    let work: Double
    /// The remaining part of `work`; 0 when it is done.
    var remaining: Double
    let arrivedAt: Nanoseconds
  }

  /// The units of work per second of each slot.
  package let speed: Double
  package let slots: Int
  private let queueMax: Int
  private let fullCacheRatio: Double
  private static let coldRatio = 0.1

  package private(set) var mode = Mode.healthy
  private var warmUp: WarmUp?
  private(set) var running: [Job] = []
  private(set) var waiting: [Job] = []
  private var advancedTo: Nanoseconds
  package private(set) var finishedCount: UInt64 = 0

  /// `fullCacheRatio` is the share of its cache that a full batch uses. Requires: speed > 0, slots
  /// > 0.
  package init(
    speed: Double, slots: Int, queueMax: Int, fullCacheRatio: Double = 0.9, now: Nanoseconds
  ) {
    self.fullCacheRatio = fullCacheRatio
    self.speed = speed
    self.slots = slots
    self.queueMax = queueMax
    advancedTo = now
  }

  package var runningCount: Int { running.count }
  package var waitingCount: Int { waiting.count }
  /// Like a paged key-value cache: running requests use most of it, waiting ones a part of the
  /// remainder.
  package var cacheRatio: Double {
    let batchRatio = Double(running.count) / Double(slots)
    return min(1, fullCacheRatio * batchRatio + 0.02 * Double(min(waiting.count, 5)))
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
    let job = Job(id: id, work: work, remaining: work, arrivedAt: now)
    if running.count < slots {
      running.append(job)
    } else {
      guard waiting.count < queueMax else { return false }
      waiting.append(job)
    }
    return true
  }

  /// Works until `now`; returns the finished requests in order.
  package mutating func advance(to now: Nanoseconds) -> [UInt64] {
    var finished: [UInt64] = []
    while rate > 0, let next = nextFinish, next.at <= now {
      work(until: next.at)
      finished.append(running.remove(at: next.index).id)
      finishedCount += 1
      if !waiting.isEmpty { running.append(waiting.removeFirst()) }
    }
    work(until: now)
    return finished
  }

  private mutating func work(until now: Nanoseconds) {
    guard now > advancedTo else { return }
    let seconds = warmUp?.work(from: advancedTo, to: now) ?? (now - advancedTo).seconds
    let amount = seconds * rate
    advancedTo = now
    for index in running.indices {
      running[index].remaining = max(0, running[index].remaining - amount)
    }
  }

  private var nextFinish: (index: Int, at: Nanoseconds)? {
    guard let index = running.indices.min(by: { running[$0].remaining < running[$1].remaining })
    else { return nil }
    let seconds = min(running[index].remaining / max(rate, 1e-9), 1e6)
    if let warmUp { return (index, warmUp.instant(after: seconds, from: advancedTo)) }
    return (index, advancedTo + .seconds(seconds))
  }

  /// The next time at which `advance` changes something; nil: nothing is running.
  package var nextEvent: Nanoseconds? { rate > 0 ? nextFinish?.at : nil }

  /// The finished share of a request's work, 0…1; 0 while it waits, nil: the request is unknown.
  package func progress(_ id: UInt64) -> Double? {
    if let job = running.first(where: { $0.id == id }) { return 1 - job.remaining / job.work }
    return waiting.contains { $0.id == id } ? 0 : nil
  }

  /// Removes a request whose client has gone.
  package mutating func cancel(_ id: UInt64) {
    waiting.removeAll { $0.id == id }
    guard let index = running.firstIndex(where: { $0.id == id }) else { return }
    running.remove(at: index)
    if !waiting.isEmpty { running.append(waiting.removeFirst()) }
  }

  /// Changes the behaviour from now on. Running requests keep their remaining work; a dead server
  /// forgets everything. Requires: `advance` was called for now; a time above 0.
  package mutating func set(_ mode: Mode) {
    self.mode = mode
    warmUp = nil
    if case .warming(let span) = mode {
      warmUp = WarmUp(start: advancedTo, span: span, firstRatio: Self.coldRatio)
    }
    if mode == .dead {
      running = []
      waiting = []
    }
  }
}
