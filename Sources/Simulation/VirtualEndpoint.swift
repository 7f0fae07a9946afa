// A virtual inference server: a batch with a FIFO queue, processor sharing, or an engine that goes
// step by step (EngineBatch). Of the first two all that runs
// advances at one rate, so a job's end is a mark on a common progress clock and a change of speed
// touches no job (the virtual time of generalised processor sharing).
// Invariant: at most `slots` jobs of a batch run; one waits only while all slots run.
import Primitives

struct VirtualEndpoint {
  struct Job: HeapElement {
    let request: Int
    /// The progress at which it is done.
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
  /// Of `service: engine`; then nothing is in `running` and `queue`.
  private(set) var engine: EngineBatch?
  private var running = BinaryHeap<Job>()
  private var queue: [Waiting] = []
  private var queueHead = 0
  private var progress = 0.0
  private var advancedTo = Nanoseconds.zero
  private var speedFactor = 1.0
  /// Changes whenever the next completion does.
  private(set) var generation: UInt64 = 0

  // What its page says.
  private(set) var completedCount = 0
  private(set) var secondsSum = 0.0
  /// Integral of the busy share of slots over time, seconds.
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

  /// Work in seconds that it does in a second now: of one slot, or all of it where it shares.
  var currentSpeed: Double {
    (group.service == .sharing ? group.capacity : group.speed) * speedFactor
  }

  /// Progress a second of each running job.
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

  /// Takes a request; false where the queue is full.
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

  /// The same for an engine; false where no more may wait.
  mutating func arrive(
    _ request: Int, prompt: Int, output: Int, now: Nanoseconds
  ) -> Bool {
    advance(now)
    guard waitingCount < group.queueMax else { return false }
    if engine?.isStepping == false { generation += 1 }
    engine?.arrive(request, prompt: prompt, output: output, now: now)
    return true
  }

  /// When the next job ends, or an engine's step; nil where nothing moves.
  func nextCompletion(now: Nanoseconds) -> Nanoseconds? {
    if group.service == .engine {
      guard let left = engine?.untilStepEnds, currentSpeed > 0 else { return nil }
      let rest = max(0, left / currentSpeed - max(0, (now - advancedTo).seconds))
      return now + Nanoseconds(Int64((rest * 1e9).rounded(.up)) + 1)
    }
    guard let first = running.first, rate > 0 else { return nil }
    let left = max(0, first.mark - progress - max(0, (now - advancedTo).seconds) * rate)
    // Rounded up, so that the job is done then.
    return now + Nanoseconds(Int64((left / rate * 1e9).rounded(.up)) + 1)
  }

  /// The job whose end is now. Requires: `nextCompletion` said so, for this generation.
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

  /// Ends the step whose end is now. Requires: an engine, and `nextCompletion` said so, for this
  /// generation.
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

  /// Forgets a request whose client has gone.
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

  /// The process dies: gives the requests that it had. Its counters begin anew.
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

  /// An answer that took no slot.
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

  /// Brings the integrals up to date.
  mutating func settle(now: Nanoseconds) { advance(now) }
}
