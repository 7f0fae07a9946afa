// Carries out one exchange in the calling thread, with one deadline: for commands, and for threads
// that do nothing else. Each exchange has a loop and a connection of its own.
import HTTP
import IO
package import Primitives

/// The result of a blocking exchange.
package struct ClientReply: Sendable, Equatable {
  package enum Outcome: Sendable, Equatable {
    /// `location` and `contentType` as in `ClientAnswer`.
    case answered(status: Int, location: String?, contentType: String?, content: [UInt8])
    case failed(ClientFailure)
  }
  /// The path of the last request: a redirect changes it.
  package let path: String
  package let sentAt: Nanoseconds
  package let duration: Nanoseconds
  package let outcome: Outcome
  /// The first bytes of the answer, at most 64.
  package let firstBytes: [UInt8]
}

package enum BlockingClient {
  /// The time between two calls of `isStopped`.
  private static let pause = Nanoseconds.milliseconds(100)

  /// Sends the request and waits until the exchange has ended or `isStopped` returns true.
  /// `userAgent` is like `steelyard/1.0`. Requires: the request does not only connect.
  package static func send(
    _ request: ClientRequest, userAgent: String, isStopped: () -> Bool = { false }
  ) -> ClientReply {
    precondition(!request.onlyConnects)
    let sentAt = Clock.now
    do throws(IOError) {
      var io = try IOLoop(connectionsMax: 1, waker: try Waker())
      var driver = ClientDriver(tag: 0, userAgent: userAgent)
      let ticket = ClientTicket(lane: 0, serial: 0)
      let outcome = carryOut(request, ticket, &driver, &io, isStopped)
      return ClientReply(
        path: driver.path(ticket.lane) ?? request.path, sentAt: sentAt,
        duration: Clock.now - sentAt, outcome: outcome, firstBytes: driver.firstBytes(ticket.lane))
    } catch {
      return ClientReply(
        path: request.path, sentAt: sentAt, duration: .zero,
        outcome: .failed(ClientFailure(.local, error.description)), firstBytes: [])
    }
  }

  private static func carryOut(
    _ request: ClientRequest, _ ticket: ClientTicket, _ driver: inout ClientDriver,
    _ io: inout IOLoop, _ isStopped: () -> Bool
  ) -> ClientReply.Outcome {
    var outcome: ClientReply.Outcome?
    func take(_: ClientTicket, _ end: ClientOutcome) -> Bool {
      switch end {
      case .answered(let answer):
        outcome = .answered(
          status: answer.status, location: answer.location, contentType: answer.contentType,
          content: Array(answer.content))
      case .failed(let failure): outcome = .failed(failure)
      case .connected, .part: preconditionFailure("a whole answer was asked for")
      }
      return true
    }
    driver.start(request, ticket, &io, take)
    while true {
      if let outcome { return outcome }
      if isStopped() { return .failed(ClientFailure(.stopped, "given up")) }
      io.wait(until: io.now + pause)
      while outcome == nil, case let event = io.next(), event.kind != .none {
        driver.handle(event, &io, take)
      }
    }
  }
}
