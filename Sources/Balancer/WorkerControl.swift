// What the control thread tells the workers beside the weight table: listeners and the end.
// Taken under a short lock, but only when a wake-up or a new fleet says that there is something.
import Fleet
import IO
import Primitives
import Synchronization

/// One listener's sockets, with the tag that its connections carry. A tag is never used twice.
struct ListenerBinding: Sendable {
  let tag: UInt32
  let address: SocketAddress
  let group: ListenSocketGroup
}

final class WorkerControl: Sendable {
  private struct State {
    var bindings: [ListenerBinding] = []
    var stopsAt: Nanoseconds?
    var reports: [String] = []
    var endedCount = 0
  }
  private let state = Mutex(State())

  var bindings: [ListenerBinding] {
    get { state.withLock { $0.bindings } }
    set { state.withLock { $0.bindings = newValue } }
  }

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
