// The virtual endpoint beside a dumb model that walks through time in small steps and gives every
// job its share of each.
import Primitives
import Testing

@testable import Simulation

/// Serves what it has, step by step.
private struct DumbEndpoint {
  struct Job {
    let request: Int
    var left: Double
  }
  let group: EndpointGroup
  var factor = 1.0
  private(set) var jobs: [Job] = []
  private(set) var busySeconds = 0.0

  init(_ group: EndpointGroup) { self.group = group }

  var count: Int { jobs.count }

  mutating func arrive(_ request: Int, _ work: Double) {
    jobs.append(Job(request: request, left: work))
  }

  mutating func remove(_ request: Int) -> Bool {
    guard let index = jobs.firstIndex(where: { $0.request == request }) else { return false }
    jobs.remove(at: index)
    return true
  }

  mutating func removeAll() -> [Int] {
    defer { jobs = [] }
    return jobs.map(\.request)
  }

  /// The requests that end in the step.
  mutating func step(_ seconds: Double) -> [Int] {
    let served = group.service == .batch ? min(jobs.count, group.slots) : jobs.count
    guard served > 0 else { return [] }
    let speed = group.speed * factor
    let share = group.service == .batch ? speed : speed * Double(group.slots) / Double(served)
    busySeconds += seconds * (group.service == .batch ? Double(served) / Double(group.slots) : 1)
    var ended: [Int] = []
    for index in 0..<served {
      jobs[index].left -= share * seconds
      if jobs[index].left <= 0 { ended.append(jobs[index].request) }
    }
    jobs.removeAll { ended.contains($0.request) }
    return ended
  }
}

@Suite struct VirtualEndpointTests {
  private static let step = Nanoseconds(50_000)
  /// Each end is rounded up to a step; a busy period has dozens, one after the other.
  private static let tolerance = 0.006

  private enum Change {
    case arrival(Int, work: Double)
    case speed(Double)
    case cancel(Int)
    case death
  }

  private static func script(_ random: inout RandomSource) -> [(at: Nanoseconds, Change)] {
    var script: [(at: Nanoseconds, Change)] = []
    var at = 0
    for request in 0..<60 {
      at += Int(random.between(0, 800))
      let work = random.between(0.005, 0.15)
      script.append((Nanoseconds(Int64(at)) * step, .arrival(request, work: work)))
      switch random.index(below: 12) {
      case 0: script.append((Nanoseconds(Int64(at + 14)) * step, .speed(random.between(0.3, 2))))
      case 1: script.append((Nanoseconds(Int64(at + 14)) * step, .cancel(request)))
      case 2:
        let other = random.index(below: request + 1)
        script.append((Nanoseconds(Int64(at + 18)) * step, .cancel(other)))
      case 3 where request == 40: script.append((Nanoseconds(Int64(at + 22)) * step, .death))
      default: break
      }
      at += 24
    }
    return script
  }

  @Test(arguments: [Service.batch, .sharing], [1, 3])
  func endsAreThoseOfADumbModel(_ service: Service, _ slots: Int) throws {
    for seed in UInt64(1)...8 {
      var random = RandomSource(seed: seed)
      let speed = random.between(0.5, 2)
      try compare(
        group(1, speed: speed, service, slots: slots), Self.script(&random), "seed \(seed)")
    }
  }

  private func compare(
    _ group: EndpointGroup, _ script: [(at: Nanoseconds, Change)], _ name: String
  ) throws {
    var real = VirtualEndpoint(group)
    var dumb = DumbEndpoint(group)
    var (realEnds, dumbEnds): ([Int: Double], [Int: Double]) = ([:], [:])
    var gone: [Int: Double] = [:]
    var rest = script[...]
    var now = Nanoseconds.zero
    while !rest.isEmpty || real.totalCount > 0 || dumb.count > 0 {
      while let next = rest.first, next.at <= now {
        rest.removeFirst()
        switch next.1 {
        case .arrival(let request, let work):
          let isTaken = real.arrive(request, work: work, now: now)
          #expect(isTaken)
          dumb.arrive(request, work)
        case .speed(let factor):
          real.setSpeed(factor, now: now)
          dumb.factor = factor
        case .cancel(let request):
          real.cancel(request, now: now)
          _ = dumb.remove(request)
          gone[request] = now.seconds
        case .death:
          let (died, meant) = (real.die(now: now), dumb.removeAll())
          for request in died + meant { gone[request] = now.seconds }
          #expect(real.totalCount == 0)
        }
      }
      var clock = now
      now = now + Self.step
      while let at = real.nextCompletion(now: clock), at <= now {
        clock = at
        if let job = real.complete(now: at) { realEnds[job.id] = at.seconds }
      }
      for request in dumb.step(Self.step.seconds) { dumbEnds[request] = now.seconds }
      try #require(now < .seconds(120), "\(name): something never ends")
    }
    for request in Set(realEnds.keys).union(dumbEnds.keys) {
      // Where one of the two was a little faster than the client's leaving.
      let real = try #require(realEnds[request] ?? gone[request], "\(name), request \(request)")
      let dumb = try #require(dumbEnds[request] ?? gone[request], "\(name), request \(request)")
      #expect(abs(real - dumb) < Self.tolerance, "\(name), request \(request)")
    }
    #expect(realEnds.count > 20, "\(name)")
    real.settle(now: now)
    #expect(abs(real.busySeconds - dumb.busySeconds) < 0.1 || gone.count > 0, "\(name)")
  }

  @Test func aFullQueueRefuses() {
    var small = group(1, slots: 2)
    small.queueMax = 3
    var endpoint = VirtualEndpoint(small)
    let taken = (0..<6).map { endpoint.arrive($0, work: 1, now: .zero) }
    #expect(taken == [true, true, true, true, true, false])
    #expect(endpoint.runningCount == 2)
    #expect(endpoint.waitingCount == 3)
    endpoint.cancel(0, now: .milliseconds(500))
    #expect(endpoint.runningCount == 2)
    #expect(endpoint.waitingCount == 2)
    let isTaken = endpoint.arrive(6, work: 1, now: .milliseconds(500))
    #expect(isTaken)
  }

  @Test func nothingMovesAtSpeedZero() throws {
    var endpoint = VirtualEndpoint(group(1, slots: 1))
    _ = endpoint.arrive(0, work: 1, now: .zero)
    endpoint.setSpeed(0, now: .milliseconds(400))
    #expect(endpoint.nextCompletion(now: .seconds(5)) == nil)
    endpoint.setSpeed(2, now: .seconds(10))
    let at = try #require(endpoint.nextCompletion(now: .seconds(10)))
    #expect(abs(at.seconds - 10.3) < 1e-6)
  }

  @Test func aDeathGivesBackEverythingAndResetsTheCounters() throws {
    var endpoint = VirtualEndpoint(group(1, slots: 2))
    for request in 0..<5 { _ = endpoint.arrive(request, work: 1, now: .zero) }
    let at = try #require(endpoint.nextCompletion(now: .zero))
    let job = endpoint.complete(now: at)
    #expect(job?.id == 0)
    #expect(endpoint.completedCount == 1)
    let died = endpoint.die(now: .seconds(2))
    #expect(died.sorted() == [1, 2, 3, 4])
    #expect(endpoint.completedCount == 0)
    #expect(endpoint.busySeconds == 0)
    #expect(endpoint.totalCount == 0)
    #expect(endpoint.nextCompletion(now: .seconds(2)) == nil)
  }
}

private func * (count: Nanoseconds, step: Nanoseconds) -> Nanoseconds {
  Nanoseconds(count.rawValue * step.rawValue)
}
