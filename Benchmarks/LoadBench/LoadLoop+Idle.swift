// The orders `idle` and `close`: many connections that asked once and then only stay.
import CSystem
import IO

extension LoadLoop {
  private static let timeout: Int64 = 30_000_000_000

  /// Opens the connections and prints how many stand.
  mutating func run(_ order: IdleOrder) {
    guard idle.heldCount == 0 else { return say(Report.error("close first: some are held")) }
    idle = IdleRun()
    idle.order = order
    idle.toOpen = order.connections
    clients.aim(order.to, path: order.path, fields: false, upload: 0, isPersistent: true)
    let end = sy_monotonic() + Self.timeout
    while idle.heldCount + idle.lostCount < order.connections, now < end {
      // The request runs before the next connection is made: few are under way at a time.
      while idle.toOpen > 0, idle.unansweredCount < IdleRun.unansweredMax {
        idle.toOpen -= 1
        if !openClient(.idle, startedAt: now) { idle.lostCount += 1 }
      }
      turn(until: end)
    }
    say(Report.idle(idle, clients.errors, reason: clients.connectCode))
  }

  mutating func idleCompleted(_ fd: Int32) {
    let peer = peers[Int(fd)]
    guard peer.answer.status == 200, peer.answer.isPersistent else {
      if peer.answer.status != 200 { clients.errors.add(status: peer.answer.status) }
      idle.lostCount += 1
      return drop(fd)
    }
    idle.heldCount += 1
  }

  mutating func idleFailed(_ peer: Peer) {
    idle.lostCount += 1
    if peer.phase == .free { idle.heldCount -= 1 }
  }

  mutating func closeIdle() {
    let count = dropAll(.idle)
    say(Report.closed(count, lost: idle.lostCount))
    idle = IdleRun()
  }
}
