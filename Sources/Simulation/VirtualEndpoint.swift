// A virtual inference server: a batch with a FIFO queue, processor sharing, or an engine that runs
// step by step (EngineBatch). In the first two, all running jobs advance at the same rate, so that
// a job's end is a mark on a common progress clock and a change of speed touches no job (the
// virtual time of generalised processor sharing).
// Invariant: at most `slots` jobs of a batch run; a job waits only while all slots are taken.
import Primitives

struct VirtualEndpoint {
  struct Job: HeapElement {
    let request: Int
    /// The progress at which the job is done.
    let mark: Double
    let arrivedAt: Nanoseconds

    func isBefore(_ other: Job) -> Bool { mark < other.mark }
  }
  private struct Waiting {
    let request: Int
    let work: Double
    let arrivedAt: Nanoseconds
  }

  let group: EndpointGroup
  /// For `service: engine`; `running` and `queue` are empty then.
  private(set) var engine: EngineBatch?
  private var running = BinaryHeap<Job>()
  private var queue: [Waiting] = []
  private var queueHead = 0
  private var progress = 0.0
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
    if group.service == .engine { engine = EngineBatch(cacheTokens: group.cacheSize) }
  }

  var runningCount: Int {
    switch group.service {
    case .batch: running.count
    case .sharing: min(running.count, 1)
    case .engine: engine?.runningCount ?? 0
    }
  }
  var waitingCount: Int { totalCount - runningCount }
  var totalCount: Int { engine?.totalCount ?? running.count + queue.count - queueHead }

  /// The work in seconds that it does per second now: of one slot, or in all if it shares its
  /// speed.
  var currentSpeed: Double {
    (group.service == .sharing ? group.capacity : group.speed) * speedFactor
  }

  /// The progress per second of each running job.
  private var rate: Double {
    let speed = group.speed * speedFactor
    guard group.service == .sharing, !running.isEmpty else { return speed }
    return speed * Double(group.slots) / Double(running.count)
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
    guard !running.isEmpty else { return }
    progress += seconds * rate
    let busy = group.service == .batch ? Double(running.count) / Double(group.slots) : 1
    busySeconds += seconds * busy
  }

  /// Takes a request; returns false if the queue is full.
  mutating func arrive(_ request: Int, work: Double, now: Nanoseconds) -> Bool {
    advance(now)
    if group.service == .sharing || running.count < group.slots {
      running.insert(Job(request: request, mark: progress + work, arrivedAt: now))
      generation += 1
      return true
    }
    guard queue.count - queueHead < group.queueMax else { return false }
    queue.append(Waiting(request: request, work: work, arrivedAt: now))
    return true
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
    guard let first = running.first, rate > 0 else { return nil }
    let left = max(0, first.mark - progress - max(0, (now - advancedTo).seconds) * rate)
    // Rounded up, so that the job is done at that time.
    return now + Nanoseconds(Int64((left / rate * 1e9).rounded(.up)) + 1)
  }

  /// The job that ends now. Requires: `nextCompletion` returned this time for this generation.
  mutating func complete(now: Nanoseconds) -> Job? {
    advance(now)
    guard let first = running.first, first.mark <= progress + 1e-9 else {
      generation += 1
      return nil
    }
    running.remove(at: 0)
    completedCount += 1
    secondsSum += (now - first.arrivedAt).seconds
    startNext()
    generation += 1
    return first
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

  private mutating func startNext() {
    while running.count < group.slots, queueHead < queue.count {
      let next = queue[queueHead]
      queueHead += 1
      running.insert(
        Job(request: next.request, mark: progress + next.work, arrivedAt: next.arrivedAt))
    }
    if queueHead > 1_024, queueHead * 2 > queue.count {
      queue.removeFirst(queueHead)
      queueHead = 0
    }
  }

  /// Removes a request whose client has gone.
  mutating func cancel(_ request: Int, now: Nanoseconds) {
    advance(now)
    engine?.cancel(request)
    if let index = queue[queueHead...].firstIndex(where: { $0.request == request }) {
      queue.remove(at: index)
    } else if let index = running.elements.firstIndex(where: { $0.request == request }) {
      running.remove(at: index)
      startNext()
      generation += 1
    }
  }

  /// The process dies: returns the requests it had. Its counters are reset.
  mutating func die(now: Nanoseconds) -> [Int] {
    advance(now)
    let stepped = engine?.die() ?? []
    let all = stepped + running.elements.map(\.request) + queue[queueHead...].map(\.request)
    running.removeAll()
    queue = []
    queueHead = 0
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
