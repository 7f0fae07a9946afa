// The machine of an exchange against a model: a worker that holds resources, driven by random
// events.
import Primitives
import Testing

@testable import Balancer

private typealias Machine = ExchangeMachine

/// The resources that a worker holds for an exchange. The model performs the machine's actions,
/// with random results.
private struct PlayedWorker {
  var machine = Machine()
  var random: RandomSource
  private(set) var isWaiting = false
  private(set) var isPausing = false
  private(set) var isAwaited = false
  private(set) var hasLease = false
  private(set) var isOver = false
  /// The head of an answer was sent to the client.
  private(set) var isAnswering = false
  private(set) var endCount = 0
  private(set) var log: [String] = []

  init(seed: UInt64) { random = RandomSource(seed: seed) }

  private mutating func chance(_ share: Double) -> Bool { random.unit() < share }

  /// Applies a random event that may happen now.
  mutating func step() {
    var events: [Machine.Event] = [
      .timeEnded(isClientLate: chance(0.5)), .clientEnded(isReset: chance(0.5)),
    ]
    if isWaiting || isPausing || isAwaited { events.append(.waitEnded) }
    if hasLease {
      let isTunnel = machine.phase == .tunnel
      events += [
        .endpointEnded(
          isReset: chance(0.5), isStale: !isAnswering && chance(0.3),
          isWholeAnswer: isAnswering && chance(0.3)),
        .endpointTimedOut, .clientTimedOut,
      ]
      if !isAnswering { events += [.connectFailed, .connectTimedOut] }
      if !isTunnel { events.append(machine.isReaderBehind ? .readerCaughtUp : .readerFellBehind) }
      if !isAnswering { events += [.answerBegan, .answerBegan, .tunnelBegan] }
    }
    if isWaiting { events += [.admitted, .admitted] }
    if isAwaited { events += [.contentCame, .contentCame] }
    let event = events[random.index(below: events.count)]
    log.append("\(machine.phase) \(event)")
    let before = machine.phase
    let action = machine.take(event)
    switch event {
    case .admitted:
      isWaiting = false
      attempt()
    case .contentCame:
      isAwaited = false
      admit()
    case .answerBegan, .tunnelBegan: isAnswering = true
    default: perform(action, before)
    }
  }

  /// Begins an exchange, as after a complete request head.
  mutating func begin() {
    if chance(0.3) {
      isAwaited = true
      expect(machine.take(.contentAwaited) == .nothing, "content")
    } else {
      admit()
    }
  }

  private mutating func admit() {
    if chance(0.4) {
      isWaiting = true
      expect(machine.take(.queued) == .nothing, "queued")
    } else {
      attempt()
    }
  }

  private mutating func attempt() {
    expect(!hasLease, "two attempts at once")
    expect(!isAnswering, "an attempt after the answer has begun")
    if chance(0.1) {
      end()
      return
    }
    hasLease = true
    expect(machine.take(.asked) == .nothing, "asked")
  }

  private mutating func perform(_ action: Machine.Action, _ before: Machine.Phase) {
    switch action {
    case .nothing: break
    case .attempt:
      expect(isPausing, "an attempt of one that does not pause")
      isPausing = false
      attempt()
    case .lookAtContent:
      expect(isAwaited, "no content is awaited")
      if chance(0.5) { end() }
    case .lookAtReader:
      expect(isAnswering || machine.isReaderBehind, "nothing to read")
      if chance(0.5) { end() }
    case .lookAtEndpoint:
      expect(hasLease && !isAnswering, "no answer is waited for")
      if chance(0.5) { fail() }
    case .refuseQueued:
      expect(isWaiting, "it does not wait")
      expect(machine.take(.admitted) == .nothing, "admitted")
      isWaiting = false
      end()
    case .refuse:
      expect(!isAnswering, "two answers")
      release()
      end()
    case .fail:
      expect(hasLease && !isAnswering, "no attempt that can fail")
      fail()
    case .sendAgain:
      expect(hasLease && !isAnswering, "nothing to send again")
      if chance(0.5) { expect(machine.take(.asked) == .nothing, "asked") } else { fail() }
    case .complete, .truncate:
      expect(isAnswering && before == .answering, "no answer that can end")
      end()
    case .abandon:
      expect(before != .tunnel, "a tunnel is cut")
      end()
    case .endSide:
      expect(before == .tunnel, "no tunnel")
      if machine.isTunnelDone { end() }
    case .cutTunnel:
      expect(before == .tunnel, "no tunnel")
      end()
    }
  }

