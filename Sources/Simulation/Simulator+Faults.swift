// The faults of virtual endpoints, and what their pages show during them.
import Balancer
import Primitives

extension Simulator {
  /// What an endpoint's page shows now.
  mutating func sample(_ index: Int, _ now: Nanoseconds) -> EndpointSample {
    endpoints[index].settle(now: now)
    let endpoint = endpoints[index]
    let condition = conditions[index]
    var sample = EndpointSample(startedAt: condition.startedAt)
    if condition.isMissing { return sample }
    let unit = condition.isNaN ? Double.nan : 1
    if scenario.hasGauges, endpoint.group.pageWorkers == 1 {
      sample.running = unit * Double(endpoint.runningCount) * condition.lie
      sample.waiting =
        unit * (Double(endpoint.waitingCount) * condition.lie + Double(condition.queueLie))
    }
    let counts = unit * Double(endpoint.group.pageCounts)
    let (completed, seconds) =
      pages[index].next() ?? (endpoint.completedCount, endpoint.secondsSum)
    sample.completed = counts * Double(completed + condition.failedCount)
    sample.failed = counts * Double(condition.failedCount)
    sample.seconds = counts * seconds
    sample.busySeconds = unit * endpoint.busySeconds
    if let engine = endpoint.engine {
      sample.cacheRatio = unit * engine.cacheRatio
      sample.steps = unit * Double(engine.stepCount)
      sample.tokens = unit * Double(engine.tokenCount)
      return sample
    }
    // Running requests use nine tenths of a KV cache, waiting ones some of the remaining tenth.
    let full = 0.9 * Double(endpoint.runningCount) / Double(endpoint.group.slots)
    sample.cacheRatio = min(1, full + 0.02 * Double(min(endpoint.waitingCount, 5)))
    return sample
  }

  mutating func apply(_ fault: Fault, isBegin: Bool, _ now: Nanoseconds) {
    for index in fault.endpoints where conditions.indices.contains(index) {
      switch fault.kind {
      case .slow(let factor): conditions[index].slowFactor = isBegin ? factor : 1
      case .antagonist(let range):
        conditions[index].antagonist = isBegin ? range : nil
        conditions[index].antagonistFactor = 1
        if isBegin { queue.push(Event(.antagonist, at: now, index: index)) }
      case .hang: conditions[index].isHanging = isBegin
      case .fail(let ratio): conditions[index].failRatio = isBegin ? ratio : 0
      case .reject(let ratio, let status, let after):
        conditions[index].rejectRatio = isBegin ? ratio : 0
        conditions[index].rejectOutcome = status == 429 ? .overloaded(.zero) : .rejected
        conditions[index].rejectDelay = .seconds(after)
      case .dead(let coldSeconds): setDead(index, isBegin, cold: coldSeconds, now)
      case .metricsReset:
        if isBegin {
          endpoints[index].resetCounters()
          conditions[index].failedCount = 0
        }
      case .metricsNaN: conditions[index].isNaN = isBegin
      case .metricsMissing: conditions[index].isMissing = isBegin
      case .metricsLie(let factor): conditions[index].lie = isBegin ? factor : 1
      case .metricsQueue(let count): conditions[index].queueLie = isBegin ? count : 0
      }
      setSpeed(index, now)
    }
  }

  private mutating func setSpeed(_ index: Int, _ now: Nanoseconds) {
    let condition = conditions[index]
    var factor = condition.antagonistFactor / condition.slowFactor
    if let start = condition.coldStart, condition.coldSeconds > 0 {
      factor *= min(1, 0.1 + 0.9 * (now - start).seconds / condition.coldSeconds)
    }
    if condition.isHanging || condition.isDead { factor = 0 }
    endpoints[index].setSpeed(factor, now: now)
    if factor > 0, let at = endpoints[index].nextCompletion(now: now) {
      queue.push(Event(.completion, at: at, index: index, stamp: endpoints[index].generation))
    }
  }

  /// On for 5 s and off for 10 s on average.
  mutating func antagonise(_ index: Int, _ now: Nanoseconds) {
    guard let range = conditions[index].antagonist else { return }
    let isOn = conditions[index].antagonistFactor == 1
    conditions[index].antagonistFactor =
      isOn ? range.lowerBound + world.unit() * (range.upperBound - range.lowerBound) : 1
    setSpeed(index, now)
    let mean = isOn ? 5.0 : 10
    let next = now + .seconds(mean * (0.2 + 1.6 * world.unit()))
    queue.push(Event(.antagonist, at: next, index: index))
  }

  private mutating func setDead(_ index: Int, _ isBegin: Bool, cold: Double, _ now: Nanoseconds) {
    conditions[index].isDead = isBegin
    guard isBegin else {
      conditions[index].startedAt = now.seconds
      conditions[index].failedCount = 0
      conditions[index].coldStart = now
      conditions[index].coldSeconds = cold
      queue.push(Event(.warmth, at: now + .milliseconds(500), index: index))
      return
    }
    for id in endpoints[index].die(now: now) { cut(id, now) }
    // Requests that take no slot are in no queue of the endpoint.
    for id in requests.indices {
      guard let request = requests[id], request.endpoint == index else { continue }
      if !request.takesSlot, !request.isRead { cut(id, now) }
    }
  }

  /// A step of the warm-up.
  mutating func warm(_ index: Int, _ now: Nanoseconds) {
    guard let start = conditions[index].coldStart, !conditions[index].isDead else { return }
    setSpeed(index, now)
    if (now - start).seconds < conditions[index].coldSeconds {
      queue.push(Event(.warmth, at: now + .milliseconds(500), index: index))
    } else {
      conditions[index].coldStart = nil
    }
  }
}
