// Who gets a connection when there are few left. A client counts two of the worker's connections,
// its own and that to its endpoint, so that whoever was let in can be served; one that is idle
// between two exchanges counts one. Beyond that the longest idle client is closed for a new one,
// and where nobody is idle new ones wait in the kernel.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// A client that was answered less than this ago is not closed for a new one: its next request
  /// may be on the way.
  static var idleMin: Nanoseconds { .milliseconds(100) }
  /// The same for one that has just connected.
  static var silenceMin: Nanoseconds { .milliseconds(10) }
  /// Clients that are looked at to close one: those that have sent something are passed over.
  private static var looksMax: Int { 8 }

  /// How many further clients may be let in.
  private var clientRoom: Int {
    (io.capacity - 2 * clientCount + reusable.idleCount) / 2
  }

  /// Sees to it that one more client can be accepted, where that is possible.
  mutating func makeClientRoom() {
    while clientRoom <= 0, closeReusable(sparingYoung: true) {}
    if io.freeConnectionCount == 0 { makeRoom(sparingYoung: true) }
    io.acceptRoom = io.freeConnectionCount > 0 ? max(0, clientRoom) : 0
  }

  /// Clients wait in the kernel: lets them in as soon as there is room.
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

  /// Closes what is needed least, for a connection that is to be opened. False where everything
  /// that is open is in use.
  @discardableResult
  mutating func makeRoom(sparingYoung: Bool) -> Bool {
    if let spare = idle.spare {
      context.metrics.room.count(worker: workerIndex, .spareClosed)
      closeIdle(spare)
      return true
    }
    return closeReusable(sparingYoung: sparingYoung)
  }

  /// Closes the client that has been idle for longest. False where there is none.
  private mutating func closeReusable(sparingYoung: Bool) -> Bool {
    for kind in ReusableClients.Kind.allCases {
      var looksLeft = Self.looksMax
      var next = reusable.first(kind)
      while let index = next, looksLeft > 0, let id = client(at: index) {
        looksLeft -= 1
        // The others came later still.
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
      // Its content has not come yet.
      abortExchange(exchangeID(id), .abandoned, code: .canceled)
    } else {
      closeDownstream(id)
    }
  }

  /// Whether the client came to rest a moment ago, by its deadline for the next request.
  private mutating func isYoung(_ id: ClientID, _ kind: ReusableClients.Kind) -> Bool {
    guard kind != .unfinished else { return false }
    let timeout = plan.listener(io.tag(id.connection))?.idleTimeout ?? Self.idleTimeoutOfNone
    let idleTime = io.now + timeout - io.deadline(id.connection)
    return idleTime < (kind == .idle ? Self.idleMin : Self.silenceMin)
  }
}
