// Readings for the status: one a second, whether or not anybody watches; its JSON only if somebody
// does. Control thread only.
import Admin
import Balancer
import Controller
import Fleet
import IO
import Metrics
import Primitives
import Status

extension Steelyard {
  /// Takes a reading if a second has passed. Returns the event for the clients that watch.
  func observeStatus(now: Nanoseconds, isWatched: Bool) -> [UInt8]? {
    guard now >= statusDue else { return nil }
    // Readings are on a grid of seconds, unless the process stood still.
    statusDue = max(statusDue + StatusHistory.interval, now)
    let wall = Clock.wall
    status.take(reading(now: now, wall: wall))
    for (pool, patience) in status.patience {
      balancer.admission.traffic(of: pool).setPatience(patience)
    }
    guard isWatched, let snapshot = statusSnapshot(now: now, wall: wall) else { return nil }
    return ServerSentEvent.status(snapshot, wall: wall).bytes
  }

  /// Releases the state, and with it its copy of the history, before the history takes the reading.
  private func reading(now: Nanoseconds, wall: Nanoseconds) -> StatusReading {
    var state = state
    (state.now, state.wall) = (now, wall)
    var reading = StatusReader(state: state).reading()
    reading.uptime = now - startedAt
    reading.isReady = unreadiness == nil
    reading.changes = controller.journal.news([.states], after: &statusCursor).entries.compactMap {
      if case .endpoint(let change) = $0.transition { change } else { nil }
    }
    reading.write = WriteAccess(rawValue: api.access.writing.rawValue) ?? .none
    return reading
  }

  func statusSnapshot() -> StatusSnapshot? {
    statusSnapshot(now: Clock.now, wall: Clock.wall)
  }

  private func statusSnapshot(now: Nanoseconds, wall: Nanoseconds) -> StatusSnapshot? {
    let log = DecisionLog(controller.journal, now: now, wall: wall)
    return status.snapshot(decisions: log.decisions(), weightChanges: log.weightChanges())
  }
}
