// Where an exchange is, and what follows when something happens to it. A pure value: an event goes
// in, an action comes out, and the worker performs it. The machine knows no connection, no pool and
// no time.
// Invariant: exactly one action of an exchange ends it; every phase that holds something (a place
// in the queue, a pause, an attempt) has an event that leaves it.
// HOT PATH: no allocation, no lock, no existential, no clock.

struct ExchangeMachine: Equatable, Sendable {
  enum Phase: UInt8, CaseIterable, Sendable {
    /// No endpoint is asked: before the first attempt, or between two.
    case ready
    /// The request's content is waited for.
    case awaitingContent
    /// In the queue of the pool.
    case queued
    /// The time before the next attempt at an endpoint that failed.
    case pausing
    /// An endpoint is asked, and nothing of its answer was passed on.
    case asking
    /// The head of the answer was passed on.
    case answering
    /// The protocol was changed: bytes go both ways.
    case tunnel
    case ended
  }

  /// What happens to an exchange.
  enum Event: Equatable, Sendable {
    // What the worker does with it.
    case contentAwaited, contentCame, queued, admitted, pauseBegan
    /// An endpoint was picked.
    case asked
    /// The attempt is over, and the client has got nothing of it.
    case attemptEnded
    case answerBegan, tunnelBegan
    /// The client takes the answer more slowly than the endpoint gives it, and no more so.
    case readerFellBehind, readerCaughtUp

    // Its timers.
    case waitEnded
    /// `isClientLate`: the client has not sent its request, and the endpoint has all that there is.
    case timeEnded(isClientLate: Bool)

    // Its client.
    case clientTimedOut
    case clientEnded(isReset: Bool)

    // Its endpoint.
    case connectFailed
    case connectTimedOut
    /// `isStale`: on a connection that was kept, soon after the request was sent.
    case endpointEnded(isReset: Bool, isStale: Bool, isWholeAnswer: Bool)
    case endpointTimedOut
  }

  /// What the worker is to do.
  enum Action: Equatable, Sendable {
    case nothing
    /// Pick an endpoint and ask it.
    case attempt
    /// Look whether the content has come, may go on as it comes, or is late.
    case lookAtContent
    /// Look whether the client has taken bytes of its answer; cut it where it has not.
    case lookAtReader
    /// Look whether the endpoint has taken bytes of the request; else the attempt fails.
    case lookAtEndpoint
    /// Leave the queue, and answer that the wait was too long.
    case refuseQueued
    /// Answer in the endpoint's place. What ran is nobody's failure.
    case refuse(LocalReason)
    /// The attempt failed: make another one, or answer. `isUnsent`: the endpoint has got nothing.
    case fail(LocalReason, isUnsent: Bool)
    /// Send the request once more, on a new connection to the same endpoint, where that is safe.
    case sendAgain(isReset: Bool)
    /// Everything was passed on.
    case complete
    /// Cut the answer that has begun.
    case truncate(Cut)
    /// The client is gone: give up.
    case abandon
    /// Pass the end of one side on to the other.
    case endSide(isClient: Bool)
    case cutTunnel
  }

  /// Why an answer is cut.
  enum Cut: Equatable, Sendable {
    /// The exchange has taken all its time, for its client's fault or for the endpoint's.
    case slowClient, slowEndpoint
    /// The endpoint sends nothing more, has ended the connection, or has reset it.
    case silence, end, reset
  }

  private(set) var phase = Phase.ready
  /// The endpoint's answer is not read until the client has caught up.
  private(set) var isReaderBehind = false
  /// In a tunnel: the sides that have ended.
  private(set) var hasClientEnded = false
  private(set) var hasEndpointEnded = false

  /// A final response head was passed on.
  var hasAnswer: Bool { phase == .answering || phase == .tunnel }

  /// Both sides of the tunnel have ended.
  var isTunnelDone: Bool { hasClientEnded && hasEndpointEnded }

