// A worker on a simulated network, with endpoints and clients: the whole proxy core in one thread,
// without a real clock. The same seed gives the same run.
import Certificates
import Fleet
import IO
import Primitives
import Testing

@testable import Balancer

extension Nanoseconds {
  static func microseconds(_ count: Int) -> Nanoseconds { Nanoseconds(Int64(count) * 1_000) }
}

final class SimulatedProxy {
  private static let tag: UInt32 = 0
  /// The longest run, in simulated time.
  private static let longest = Nanoseconds.seconds(3_600)

  let network: SimulatedNetwork
  private(set) var endpoints: [SimulatedEndpoint] = []
  private(set) var clients: [SimulatedClient] = []
  private var fleet = Fleet()
  private let seed: UInt64
  private var openClientCount = 0
  /// The stops of the process, by the time since the start.
  var stops: [(after: Nanoseconds, length: Nanoseconds)] = []
  /// What becomes of the pool's endpoints, by time since the start: published as a delta, or as a
  /// fleet of its own.
  var changes: [(after: Nanoseconds, isDelta: Bool, change: (inout [Endpoint]) -> Void)] = []
  /// As in `SimulatedLoop`; nil: its default.
  var turnTime: Nanoseconds?
  private(set) var problems: [String] = []
  /// The evidence board, set after the run.
  private(set) var evidence = EvidenceBoard(workerCount: 1, endpointLimit: 1)
  private(set) var turnCount = 0

  init(seed: UInt64 = 1, endpoints count: Int = 2, change: (inout Fleet) -> Void = { _ in }) {
    self.seed = seed
    network = SimulatedNetwork(seed: seed)
    endpoints = (0..<count).map { SimulatedEndpoint("e\($0)", network) }
    var pool = Pool(
      name: "p",
      endpoints: (0..<count).map { Endpoint(address: .loopback(port: UInt16($0 + 1))) })
    pool.balance = .roundRobin
    fleet.pools = [pool]
    fleet.limits.connectionsMax = 64
    fleet.listeners = [
      Listener(address: .loopback(port: 0), routes: [Route(pathPrefix: "/", pool: 0)])
    ]
    change(&fleet)
    let endpoints = endpoints
    network.reception = { port in
      (1...endpoints.count).contains(Int(port)) ? endpoints[Int(port) - 1].receive() : .refused
    }
  }

  /// Adds a client that connects at this time after the start.
  @discardableResult
  func client(
    _ plans: [ClientRequestPlan], after start: Nanoseconds = .zero,
    _ change: (SimulatedClient) -> Void = { _ in }
  ) -> SimulatedClient {
    let client = SimulatedClient(plans)
    change(client)
    openClientCount += 1
    client.done = { [unowned self] in openClientCount -= 1 }
    clients.append(client)
    let bytes: [UInt8] = [127, 0, 0, UInt8(clients.count % 250 + 1)]
    let address = bytes.withUnsafeBytes { IPAddress(networkOrder: $0) }
    network.after(start) { [network] in _ = network.connect(client, from: address) }
    return client
  }

  /// Runs until every client is done and the worker has ended, then checks that no resource is
  /// left.
  func run() throws {
    var map = EndpointIndexMap(for: fleet)
    _ = map.assign(&fleet) { _ in false }
    let limits = fleet.limits
    evidence = EvidenceBoard(workerCount: 1, endpointLimit: map.count)
    let control = WorkerControl(workerCount: 1)
    let board = WeightBoard(fleet: fleet, endpointLimit: map.count)
    var entropy = RandomSource(seed: seed)
    let admission = AdmissionBoard(
      limits: limits, workerCount: 1, endpointLimit: map.count, hash: SipHash(random: &entropy))
    admission.prepare(fleet)
    let group = try ListenSocket.open(.loopback(port: 0), count: 1)
    control.setBindings(
      [ListenerBinding(tag: Self.tag, address: fleet.listeners[0].address, group: group)],
      of: board.table.fleetRevision)
    let loop = SimulatedLoop(
      network, connectionsMax: limits.connectionsMax,
      timersMax: Worker<SimulatedLoop>.timersMax(connectionsMax: limits.connectionsMax),
      listenerTag: Self.tag)
    let context = WorkerContext(
      board: board, evidence: evidence, pickBoard: PickBoard(endpointLimit: map.count),
      metrics: TrafficMetrics(workerCount: 1, endpointLimit: map.count), control: control,
      accessLog: try AccessLogDriver(workerCount: 1), limits: limits, admission: admission,
      credentials: Credentials(workerCount: 1), bufferedBytesMax: 64 << 20)
    if let turnTime { loop.turnTime = turnTime }
    plan(loop, control)
    planChanges(loop, control, board, admission, map)
    var worker = Worker(
      index: 0, loop: loop, context: context, wakeups: WorkerWakeups([try Waker()]), seed: seed,
      identifiers: IdentifierSource(&entropy))
    worker.run()
    turnCount = loop.turnCount
    checkLeft(worker, admission)
  }

