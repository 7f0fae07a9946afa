// Decides which clients get a connection when few are left. A client counts as two of the worker's
// connections, its own and that to its endpoint, so that every accepted client can be served. A
// client that is idle between two exchanges counts as one. Beyond that, the client that has been
// idle longest is closed for a new one; if no client is idle, new clients wait in the kernel.
// Invariant: a client whose request an endpoint has is never closed for a new one.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// The least idle time before a client is closed for a new one. Its next request may be on the
  /// way.
  static var idleMin: Nanoseconds { .milliseconds(100) }
  /// The same for a client that has sent nothing since it connected.
  static var silenceMin: Nanoseconds { .milliseconds(10) }
  /// The most clients examined to close one. Clients with unread bytes are passed over.
  private static var triesMax: Int { 8 }

  /// The number of further clients that may be accepted.
  private var clientRoom: Int {
    (io.connectionCapacity - 2 * clientCount + reusable.idleCount) / 2
  }

  /// Makes room for one more client, if possible, and sets the loop's limit of new connections.
  mutating func makeClientRoom() {
    while clientRoom <= 0, closeReusable(sparingYoung: true) {}
    if io.freeConnectionCount == 0 { makeRoom(sparingYoung: true) }
    io.acceptRoom = io.freeConnectionCount > 0 ? max(0, clientRoom) : 0
  }

  /// Called while clients wait in the kernel. Accepts them as soon as there is room.
  mutating func acceptAgain() {
    if io.shortageCount != shortagesSeen {
      shortagesSeen = io.shortageCount
      context.metrics.room.set(worker: workerIndex, .shortages, shortagesSeen)
      guard makeRoom(sparingYoung: false) else { return }
    }
    makeClientRoom()
    if io.acceptRoom > 0 {
      isPauseCounted = false
      io.resumeAccepting()
    } else if !isPauseCounted {
      isPauseCounted = true
      context.metrics.room.count(worker: workerIndex, .pauses)
    }
  }

  /// Closes the connection that is needed least, for a connection that is to be opened. Returns
  /// false if every open connection is in use.
  @discardableResult
  mutating func makeRoom(sparingYoung: Bool) -> Bool {
    if let spare = idle.spare {
      context.metrics.room.count(worker: workerIndex, .spareClosed)
      closeIdle(spare)
      return true
    }
    return closeReusable(sparingYoung: sparingYoung)
  }

  /// Closes the client that has been idle longest. Returns false if no client can be closed.
  private mutating func closeReusable(sparingYoung: Bool) -> Bool {
    for kind in ReusableClients.Kind.allCases {
      var triesLeft = Self.triesMax
      var next = reusable.first(kind)
      while let index = next, triesLeft > 0, let id = client(at: index) {
        triesLeft -= 1
        // The following clients became idle later still.
        if sparingYoung, isYoung(id, kind) { break }
        if kind == .unfinished || !io.hasUnread(id.connection) {
          context.metrics.room.count(worker: workerIndex, .closed(kind))
          close(reusable: id)
          return true
        }
        next = reusable.next(after: index)
      }
    }
    return false
  }

  private mutating func close(reusable id: ClientID) {
    if slab.downstream[id.index].phase == .exchange {
      // The exchange waits for request content.
      abortExchange(exchangeID(id), .abandoned, code: .canceled)
    } else {
      closeDownstream(id)
    }
  }

  /// Whether the client became idle only a moment ago, computed from its deadline for the next
  /// request.
  private mutating func isYoung(_ id: ClientID, _ kind: ReusableClients.Kind) -> Bool {
    guard kind != .unfinished else { return false }
    let timeout = plan.listener(io.tag(id.connection))?.idleTimeout ?? Self.idleTimeoutOfNone
    let idleTime = io.now + timeout - io.deadline(id.connection)
    return idleTime < (kind == .idle ? Self.idleMin : Self.silenceMin)
  }
}