  /// Takes an event and says what to do. An event that cannot happen in the phase is a fault of the
  /// worker's.
  mutating func take(_ event: Event) -> Action {
    switch event {
    case .asked:
      assert(phase == .ready || phase == .asking)
      phase = .asking
      isReaderBehind = false
    case .attemptEnded: if phase == .asking { phase = .ready }
    case .answerBegan: move(.asking, .answering)
    case .readerFellBehind:
      assert(phase == .asking || phase == .answering)
      isReaderBehind = true
    case .readerCaughtUp: isReaderBehind = false
    case .contentAwaited: move(.ready, .awaitingContent)
    case .contentCame: move(.awaitingContent, .ready)
    case .queued: move(.ready, .queued)
    case .admitted: move(.queued, .ready)
    case .pauseBegan: move(.ready, .pausing)
    case .tunnelBegan: move(.asking, .tunnel)
    case .waitEnded: return waitEnded()
    case .timeEnded(let isClientLate): return timeEnded(isClientLate)
    case .clientTimedOut: return clientTimedOut()
    case .clientEnded(let isReset): return clientEnded(isReset)
    case .connectFailed: return .fail(.connectFailed, isUnsent: true)
    case .connectTimedOut: return .fail(.connectTimeout, isUnsent: true)
    case .endpointEnded(let isReset, let isStale, let isWholeAnswer):
      return endpointEnded(isReset, isStale, isWholeAnswer)
    case .endpointTimedOut: return endpointTimedOut()
    }
    return .nothing
  }

  /// The exchange is over, in whatever phase. Returns the phase that it leaves.
  mutating func end() -> Phase {
    let left = phase
    assert(left != .ended, "an exchange ends once")
    phase = .ended
    return left
  }

  private mutating func move(_ from: Phase, _ to: Phase) {
    assert(phase == from, "\(to) follows \(from), not \(phase)")
    phase = to
  }

  private mutating func waitEnded() -> Action {
    switch phase {
    case .awaitingContent: return .lookAtContent
    case .queued: return .refuseQueued
    case .pausing:
      phase = .ready
      return .attempt
    case .ready, .asking, .answering, .tunnel, .ended:
      assertionFailure("nothing is waited for")
      return .nothing
    }
  }

  private func timeEnded(_ isClientLate: Bool) -> Action {
    // An endpoint is not to blame for a client that is slow to send or to read.
    let isClients = isClientLate || isReaderBehind
    switch phase {
    case .queued: return .refuseQueued
    case .ready, .awaitingContent, .pausing: return .refuse(.exchangeTimeout)
    case .asking:
      return isClients ? .refuse(.exchangeTimeout) : .fail(.exchangeTimeout, isUnsent: false)
    case .answering: return .truncate(isClients ? .slowClient : .slowEndpoint)
    // A tunnel has no such time.
    case .tunnel, .ended: return .nothing
    }
  }

  private func clientTimedOut() -> Action {
    switch phase {
    case .answering: .lookAtReader
    case .asking: isReaderBehind ? .lookAtReader : .refuse(.contentTimeout)
    case .tunnel: .cutTunnel
    // The client has nothing to do.
    case .ready, .awaitingContent, .queued, .pausing, .ended: .nothing
    }
  }

  private mutating func clientEnded(_ isReset: Bool) -> Action {
    guard phase == .tunnel else { return .abandon }
    if isReset { return .cutTunnel }
    hasClientEnded = true
    return .endSide(isClient: true)
  }

  private mutating func endpointEnded(
    _ isReset: Bool, _ isStale: Bool, _ isWholeAnswer: Bool
  ) -> Action {
    switch phase {
    case .asking:
      return isStale ? .sendAgain(isReset: isReset) : .fail(.connectFailed, isUnsent: false)
    case .answering: return isWholeAnswer ? .complete : .truncate(isReset ? .reset : .end)
    case .tunnel:
      if isReset { return .cutTunnel }
      hasEndpointEnded = true
      return .endSide(isClient: false)
    case .ready, .awaitingContent, .queued, .pausing, .ended:
      assertionFailure("no endpoint is asked")
      return .nothing
    }
  }

  private func endpointTimedOut() -> Action {
    switch phase {
    case .asking: return .lookAtEndpoint
    case .answering: return .truncate(.silence)
    case .tunnel: return .cutTunnel
    case .ready, .awaitingContent, .queued, .pausing, .ended:
      assertionFailure("no endpoint is asked")
      return .nothing
    }
  }
}
