// The listener for HAProxy's agent checks: a client sends one line, gets one line, and the
// connection ends. Bounds: `connectionsMax` connections, 512 bytes and two seconds for a question.
package import IO
import Primitives

/// The connections of the agent's address. Control thread only.
package struct AgentServer: ~Copyable {
  /// The tag of the events of its connections.
  package static let tag: UInt32 = 40
  private static let connectionsMax = 256
  private static let timeout = Nanoseconds.seconds(2)

  /// The bytes received of each question that is not complete.
  private var inputs: [ConnectionID: [UInt8]] = [:]
  /// Connections that are closed when their answer was sent.
  private var ending: Set<ConnectionID> = []
  /// The pools that answers are made of, and the time after which they are read again: weights do
  /// not change more often.
  private var pools: [PoolStatus] = []
  private var poolsDue = Nanoseconds.zero
  private static let poolsInterval = Nanoseconds.milliseconds(100)

  package init() {}

  /// Handles an event of a connection with `tag`. `read` gives the pools as they are now.
  package mutating func handle(
    _ event: IOEvent, _ io: inout IOLoop, read: () -> [PoolStatus]
  ) {
    let id = event.id
    switch event.kind {
    case .accepted:
      guard inputs.count + ending.count < Self.connectionsMax else {
        io.close(id)
        return
      }
      inputs[id] = []
      io.setReadLimit(id, AgentQuestion.byteCountMax)
      io.setDeadline(id, io.now + Self.timeout)
    case .received:
      guard var input = inputs[id] else { return }
      input += io.received
      guard let end = input.firstIndex(of: 0x0A) else {
        if input.count > AgentQuestion.byteCountMax { close(id, &io) } else { inputs[id] = input }
        return
      }
      if io.now >= poolsDue {
        pools = read()
        poolsDue = io.now + Self.poolsInterval
      }
      let answer = AgentQuestion(input[..<end])?.answer(pools)
      guard let answer, end <= AgentQuestion.byteCountMax else {
        close(id, &io)
        return
      }
      inputs[id] = nil
      ending.insert(id)
      _ = Array(answer.utf8).withUnsafeBytes { io.send(id, $0) }
      io.finish(id)
      if io.hasFailed(id) { close(id, &io) }
    case .eof, .hangup, .failed, .timeout: close(id, &io)
    case .none, .connected, .drained, .moved, .woken, .timer: break
    }
  }

  private mutating func close(_ id: ConnectionID, _ io: inout IOLoop) {
    inputs[id] = nil
    ending.remove(id)
    io.close(id)
  }
}
