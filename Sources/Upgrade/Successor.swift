// The process that has replaced this one: it gets the counters of this one until the end, and may
// ask it to end earlier.
package import IO
package import Primitives

/// The channel to the process in charge. Control thread only.
package final class Successor {
  private static let pageInterval = Nanoseconds.seconds(1)
  /// The time that the last page may take to be read, at the end.
  private static let lastTimeout = Nanoseconds.seconds(2)

  private let channel: FrameSocket
  private var pageDue: Nanoseconds
  /// When the successor wants this process to have ended; nil: it does not say.
  package private(set) var endsAt: Nanoseconds?

  package init(_ channel: FrameSocket, now: Nanoseconds) {
    self.channel = channel
    pageDue = now + Self.pageInterval
  }

  /// When `turn` has something to do.
  package var dueAt: Nanoseconds { pageDue }

  /// Sends the page if that is due, and reads what the successor says.
  package func turn(now: Nanoseconds, page: () -> [UInt8]) {
    channel.flush()
    while let frame = channel.next() {
      if case .ending(let seconds)? = UpgradeMessage(frame) {
        endsAt = now + .seconds(min(max(0, seconds), 86_400))
      }
    }
    guard now >= pageDue else { return }
    // A successor that does not read gets the last page only.
    if channel.isDrained, !channel.isEnded { channel.send(.counters(page: page())) }
    // A large page is made more seldom: it takes a twentieth of the time at most.
    pageDue = now + max(Self.pageInterval, Nanoseconds((Clock.now - now).rawValue * 20))
  }

  /// Sends the page now.
  package func send(page: [UInt8]) { channel.send(.counters(page: page)) }

  /// Sends the last page. Blocks until it is read, for a while.
  package func finish(page: [UInt8]) {
    channel.send(.counters(page: page))
    let deadline = Clock.now + Self.lastTimeout
    while !channel.isDrained, !channel.isEnded, Clock.now < deadline {
      channel.wait(milliseconds: 100)
      channel.flush()
    }
  }
}
