import Balancer
import Certificates
import Fleet
import IO
import Primitives
import Synchronization
import Testing

@Suite struct PoolQueueTests {
  @Test func countsPlacesAndLimitsBoth() {
    let queue = PoolQueue(name: "a", workerCount: 1)
    #expect([queue.tryEnter(2), queue.tryEnter(2), queue.tryEnter(2)] == [true, true, false])
    queue.leave()
    #expect(queue.tryEnter(2))
    #expect([queue.tryWait(1), queue.tryWait(1)] == [true, false])
    #expect(queue.waitingCount == 1 && queue.runningCount == 2)
    queue.stopWaiting()
    #expect(queue.tryWait(0) == false)
  }

  @Test func nextIsWhereTheLowestKeyIs() {
    let queue = PoolQueue(name: "a", workerCount: 3)
    #expect(queue.nextWorker == nil && queue.oldest == nil)
    queue.publish(20, oldest: .seconds(2), worker: 0)
    queue.publish(10, oldest: .seconds(3), worker: 2)
    #expect(queue.nextWorker == 2)
    #expect(queue.oldest == .seconds(2))
    queue.publish(.max, oldest: nil, worker: 2)
    #expect(queue.nextWorker == 0)
    queue.publish(.max, oldest: nil, worker: 0)
    #expect(queue.nextWorker == nil && queue.oldest == nil)
  }

  // One thread makes room and then looks for waiting exchanges; the other begins to wait and then
  // looks for room. If each could miss the other, a permit would stay free and neither thread would
  // see the other.
  @Test func whoMakesRoomAndWhoBeginsToWaitNeverMissEachOther() throws {
    let roundCount = 20_000
    let queue = PoolQueue(name: "a", workerCount: 2)
    let round = Atomic<Int>(0)
    let ready = Atomic<Int>(0)
    let sawWaiter = Atomic<Bool>(false)
    let sawRoom = Atomic<Bool>(false)
    let missed = Atomic<Int>(0)
    let sawOne = Atomic<Int>(0)
    try withTwoThreads { number in
      for current in 1...roundCount {
        if number == 0 {
          _ = queue.tryEnter(1)
          sawWaiter.store(false, ordering: .relaxed)
          sawRoom.store(false, ordering: .relaxed)
          round.store(current, ordering: .sequentiallyConsistent)
          queue.leave()
          let seen = queue.waitingCount > 0 && queue.nextWorker != nil
          sawWaiter.store(seen, ordering: .sequentiallyConsistent)
          while ready.load(ordering: .sequentiallyConsistent) < current {}
          let room = sawRoom.load(ordering: .sequentiallyConsistent)
          if !seen, !room { missed.add(1, ordering: .relaxed) }
          if seen != room { sawOne.add(1, ordering: .relaxed) }
          queue.publish(.max, oldest: nil, worker: 1)
          queue.stopWaiting()
        } else {
          while round.load(ordering: .sequentiallyConsistent) < current {}
          _ = queue.tryWait(1)
          queue.publish(1, oldest: .zero, worker: 1)
          sawRoom.store(queue.runningCount < 1, ordering: .sequentiallyConsistent)
          ready.store(current, ordering: .sequentiallyConsistent)
        }
      }
    }
    #expect(missed.load(ordering: .relaxed) == 0)
    // Both orders must have occurred, otherwise the test shows nothing.
    #expect(sawOne.load(ordering: .relaxed) > 0)
  }
}

@Suite struct QueueWakeTests {
  // More exchanges wait than may run, on two workers: a worker whose exchange ends has to wake the
  // other worker about half of the time. Each missed wake-up costs the time until the timer looks.
  @Test(arguments: [QueuePolicy.Concurrency.total(1), .total(4), .slots])
  func roomIsToldToTheOtherWorker(concurrency: QueuePolicy.Concurrency) throws {
    let (listener, address) = try BlockingSocket.listen()
    let endpoint = try ThreadHandle.start(name: "endpoint") {
      while let connection = listener.accept() {
        _ = try? ThreadHandle.start(name: "script") {
          while !connection.receiveMessage().isEmpty {
            try? connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
          }
        }
      }
    }
    _ = endpoint
    var fleet = Fleet()
    fleet.limits.connectionsMax = 128
    var pool = Pool(name: "p", endpoints: [Endpoint(address: address)])
    pool.endpoints[0].concurrency = 2
    pool.queue.concurrency = concurrency
    fleet.pools = [pool]
    fleet.listeners = [
      Listener(address: .loopback(port: 0), routes: [Route(pathPrefix: "/", pool: 0)])
    ]
    var slots = EndpointIndexMap(for: fleet)
    slots.assign(&fleet) { _ in false }
    let evidence = EvidenceBoard(workerCount: 2, endpointLimit: slots.count)
    let balancer = try Balancer(
      board: WeightBoard(fleet: fleet, endpointLimit: slots.count), evidence: evidence,
      pickBoard: PickBoard(endpointLimit: slots.count), accessLog: AccessLogDriver(workerCount: 2),
      credentials: Credentials(workerCount: 2), inherited: InheritedSockets(),
      connectionsMax: fleet.limits.connectionsMax)
    try balancer.start(seed: 1)
    let target = balancer.addresses[0]
    let answered = Atomic<Int>(0)
    let clientCount = 16
    let requestCount = 100
    let ask: @Sendable () -> Void = {
      guard let client = try? BlockingSocket.connect(to: target) else { return }
      for _ in 0..<requestCount {
        try? client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        if client.receiveMessage().hasSuffix("ok") { answered.add(1, ordering: .relaxed) }
      }
    }
    let clients = try (0..<clientCount).map { _ in
      try ThreadHandle.start(name: "client") { ask() }
    }
    for client in clients { client.join() }
    let endpointIndex = fleet.pools[0].endpoints[0].endpointIndex
    let started = (0..<2).map {
      evidence.block(ofWorker: $0)[evidence.index(.started, endpointIndex)]
    }
    let rescueCount = balancer.admission.queues[0].rescueCount
    balancer.beginStop(deadline: Clock.now)
    balancer.join()
    #expect(answered.load(ordering: .relaxed) == clientCount * requestCount)
    #expect(started.allSatisfy { $0 >= 50 }, "\(started)")
    #expect(balancer.admission.queues[0].runningCount == 0)
    #expect(balancer.admission.queues[0].waitingCount == 0)
    #expect(balancer.admission.slots[endpointIndex] == 0)
    // The timer may come first by chance, at the moment when room is made.
    #expect(rescueCount <= 2, "\(rescueCount)")
  }
}
