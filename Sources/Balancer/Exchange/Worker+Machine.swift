// Passes events to an exchange's machine and performs the actions that it returns. Invariant: an
// event that may require an action is passed here.
// HOT PATH: no allocation, no lock, no existential.
import IO

extension Worker where Loop: ~Copyable {
  mutating func handle(_ event: ExchangeMachine.Event, of id: ExchangeID) {
    switch exchanges[id].pointee.machine.take(event) {
    case .nothing: break
    case .attempt:
      pausingCount -= 1
      attempt(id)
    case .lookAtContent: awaitTimeout(id)
    case .lookAtReader:
      let client = clientID(id)
      if takesBytes(client) { return }
      io.resetOnClose(client.connection)
      abortExchange(id, .abandoned, code: .canceled)
    case .lookAtEndpoint: answerTimedOut(id)
    case .refuseQueued: queueTimeout(id)
    case .refuse(let reason): refuse(id, reason)
    case .fail(let reason, let isUnsent): attemptFailed(id, reason, isUnsent: isUnsent)
    case .sendAgain(let isReset): staleEnded(id, isEOF: !isReset)
    case .complete: exchangeCompleted(id, upstreamIsClean: false)
    case .truncate(let cut): truncate(id, cut)
    case .abandon: abortExchange(id, outcomeOfLeaving(id), code: .canceled)
    case .endSide(let isClient): tunnelEnded(id, isClient: isClient)
    case .cutTunnel: cutTunnel(id)
    }
  }

  private mutating func truncate(_ id: ExchangeID, _ cut: ExchangeMachine.Cut) {
    switch cut {
    case .slowClient, .slowEndpoint: break
    case .silence: reportCut(id, .connection(.contentTimeout))
    case .end: reportCut(id, .connection(.closedInContent))
    case .reset: reportCut(id, .connection(.resetInContent))
    }
    let outcome: AttemptOutcome =
      switch cut {
      case .slowClient: .abandoned
      case .slowEndpoint, .silence: .failed(.timeout)
      case .end, .reset: .failed(.truncated)
      }
    abortExchange(id, outcome, code: .truncated)
  }
}
