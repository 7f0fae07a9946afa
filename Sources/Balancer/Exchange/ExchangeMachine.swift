// The phase of an exchange, and the action that follows an event. A pure value: the worker passes
// an event in and performs the action that comes out. The machine knows no connection, no pool and
// no time. Invariant: exactly one action of an exchange ends it; every phase that holds something
// (a permit, a position in the queue, a pause, an attempt) has an event that leaves it.
// HOT PATH: no allocation, no lock, no existential, no clock.

struct ExchangeMachine: Equatable, Sendable {
  enum Phase: UInt8, CaseIterable, Sendable {
    /// No attempt runs: before the first attempt, or between two attempts.
    case ready
    /// The worker waits for request content.
    case awaitingContent
    /// The exchange waits in the queue of its pool.
    case queued
    /// The exchange pauses before the next attempt at an endpoint that failed.
    case pausing
    /// An attempt runs, and no part of its answer was passed on.
    case asking
    /// The head of the answer was passed on.
    case answering
    /// The protocol was changed: bytes are passed in both directions.
    case tunnel
    case ended
  }

  /// An event of an exchange.
  enum Event: Equatable, Sendable {
    // Events that the worker causes.
    case contentAwaited, contentCame, queued, admitted, pauseBegan
    /// An endpoint was picked, and an attempt begins.
    case asked
    /// The attempt is over, and the client has received nothing of it.
    case attemptEnded
    case answerBegan, tunnelBegan
    /// The client takes the answer more slowly than the endpoint sends it, or has caught up.
    case readerFellBehind, readerCaughtUp

    // Events of the exchange's timers.
    case waitEnded
    /// `isClientLate`: the request is incomplete, and the endpoint has all bytes received so far.
    case timeEnded(isClientLate: Bool)

    // Events of the client's connection.
    case clientTimedOut
    case clientEnded(isReset: Bool)

    // Events of the endpoint's connection.
    case connectFailed
    case connectTimedOut
    /// `isStale`: the connection was kept alive before this request, and ended soon after it was
    /// sent.
    case endpointEnded(isReset: Bool, isStale: Bool, isWholeAnswer: Bool)
    case endpointTimedOut
  }

  /// The action that the worker is to perform.
  enum Action: Equatable, Sendable {
    case nothing
    /// Pick an endpoint and begin an attempt.
    case attempt
    /// Check the request content: it is complete, may be passed on as it comes, or is late.
    case lookAtContent
    /// Check whether the client has taken bytes of its answer; if not, cut the answer.
    case lookAtReader
    /// Check whether the endpoint has taken bytes of the request; if not, the attempt fails.
    case lookAtEndpoint
    /// Leave the queue, and answer that the wait was too long.
    case refuseQueued
    /// Answer instead of the endpoint. The running attempt does not count as a failure.
    case refuse(LocalReason)
    /// The attempt failed: retry or answer. `isUnsent`: the endpoint has received nothing.
    case fail(LocalReason, isUnsent: Bool)
    /// Send the request again, on a new connection to the same endpoint, if that is safe.
    case sendAgain(isReset: Bool)
    /// Complete the exchange: every byte was passed on.
    case complete
    /// Cut the answer that has begun.
    case truncate(Cut)
    /// Give up, because the client is gone.
    case abandon
    /// Pass the end of one side of the tunnel on to the other side.
    case endSide(isClient: Bool)
    case cutTunnel
  }

  /// The reason why an answer is cut.
  enum Cut: Equatable, Sendable {
    /// The exchange has used all its time, because the client or because the endpoint was slow.
    case slowClient, slowEndpoint
    /// The endpoint sent nothing for too long, closed the connection, or reset it.
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

  /// Takes an event and returns the action. An event that cannot happen in the present phase is an
  /// error of the worker.
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

  /// Ends the exchange, in any phase. Returns the phase in which it was.
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
    // The endpoint is not at fault if the client is slow to send or to read.
    let isClientAtFault = isClientLate || isReaderBehind
    switch phase {
    case .queued: return .refuseQueued
    case .ready, .awaitingContent, .pausing: return .refuse(.exchangeTimeout)
    case .asking:
      return isClientAtFault ? .refuse(.exchangeTimeout) : .fail(.exchangeTimeout, isUnsent: false)
    case .answering: return .truncate(isClientAtFault ? .slowClient : .slowEndpoint)
    // A tunnel has no time limit for the whole exchange.
    case .tunnel, .ended: return .nothing
    }
  }

  private func clientTimedOut() -> Action {
    switch phase {
    case .answering: .lookAtReader
    case .asking: isReaderBehind ? .lookAtReader : .refuse(.contentTimeout)
    case .tunnel: .cutTunnel
    // In these phases steelyard does not wait for the client.
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
