// The upgrade as the process in charge sees it: starts the successor, carries messages between it
// and `UpgradeMachine`, and ends it when the machine says so. Never blocks.
package import IO
package import Primitives

/// The successor that starts now, if any. Control thread only.
package final class UpgradeDriver {
  private struct Attempt {
    let process: SuccessorProcess
    let channel: FrameSocket
    var machine: UpgradeMachine
  }

  /// How the last attempt ended; nil: there was none, or it goes on.
  package private(set) var failure: UpgradeMachine.Failure?
  private var attempt: Attempt?

  package init() {}

  /// Whether a successor is starting.
  package var isActive: Bool { attempt != nil }
  /// The process id of the successor that starts or has taken over.
  package var process: Int32? { attempt?.process.id }
  /// The version of its program, once it has said so.
  package var program: String? { attempt?.machine.program }
  /// When `turn` has something to do even without a message.
  package var dueAt: Nanoseconds { attempt?.machine.dueAt ?? .distantFuture }

  /// Starts a successor. Requires: none is starting. Error: the program cannot be started.
  package func begin(
    _ start: ProgramStart, readyTimeout: Nanoseconds, now: Nanoseconds
  ) throws(UpgradeMachine.Failure) {
    precondition(attempt == nil, "one upgrade at a time")
    failure = nil
    do throws(IOError) {
      let (own, other) = try FrameSocket.pair()
      let process = try other.start(
        [start.path] + start.arguments.dropFirst(), environment: start.environment,
        variable: UpgradeMessage.variable)
      attempt = Attempt(
        process: SuccessorProcess(id: process), channel: own,
        machine: UpgradeMachine(now: now, readyTimeout: readyTimeout))
    } catch {
      let failed = UpgradeMachine.Failure("\(start.path) cannot be started: \(error.reason)")
      failure = failed
      throw failed
    }
  }

  /// The next step; `.none`: nothing has happened. A step `fail` has been carried out already.
  package func turn(now: Nanoseconds) -> UpgradeMachine.Step {
    guard var attempt else { return .none }
    attempt.channel.flush()
    var step = UpgradeMachine.Step.none
    while step == .none, let frame = attempt.channel.next() {
      // A successor that knows more kinds may send them.
      if let message = UpgradeMessage(frame) { step = attempt.machine.take(message) }
    }
    if step == .none, attempt.channel.isEnded {
      step = attempt.machine.lost(attempt.process.ending)
    }
    if step == .none { step = attempt.machine.turn(now: now) }
    self.attempt = attempt
    if case .fail(let failure) = step {
      attempt.process.kill()
      self.failure = failure
      self.attempt = nil
    }
    return step
  }

  /// Sends the sockets of the listeners and the record. Requires: the step was `pass`.
  package func pass(
    _ sockets: [(owner: InheritedSockets.Owner, descriptors: [Int32])], _ record: UpgradeRecord
  ) {
    let all = sockets.flatMap { socket in
      socket.descriptors.map {
        (passed: UpgradeMessage.PassedSocket(socket.owner), descriptor: $0)
      }
    }
    var rest = all[...]
    while !rest.isEmpty {
      let some = rest.prefix(FrameSocket.descriptorsMax)
      rest = rest.dropFirst(FrameSocket.descriptorsMax)
      attempt?.channel.send(
        .sockets(some.map(\.passed)), descriptors: some.map(\.descriptor))
    }
    attempt?.channel.send(.record(record))
  }

  /// Puts the successor in charge. Returns the channel to it. Requires: the step was `commit`.
  package func commit(page: [UInt8]) -> FrameSocket {
    guard let channel = attempt?.channel else { preconditionFailure("a successor is ready") }
    channel.send(.commit(page: page))
    attempt = nil
    return channel
  }

  /// Ends the successor that starts, because this process ends.
  package func abandon() {
    guard let attempt else { return }
    attempt.process.kill()
    failure = UpgradeMachine.Failure("this process is ending")
    self.attempt = nil
  }
}