  /// Plans the end of the run and the stops of the process.
  private func plan(_ loop: SimulatedLoop, _ control: WorkerControl) {
    let end: () -> Void = { [network] in
      guard control.stop == nil else { return }
      control.beginStop(WorkerStop(deadline: network.now + .seconds(1), sparesIdle: false))
      loop.isWoken = true
    }
    loop.idle = { [unowned self] in
      if openClientCount > 0 { problems.append("\(openClientCount) client(s) wait for ever") }
      end()
    }
    for client in clients {
      let done = client.done
      client.done = { [unowned self] in
        done()
        // Late bytes may still arrive.
        if openClientCount == 0 { network.after(.milliseconds(200), end) }
      }
    }
    network.after(Self.longest) { [unowned self] in
      if openClientCount > 0 { problems.append("\(openClientCount) client(s) are not done") }
      end()
    }
    for stop in stops { network.after(stop.after) { loop.stop = stop.length } }
  }

  private func planChanges(
    _ loop: SimulatedLoop, _ control: WorkerControl, _ board: WeightBoard,
    _ admission: AdmissionBoard, _ map: EndpointIndexMap
  ) {
    let all = fleet.pools[0].endpoints
    var map = map
    for change in changes {
      network.after(change.after) {
        let old = board.table.fleet
        var new = old
        new.pools[0].endpoints = all
        change.change(&new.pools[0].endpoints)
        let fresh = map.assign(&new) { _ in false }
        admission.prepare(new)
        let bindings = control.bindings
        let revision =
          change.isDelta
          ? board.publish(fleet: new, MembershipDelta(from: old, to: new, fresh: fresh))
          : board.publish(fleet: new)
        control.setBindings(bindings, of: revision)
        loop.isWoken = true
      }
    }
  }

  /// Checks that every resource of the exchanges was given back.
  private func checkLeft(_ worker: borrowing Worker<SimulatedLoop>, _ admission: AdmissionBoard) {
    func expect(_ isTrue: Bool, _ what: @autoclosure () -> String) {
      if !isTrue { problems.append(what()) }
    }
    expect(worker.leases.count == 0, "\(worker.leases.count) lease(s) left")
    expect(worker.waiting.count == 0, "\(worker.waiting.count) exchange(s) left in the queue")
    expect(worker.pausingCount == 0, "\(worker.pausingCount) pause(s) left")
    expect(worker.awaitedCount == 0, "\(worker.awaitedCount) awaited content(s) left")
    expect(worker.clientCount == 0, "\(worker.clientCount) client(s) left")
    expect(worker.io.connectionCount == idleCount(worker), "a connection is left")
    expect(worker.blocks.usedByteCount == 0, "\(worker.blocks.usedByteCount) bytes of blocks left")
    expect(worker.replays.byteCount == 0, "\(worker.replays.byteCount) bytes of replays left")
    for queue in admission.queues {
      expect(queue.runningCount == 0, "\(queue.runningCount) permit(s) left")
      expect(queue.waitingCount == 0, "\(queue.waitingCount) waiting left")
    }
    for allowance in admission.allowances {
      expect(allowance.count == 0, "\(allowance.count) allowance(s) left")
    }
    for index in endpoints.indices {
      expect(admission.slots[index] == 0, "a slot of endpoint \(index) is left")
      expect(evidence.sum(.inFlight, index) == 0, "endpoint \(index) has something in flight")
    }
    for endpoint in endpoints { problems += endpoint.faults.map { "\(endpoint.name): \($0)" } }
    for client in clients { problems += client.faults }
  }

  private func idleCount(_ worker: borrowing Worker<SimulatedLoop>) -> Int {
    endpoints.indices.reduce(0) { $0 + worker.idle.count($1) }
  }
}
