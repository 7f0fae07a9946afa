// The process that this one replaces: what it passes at the start, and the counters that it sends
// until it has ended. Invariant: whatever happens to it, this process can go on with what it has.
package import IO
package import Primitives

/// The channel to the process that was in charge. Control thread only.
package final class Predecessor {
  private let channel: FrameSocket
  /// Its counters as it last sent them, a metrics page; empty: it sent none.
  package private(set) var page: [UInt8] = []
  /// Changes with every page.
  package private(set) var pageNumber = 0
  /// What it knew when it handed over; nil: it did not say.
  package private(set) var record: UpgradeRecord?
  /// Whether this process is in charge: the predecessor said so, or is gone.
  package private(set) var isOver = false
  /// Whether the predecessor has ended.
  package private(set) var hasEnded = false

  /// The time that it may take to answer the first word. It answers within a turn of its loop.
  private static let answerTimeout = Nanoseconds.seconds(10)

  private init(_ channel: FrameSocket) { self.channel = channel }

  /// The predecessor, if another steelyard started this process to be replaced. Requires: no other
  /// thread exists.
  package static func inherited() -> Predecessor? {
    FrameSocket.inherited(UpgradeMessage.variable).map(Predecessor.init)
  }

  /// Asks for the sockets, which are added to `sockets`, and the record; nil: the predecessor has
  /// ended or says nothing that is understood. Blocks until then.
  package func ask(program: String, _ sockets: InheritedSockets) -> UpgradeRecord? {
    channel.send(
      .hello(UpgradeMessage.Hello(version: UpgradeMessage.version, program: program)))
    let deadline = Clock.now + Self.answerTimeout
    while !channel.isEnded, Clock.now < deadline {
      while let frame = channel.next() {
        switch UpgradeMessage(frame) {
        case .sockets(let passed):
          for (socket, descriptor) in zip(passed, frame.descriptors) {
            // What is no listening socket is of no use; the listener opens its own.
            try? sockets.add(descriptor, of: socket.owner)
          }
        case .record(let record): return record
        default: break
        }
      }
      channel.wait(milliseconds: 100)
    }
    return nil
  }

  /// Tells it why this process cannot serve. Blocks until it is told.
  package func refuse(exitCode: Int, lines: [String]) {
    channel.send(.refused(UpgradeMessage.Refusal(exitCode: exitCode, lines: lines)))
    let deadline = Clock.now + Self.answerTimeout
    while !channel.isDrained, !channel.isEnded, Clock.now < deadline {
      channel.wait(milliseconds: 100)
      channel.flush()
    }
  }

  /// Tells it that this process accepts connections.
  package func tellReady() { channel.send(.ready) }

  /// Tells it that this process ends, and that it has so long to end too.
  package func tellEnding(within time: Nanoseconds) {
    channel.send(.ending(seconds: max(0, time.seconds)))
  }

  /// Reads what it has sent.
  package func turn() {
    channel.flush()
    while let frame = channel.next() {
      switch UpgradeMessage(frame) {
      case .commit(let page):
        take(page)
        isOver = true
      case .counters(let page): take(page)
      case .record(let record): self.record = record
      default: break
      }
    }
    if channel.isEnded { (hasEnded, isOver) = (true, true) }
  }

  private func take(_ page: [UInt8]) {
    self.page = page
    pageNumber += 1
  }
}
