import Fleet
import Primitives
import Testing

@testable import Events

// Macros cannot change what they look at.
private func next(_ queue: inout HookQueue) -> HookQueue.Start? { queue.next() }
private func apply(_ policies: [HookPolicy], _ queue: inout HookQueue) -> [Occurrence] {
  queue.apply(policies)
}

@Suite struct HookQueueTests {
  private func policy(
    _ events: [HookEvent] = [.endpointEjected], pools: [String]? = nil, concurrency: Int = 1,
    cooldown: Nanoseconds = .seconds(60)
  ) -> HookPolicy {
    var policy = HookPolicy(events: events, action: .run(["/bin/true"]))
    policy.pools = pools
    policy.concurrency = concurrency
    policy.cooldown = cooldown
    return policy
  }

  private func happened(
    _ event: HookEvent = .endpointEjected, _ port: UInt16 = 1, pool: String = "text"
  ) -> Occurrence {
    Occurrence(event, pool: pool, endpoint: .loopback(port: port), at: .zero)
  }

  private func queue(_ policies: HookPolicy...) -> HookQueue {
    var queue = HookQueue()
    #expect(apply(policies, &queue).isEmpty)
    return queue
  }

  @Test func onlyWhatIsAskedForIsRun() {
    var queue = queue(policy([.endpointEjected], pools: ["text"]), policy([.poolRecovered]))
    let drop1 = queue.offer(happened(.endpointReady), now: .zero)
    let drop2 = queue.offer(happened(pool: "image"), now: .zero)
    #expect(!drop1 && !drop2 && queue.waitingCount == 0)
    _ = queue.offer(happened(.poolRecovered, pool: "image"), now: .zero)
    let start = queue.next()
    #expect(start?.occurrence == happened(.poolRecovered, pool: "image"))
    #expect(queue.countedEvents == [.endpointEjected, .poolRecovered])
  }

  @Test func anEventOfAnEndpointRests() {
    var queue = queue(policy(concurrency: 16))
    for (at, port, starts) in [
      (0, UInt16(1), true), (1, 1, false), (1, 2, true), (59, 1, false), (60, 1, true),
      (61, 2, true), (62, 1, false),
    ] {
      let dropped = queue.offer(happened(.endpointEjected, port), now: .seconds(at))
      #expect(!dropped)
      #expect((next(&queue) != nil) == starts, "\(at) s, \(port)")
    }
    #expect(queue.count(.endpointEjected, .dropped) == 0)
  }

  @Test func oneThatDiesInSeveralWaysIsOneEvent() {
    var queue = queue(policy([.endpointEjected, .endpointUnhealthy, .endpointReady]))
    for (event, starts) in [
      (HookEvent.endpointEjected, true), (.endpointUnhealthy, false), (.endpointReady, true),
      (.endpointEjected, false),
    ] {
      _ = queue.offer(happened(event), now: .zero)
      let start = queue.next()
      #expect((start != nil) == starts, "\(event)")
      if let start { queue.ended(start.id, .ok) }
    }
  }

  @Test func moreThanMayRunWaitAndMoreThanMayWaitAreDropped() {
    var queue = queue(policy(concurrency: 2, cooldown: .zero))
    var droppedCount = 0
    for port in 1...20 {
      if queue.offer(happened(.endpointEjected, UInt16(port)), now: .zero) { droppedCount += 1 }
    }
    #expect(droppedCount == 20 - HookPolicy.waitingMax)
    #expect(queue.count(.endpointEjected, .dropped) == UInt64(droppedCount))
    let first = queue.next()
    let second = queue.next()
    let third = queue.next()
    #expect(first?.occurrence.endpoint?.port == 1 && second?.occurrence.endpoint?.port == 2)
    #expect(third == nil && queue.runningCount == 2)
    queue.ended(first?.id ?? 0, .ok)
    #expect(next(&queue)?.occurrence.endpoint?.port == 3)
    #expect(queue.count(.endpointEjected, .ok) == 1)
  }

