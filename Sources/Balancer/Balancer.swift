// The balancer as the rest of the program uses it: opens listeners, starts one worker per thread,
// publishes new fleets, stops gracefully. Invariant: only the control thread calls it, and it
// serves no traffic itself. The workers do.
import CSystem
package import Certificates
package import Fleet
package import IO
package import Primitives

/// The workers, listeners and shared state of one process. Control thread only.
package final class Balancer {
  /// The counters of all workers. Any thread may read them.
  package let metrics: TrafficMetrics
  private let board: WeightBoard
  private let evidence: EvidenceBoard
  private let pickBoard: PickBoard
  private let accessLog: AccessLogDriver
  private let limits: Limits
  /// The number of connections per worker: `limits.connections`, or fewer if the system allows
  /// fewer.
  package var connectionsMax: Int { limits.connectionsMax }
  /// The most bytes that the buffers of one worker may hold.
  package let bufferedBytesMax: Int
  private let control: WorkerControl
  /// The queues, rate limits and counts of connections per client, shared by the workers.
  package let admission: AdmissionBoard
  private let credentials: Credentials
  private var wakeups = WorkerWakeups([])
  private var threads: [ThreadHandle] = []
  private var tags = ListenerTags()
  /// Sockets of listeners that another process opened.
  private let inherited: InheritedSockets
  /// The removed listening sockets, each until every worker has stopped listening on it.
  private var retired: [(address: SocketAddress, revision: UInt64)] = []
  private static let closeTime = Nanoseconds.seconds(1)

  /// Opens the listeners of the board's fleet, with the sockets of `inherited` where these have the
  /// address. `record` has the rate limits of the process that this one replaces. No connection is
  /// accepted before `start`. Error: an address cannot be listened on.
  package init(
    board: WeightBoard, evidence: EvidenceBoard, pickBoard: PickBoard, accessLog: AccessLogDriver,
    credentials: Credentials, inherited: InheritedSockets,
    record: AdmissionRecord? = nil, connectionsMax: Int
  ) throws(ListenError) {
    self.inherited = inherited
    self.board = board
    self.evidence = evidence
    self.pickBoard = pickBoard
    self.accessLog = accessLog
    self.credentials = credentials
    var limits = board.table.fleet.limits
    limits.connectionsMax = connectionsMax
    self.limits = limits
    bufferedBytesMax = limits.bufferedBytesMax(
      ofWorkers: evidence.workerCount, memory: MemoryLimit.byteCount)
    metrics = TrafficMetrics(
      workerCount: evidence.workerCount, endpointLimit: evidence.endpointLimit)
    control = WorkerControl(workerCount: evidence.workerCount)
    let fleet = board.table.fleet
    var random = SystemRandomNumberGenerator()
    admission = AdmissionBoard(
      limits: limits, workerCount: evidence.workerCount, endpointLimit: evidence.endpointLimit,
      hash: record?.sipHash ?? SipHash(random: &random))
    admission.prepare(fleet)
    if let record, record.sipHash != nil { admission.restore(record) }
    control.setBindings(try openBindings(fleet), of: board.table.fleetRevision)
  }

  /// An address that cannot be listened on, with the system's error.
  package struct ListenError: Error, Sendable {
    /// The address that cannot be listened on.
    package let address: SocketAddress
    /// The call that failed and its errno.
    package let error: IOError
  }

  /// The listeners' addresses in the fleet's order, with the ports that the system chose.
  package var addresses: [SocketAddress] { control.bindings.map { $0.group.address } }

  /// Starts the workers and returns when their threads exist. `seed` seeds the random choices of
  /// the workers. Error: a thread or its wake-up descriptor could not be made.
  package func start(seed: UInt64) throws(IOError) {
    var wakers: [Waker] = []
    for _ in 0..<evidence.workerCount { wakers.append(try Waker()) }
    wakeups = WorkerWakeups(wakers)
    for index in 0..<evidence.workerCount {
      let wakeups = wakeups
      let context = WorkerContext(
        board: board, evidence: evidence, pickBoard: pickBoard, metrics: metrics, control: control,
        accessLog: accessLog, limits: limits, admission: admission,
        credentials: credentials, bufferedBytesMax: bufferedBytesMax)
      var entropy = SystemRandomNumberGenerator()
      let identifiers = IdentifierSource(&entropy)
      let thread = try ThreadHandle.start(name: "worker-\(index)") {
        Balancer.runWorker(
          index, context, wakeups, seed: seed &+ UInt64(index), identifiers: identifiers)
        context.control.noteEnd()
      }
      threads.append(thread)
    }
  }

  /// Runs a worker to its end on the calling thread.
  private static func runWorker(
    _ index: Int, _ context: WorkerContext, _ wakeups: WorkerWakeups, seed: UInt64,
    identifiers: IdentifierSource
  ) {
    do throws(IOError) {
      let loop = try IOLoop(
        connectionsMax: context.limits.connectionsMax,
        timersMax: Worker<IOLoop>.timersMax(connectionsMax: context.limits.connectionsMax),
        unsentBytesMax: context.bufferedBytesMax + Worker<IOLoop>.eventBytesMax,
        waker: wakeups.wakers[index])
      var worker = Worker(
        index: index, loop: loop, context: context, wakeups: wakeups, seed: seed,
        identifiers: identifiers)
      worker.run()
    } catch {
      context.control.report("worker \(index) could not start: \(error)")
    }
  }

  /// Publishes a new fleet to the workers. Listeners that stay keep their sockets, and running
  /// exchanges continue. After an error nothing has changed. Requires: the endpoint indexes are
  /// assigned.
  package func apply(_ fleet: Fleet) throws(ListenError) {
    let before = control.bindings
    let bindings = try openBindings(fleet)
    admission.prepare(fleet)
    let revision = board.publish(fleet: fleet)
    control.setBindings(bindings, of: revision)
    for old in before where !bindings.contains(where: { $0.tag == old.tag }) {
      tags.retire(old.tag, revision: revision)
      retired.append((old.group.address, revision))
    }
    wake()
  }

  /// Publishes a fleet that differs from the present one only by `delta`, as far as the workers
  /// read it. Requires: the endpoint indexes are assigned.
  package func apply(_ fleet: Fleet, _ delta: MembershipDelta) {
    control.setBindings(control.bindings, of: board.publish(fleet: fleet, delta))
    wake()
  }

  /// The latest fleet revision that every worker has adopted.
  package var adoptedRevision: UInt64 { control.adoptedRevision }

  /// Stops accepting, lets running exchanges end until `deadline`, then aborts those that remain.
  /// `isReplaced`: another process accepts on the same sockets. Clients that are idle are not cut
  /// then: each is told with its next answer to connect anew. Returns at once. May be called again,
  /// with an earlier deadline or for idle clients.
  package func beginStop(deadline: Nanoseconds, isReplaced: Bool = false) {
    control.beginStop(WorkerStop(deadline: deadline, sparesIdle: isReplaced))
    wake()
  }

  /// The sockets of each listener, by its address in the configuration. They are valid until a
  /// listener is removed or the balancer stops.
  package var listeningSockets: [(listener: SocketAddress, descriptors: [Int32])] {
    control.bindings.map { ($0.address, $0.group.descriptors) }
  }

  /// Whether every worker has ended.
  package var isEnded: Bool { control.endedCount == evidence.workerCount }

  /// Waits until every worker has ended.
  package func join() { for thread in threads { thread.join() } }

  /// Returns the workers' messages for the log since the last call.
  package func takeReports() -> [String] { control.takeReports() }

  /// The number of exchanges in flight on all workers.
  package var inFlight: UInt64 {
    (0..<evidence.endpointLimit).reduce(0) { $0 + evidence.sum(.inFlight, $1) }
  }

  /// Wakes every worker. Its loop acknowledges the wake-up in its next turn, which begins at once.
  package func ringWorkers() { wake() }

  /// The index of the first worker that has not acknowledged the last wake-up; nil: every one has.
  package var silentWorker: Int? { wakeups.wakers.firstIndex { !$0.isAnswered } }

  private func wake() { for waker in wakeups.wakers { waker.wake() } }

  // A tag that was taken but not used is free again: `tags` is unchanged after an error.
  private func openBindings(_ fleet: Fleet) throws(ListenError) -> [ListenerBinding] {
    let adopted = control.adoptedRevision
    retired.removeAll { $0.revision <= adopted }
    var next = tags
    var kept = control.bindings
    var bindings: [ListenerBinding] = []
    for listener in fleet.listeners {
      if let index = kept.firstIndex(where: { $0.address == listener.address }) {
        bindings.append(kept.remove(at: index))
        continue
      }
      let tag = next.take(adopted: adopted) { tag in
        control.connections.reduce(0) { $0 + $1[tag] }
      }
      do throws(IOError) {
        guard let tag else { throw IOError("listen", Int(ENOSPC)) }
        let group = try open(listener.address)
        bindings.append(ListenerBinding(tag: tag, address: listener.address, group: group))
      } catch {
        throw ListenError(address: listener.address, error: error)
      }
    }
    tags = next
    return bindings
  }

  // A listener that was just removed may be added again before the workers have closed its sockets.
  // They close them in their next turn.
  private func open(_ address: SocketAddress) throws(IOError) -> ListenSocketGroup {
    if let last = retired.last(where: { $0.address.port == address.port }) {
      let deadline = Clock.now + Self.closeTime
      while control.adoptedRevision < last.revision, Clock.now < deadline {
        Clock.pause(.milliseconds(1))
      }
    }
    return try ListenSocket.open(
      address, count: evidence.workerCount, adopting: inherited.take(.init(address)))
  }
}
