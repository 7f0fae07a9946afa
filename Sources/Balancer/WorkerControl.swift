// What the control thread tells the workers beside the weight table: listeners and the end.
// Taken under a short lock, but only when a wake-up or a new fleet says that there is something.
import Fleet
import IO
import Primitives
import Synchronization

/// One listener's sockets, with the tag that its connections carry.
struct ListenerBinding: Sendable {
  let tag: UInt32
  let address: SocketAddress
  let group: ListenSocketGroup
}

final class WorkerControl: Sendable {
  private struct State {
    var bindings: [ListenerBinding] = []
    /// The fleet revision that the bindings belong to.
    var fleetRevision: UInt64 = 0
    /// The fleet revision that each worker runs.
    var adopted: [UInt64]
    var stopsAt: Nanoseconds?
    var reports: [String] = []
    var endedCount = 0
  }
  private let state: Mutex<State>
  /// Downstream connections by listener tag, each worker's own.
  let connections: [CellBlock]

  init(workerCount: Int) {
    state = Mutex(State(adopted: [UInt64](repeating: 0, count: workerCount)))
    connections = (0..<workerCount).map { _ in CellBlock(count: ListenerTags.countMax) }
  }

  var bindings: [ListenerBinding] { state.withLock { $0.bindings } }

  /// The bindings, where they are those of that fleet revision.
  func bindings(of fleetRevision: UInt64) -> [ListenerBinding]? {
    state.withLock { $0.fleetRevision == fleetRevision ? $0.bindings : nil }
  }

  func setBindings(_ bindings: [ListenerBinding], of fleetRevision: UInt64) {
    state.withLock {
      $0.bindings = bindings
      $0.fleetRevision = fleetRevision
    }
  }

  /// The worker runs that fleet revision, and writes no cell of what it does not have.
  func noteAdoption(worker: Int, _ fleetRevision: UInt64) {
    state.withLock { $0.adopted[worker] = fleetRevision }
  }

  /// The fleet revision that all workers have reached.
  var adoptedRevision: UInt64 { state.withLock { $0.adopted.min() ?? 0 } }

  /// The deadline of a graceful end that has begun.
  var stopsAt: Nanoseconds? { state.withLock { $0.stopsAt } }

  func beginStop(_ deadline: Nanoseconds) { state.withLock { $0.stopsAt = deadline } }

  /// How many workers have ended.
  var endedCount: Int { state.withLock { $0.endedCount } }

  func noteEnd() { state.withLock { $0.endedCount += 1 } }

  /// Notes a failure for the log; at most 100 are kept.
  func report(_ text: String) {
    state.withLock { if $0.reports.count < 100 { $0.reports.append(text) } }
  }

  func takeReports() -> [String] {
    state.withLock { state in
      defer { state.reports = [] }
      return state.reports
    }
  }
}