  @Test func whatWasDroppedDoesNotRest() {
    var queue = queue(policy())
    for port in 1...17 { _ = queue.offer(happened(.endpointEjected, UInt16(port)), now: .zero) }
    #expect(queue.count(.endpointEjected, .dropped) == 1)
    _ = queue.next()
    let isDropped = queue.offer(happened(.endpointEjected, 17), now: .seconds(1))
    #expect(!isDropped && queue.waitingCount == HookPolicy.waitingMax)
  }

  @Test func aStormIsBoundedInMemory() {
    var queue = queue(policy(concurrency: 16))
    for number in 0..<20_000 {
      let occurrence = happened(.endpointEjected, UInt16(1 + number % 60_000), pool: "\(number)")
      _ = queue.offer(occurrence, now: .zero)
      if let start = queue.next() { queue.ended(start.id, .ok) }
    }
    let ran = queue.count(.endpointEjected, .ok)
    #expect(ran == UInt64(HookQueue.coolingMax))
    #expect(queue.count(.endpointEjected, .dropped) == 20_000 - ran)
    let isDropped = queue.offer(happened(), now: .seconds(60))
    #expect(!isDropped, "what has rested is forgotten")
  }

  @Test func aReloadKeepsWhatStaysAndDropsTheRest() {
    let (kept, gone) = (policy(), policy([.endpointReady]))
    var queue = queue(kept, gone)
    for port in [UInt16(1), 2] {
      _ = queue.offer(happened(.endpointEjected, port), now: .zero)
      _ = queue.offer(happened(.endpointReady, port), now: .zero)
    }
    let starts = [queue.next(), queue.next()].compactMap { $0 }
    #expect(starts.count == 2)
    #expect(apply([kept], &queue) == [happened(.endpointReady, 2)])
    #expect(queue.count(.endpointReady, .dropped) == 1 && queue.runningCount == 2)
    // It still rests, and still one at once.
    _ = queue.offer(happened(.endpointEjected, 1), now: .seconds(1))
    #expect(queue.waitingCount == 1 && next(&queue) == nil)
    for start in starts { queue.ended(start.id, .timeout) }
    #expect(queue.count(.endpointReady, .timeout) == 1)
    #expect(next(&queue)?.occurrence.endpoint?.port == 2)
    #expect(queue.countedEvents == [.endpointEjected, .endpointReady])
  }

  /// Whatever comes, in whatever order: the bounds hold and nothing is lost or told twice.
  @Test(arguments: 0..<20) func aDumbCountAgrees(_ seed: UInt64) {
    var random = RandomSource(seed: seed)
    let policies = [
      policy(concurrency: 3, cooldown: .zero), policy([.endpointReady], cooldown: .zero),
    ]
    var queue = HookQueue()
    _ = queue.apply(policies)
    var running: [UInt64] = []
    var offered = 0
    for step in 0..<2_000 {
      switch random.next() % 3 {
      case 0:
        let event: HookEvent = random.next() % 2 == 0 ? .endpointEjected : .endpointReady
        _ = queue.offer(happened(event, UInt16(1 + step % 7)), now: Nanoseconds(Int64(step)))
        offered += 1
      case 1: if let start = queue.next() { running.append(start.id) }
      default:
        guard !running.isEmpty else { continue }
        let place = Int(random.next() % UInt64(running.count))
        queue.ended(running.remove(at: place), .failed)
      }
      #expect(queue.runningCount == running.count && running.count <= 4)
      #expect(queue.waitingCount <= 2 * HookPolicy.waitingMax)
      let told = HookEvent.allCases.reduce(UInt64(0)) {
        $0 + queue.count($1, .failed) + queue.count($1, .dropped)
      }
      #expect(Int(told) + queue.runningCount + queue.waitingCount == offered)
    }
  }
}