  private mutating func fail() {
    release()
    if chance(0.4) {
      attempt()
    } else if chance(0.5) {
      isPausing = true
      expect(machine.take(.pauseBegan) == .nothing, "pause")
    } else {
      end()
    }
  }

  private mutating func release() {
    hasLease = false
    expect(machine.take(.attemptEnded) == .nothing, "attempt ended")
  }

  private mutating func end() {
    endCount += 1
    let left = machine.end()
    expect((left == .queued) == isWaiting, "its place in the queue")
    expect((left == .pausing) == isPausing, "its pause")
    expect((left == .awaitingContent) == isAwaited, "its content")
    expect([.asking, .answering, .tunnel].contains(left) == hasLease, "its lease")
    (isWaiting, isPausing, isAwaited, hasLease) = (false, false, false, false)
    isOver = true
  }

  private func expect(_ isTrue: Bool, _ what: String) {
    #expect(isTrue, "\(what): \(log.suffix(12).joined(separator: ", "))")
  }
}

@Suite struct ExchangeMachineTests {
  @Test func everyExchangeEndsOnceAndGivesEverythingBack() {
    for seed in UInt64(0)..<20_000 {
      var worker = PlayedWorker(seed: seed)
      worker.begin()
      var steps = 0
      while !worker.isOver, steps < 10_000 {
        worker.step()
        steps += 1
      }
      #expect(worker.endCount == 1 && worker.machine.phase == .ended, "seed \(seed)")
    }
  }

  /// Returns a machine in the phase.
  private static func machine(_ phase: Machine.Phase, isBehind: Bool = false) -> Machine {
    var machine = Machine()
    switch phase {
    case .ready: break
    case .awaitingContent: _ = machine.take(.contentAwaited)
    case .queued: _ = machine.take(.queued)
    case .pausing: _ = machine.take(.pauseBegan)
    case .asking: _ = machine.take(.asked)
    case .answering:
      _ = machine.take(.asked)
      _ = machine.take(.answerBegan)
    case .tunnel:
      _ = machine.take(.asked)
      _ = machine.take(.tunnelBegan)
    case .ended: _ = machine.end()
    }
    if isBehind { _ = machine.take(.readerFellBehind) }
    return machine
  }

  private static func action(
    _ event: Machine.Event, in phase: Machine.Phase, isBehind: Bool = false
  ) -> Machine.Action {
    var machine = machine(phase, isBehind: isBehind)
    return machine.take(event)
  }

  @Test func theTimeOfAnExchangeEndsItAsItsPhaseSays() {
    let event = Machine.Event.timeEnded(isClientLate: false)
    #expect(Self.action(event, in: .queued) == .refuseQueued)
    for phase in [Machine.Phase.awaitingContent, .pausing] {
      #expect(Self.action(event, in: phase) == .refuse(.exchangeTimeout))
    }
    #expect(Self.action(event, in: .asking) == .fail(.exchangeTimeout, isUnsent: false))
    #expect(Self.action(event, in: .answering) == .truncate(.slowEndpoint))
    #expect(Self.action(event, in: .tunnel) == .nothing)
  }

  @Test func aSlowClientIsNotTheEndpointsFault() {
    let late = Machine.Event.timeEnded(isClientLate: true)
    #expect(Self.action(late, in: .asking) == .refuse(.exchangeTimeout))
    let event = Machine.Event.timeEnded(isClientLate: false)
    #expect(Self.action(event, in: .asking, isBehind: true) == .refuse(.exchangeTimeout))
    #expect(Self.action(event, in: .answering, isBehind: true) == .truncate(.slowClient))
  }

  @Test func whatAClientsTimeOutMeans() {
    #expect(Self.action(.clientTimedOut, in: .asking) == .refuse(.contentTimeout))
    #expect(Self.action(.clientTimedOut, in: .asking, isBehind: true) == .lookAtReader)
    #expect(Self.action(.clientTimedOut, in: .answering) == .lookAtReader)
    #expect(Self.action(.clientTimedOut, in: .tunnel) == .cutTunnel)
    #expect(Self.action(.clientTimedOut, in: .queued) == .nothing)
  }

  @Test func aTunnelEndsWhenBothSidesHave() {
    var machine = Self.machine(.tunnel)
    #expect(machine.take(.clientEnded(isReset: false)) == .endSide(isClient: true))
    #expect(!machine.isTunnelDone)
    let ended = Machine.Event.endpointEnded(isReset: false, isStale: false, isWholeAnswer: false)
    #expect(machine.take(ended) == .endSide(isClient: false))
    #expect(machine.isTunnelDone)
    #expect(Self.action(.clientEnded(isReset: true), in: .tunnel) == .cutTunnel)
  }
}
