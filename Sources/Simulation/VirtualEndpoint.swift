// A virtual inference server: a batch with a queue or processor sharing (`ServiceQueue`), or an
// engine that runs step by step (`EngineBatch`).
import Primitives

struct VirtualEndpoint {
  typealias Job = ServiceQueue<Int>.Job

  let group: EndpointGroup
  /// For `service: engine`; `queue` is empty then.
  private(set) var engine: EngineBatch?
  private var queue: ServiceQueue<Int>
  private var advancedTo = Nanoseconds.zero
  private var speedFactor = 1.0
  /// Changes whenever the next completion changes.
  private(set) var generation: UInt64 = 0

  // The numbers on its page.
  private(set) var completedCount = 0
  private(set) var secondsSum = 0.0
  /// The integral over time of the busy share of slots, seconds.
  private(set) var busySeconds = 0.0

  init(_ group: EndpointGroup) {
    self.group = group
    queue = ServiceQueue(
      slots: group.service == .sharing ? .max : group.slots, waitingMax: group.queueMax)
    if group.service == .engine { engine = EngineBatch(cacheTokens: group.cacheSize) }
  }

  var runningCount: Int {
    switch group.service {
    case .batch: queue.runningCount
    case .sharing: min(queue.runningCount, 1)
    case .engine: engine?.runningCount ?? 0
    }
  }
  var waitingCount: Int { totalCount - runningCount }
  var totalCount: Int { engine?.totalCount ?? queue.runningCount + queue.waitingCount }

  /// The work in seconds that it does per second now: of one slot, or in all if it shares its
  /// speed.
  var currentSpeed: Double {
    (group.service == .sharing ? group.capacity : group.speed) * speedFactor
  }

  /// The progress per second of each running job.
  private var rate: Double {
    let speed = group.speed * speedFactor
    guard group.service == .sharing, queue.runningCount > 0 else { return speed }
    return speed * Double(group.slots) / Double(queue.runningCount)
  }

  mutating func setSpeed(_ factor: Double, now: Nanoseconds) {
    advance(now)
    speedFactor = factor
    generation += 1
  }

  private mutating func advance(_ now: Nanoseconds) {
    let seconds = max(0, (now - advancedTo).seconds)
    advancedTo = now
    if engine?.isStepping == true {
      let done = seconds * currentSpeed
      engine?.advance(done)
      busySeconds += seconds
    }
    guard queue.runningCount > 0 else { return }
    queue.advance(by: seconds * rate)
    let busy = group.service == .batch ? Double(queue.runningCount) / Double(group.slots) : 1
    busySeconds += seconds * busy
  }

  /// Takes a request; returns false if the queue is full.
  mutating func arrive(_ request: Int, work: Double, now: Nanoseconds) -> Bool {
    advance(now)
    let runningCount = queue.runningCount
    let isTaken = queue.arrive(request, work: work, now: now)
    if queue.runningCount != runningCount { generation += 1 }
    return isTaken
  }

  /// The same for an engine; returns false if no more requests may wait.
  mutating func arrive(
    _ request: Int, prompt: Int, output: Int, now: Nanoseconds
  ) -> Bool {
    advance(now)
    guard waitingCount < group.queueMax else { return false }
    if engine?.isStepping == false { generation += 1 }
    engine?.arrive(request, prompt: prompt, output: output, now: now)
    return true
  }

  /// When the next job, or an engine's step, ends; nil: nothing is running.
  func nextCompletion(now: Nanoseconds) -> Nanoseconds? {
    if group.service == .engine {
      guard let left = engine?.untilStepEnds, currentSpeed > 0 else { return nil }
      let rest = max(0, left / currentSpeed - max(0, (now - advancedTo).seconds))
      return now + Nanoseconds(Int64((rest * 1e9).rounded(.up)) + 1)
    }
    guard let next = queue.untilNext, rate > 0 else { return nil }
    let left = max(0, next - max(0, (now - advancedTo).seconds) * rate)
    // Rounded up, so that the job is done at that time.
    return now + Nanoseconds(Int64((left / rate * 1e9).rounded(.up)) + 1)
  }

  /// The job that ends now. Requires: `nextCompletion` returned this time for this generation.
  mutating func complete(now: Nanoseconds) -> Job? {
    advance(now)
    generation += 1
    guard let job = queue.complete() else { return nil }
    completedCount += 1
    secondsSum += (now - job.arrivedAt).seconds
    return job
  }

  /// Ends the step that ends now. Requires: an engine, and `nextCompletion` returned this time for
  /// this generation.
  mutating func endStep(now: Nanoseconds) {
    advance(now)
    engine?.endStep()
    generation += 1
    for sequence in engine?.ended ?? [] {
      completedCount += 1
      secondsSum += (now - sequence.arrivedAt).seconds
    }
  }

  /// Removes a request whose client has gone.
  mutating func cancel(_ request: Int, now: Nanoseconds) {
    advance(now)
    engine?.cancel(request)
    if queue.cancel(request) { generation += 1 }
  }

  /// The process dies: returns the requests it had. Its counters are reset.
  mutating func die(now: Nanoseconds) -> [Int] {
    advance(now)
    let stepped = engine?.die() ?? []
    let all = stepped + queue.runningIDs + queue.waitingIDs
    queue.removeAll()
    generation += 1
    resetCounters()
    return all
  }

  /// Counts an answer to a request that took no slot.
  mutating func countAnswer(_ duration: Nanoseconds) {
    completedCount += 1
    secondsSum += duration.seconds
  }

  mutating func resetCounters() {
    completedCount = 0
    secondsSum = 0
    busySeconds = 0
    engine?.resetCounters()
  }

  /// Updates the integrals.
  mutating func settle(now: Nanoseconds) { advance(now) }
}
