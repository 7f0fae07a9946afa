// What the control thread passes to the workers beside the weight table: listeners and the graceful
// stop. Invariant: workers take the short lock only when a wake-up or a new fleet announces a
// change.
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

/// A graceful stop.
struct WorkerStop: Sendable, Equatable {
  var deadline: Nanoseconds
  /// Clients that are idle keep their connections until their next answer or the deadline: another
  /// process accepts connections, so that the end of theirs would be the only failure they see.
  var sparesIdle: Bool
}

final class WorkerControl: Sendable {
  private struct State {
    var bindings: [ListenerBinding] = []
    /// The fleet revision to which the bindings belong.
    var fleetRevision: UInt64 = 0
    /// The fleet revision that each worker has adopted.
    var adopted: [UInt64]
    var stop: WorkerStop?
    var reports: [String] = []
    var endedCount = 0
  }
  private let state: Mutex<State>
  /// The number of client connections by listener tag, one block for each worker.
  let connections: [CellBlock]

  init(workerCount: Int) {
    state = Mutex(State(adopted: [UInt64](repeating: 0, count: workerCount)))
    connections = (0..<workerCount).map { _ in CellBlock(count: ListenerTags.countMax) }
  }

  var bindings: [ListenerBinding] { state.withLock { $0.bindings } }

  /// The bindings of the fleet revision; nil: the present bindings belong to another revision.
  func bindings(of fleetRevision: UInt64) -> [ListenerBinding]? {
    state.withLock { $0.fleetRevision == fleetRevision ? $0.bindings : nil }
  }

  func setBindings(_ bindings: [ListenerBinding], of fleetRevision: UInt64) {
    state.withLock {
      $0.bindings = bindings
      $0.fleetRevision = fleetRevision
    }
  }

  /// Notes that the worker has adopted the fleet revision. From then on it writes no cell of an
  /// endpoint that this fleet does not have.
  func noteAdoption(worker: Int, _ fleetRevision: UInt64) {
    state.withLock { $0.adopted[worker] = fleetRevision }
  }

  /// The latest fleet revision that every worker has adopted.
  var adoptedRevision: UInt64 { state.withLock { $0.adopted.min() ?? 0 } }

  /// The graceful stop; nil: none has begun.
  var stop: WorkerStop? { state.withLock { $0.stop } }

  func beginStop(_ stop: WorkerStop) { state.withLock { $0.stop = stop } }

  /// The number of workers that have ended.
  var endedCount: Int { state.withLock { $0.endedCount } }

  func noteEnd() { state.withLock { $0.endedCount += 1 } }

  /// Notes a failure for the log. At most 100 failures are kept.
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
