// Carries out what the controller asks endpoints for: scrapes, checks and canaries, each kind of
// each endpoint over a lane of its own.
// Invariant: every request given to `start` ends in one `Controller.finished`.
import Client
package import Fleet
package import IO
package import Primitives

package struct ControllerDriver: ~Copyable {
  private var client: ClientDriver

  /// Events of connections with `tag` are this driver's. `userAgent` is like `steelyard/1.0`.
  package init(tag: UInt32, userAgent: String) {
    client = ClientDriver(tag: tag, userAgent: userAgent)
  }

  /// Requests that are under way.
  package var activeCount: Int { client.activeCount }
  /// Connections that are open, idle ones too.
  package var connectionCount: Int { client.connectionCount }

  /// Sends all requests that are due. `wall` is the wall-clock time; `context` gives the TLS
  /// context of a description for a version of HTTP.
  package mutating func start(
    _ controller: inout Controller, _ io: inout IOLoop, wall: Nanoseconds,
    context: (ClientTLS, EndpointProtocol) -> ClientContext? = { _, _ in nil }
  ) {
    let now = io.now
    for request in controller.due(now: now) {
      var clientRequest = request.clientRequest
      if let tls = request.tls {
        guard let context = context(tls, request.version) else {
          // Never in the clear instead.
          let failure = PollFailure(.local, "no certificates are loaded for its `tls`")
          controller.finished(request.id, .failed(failure), now: now, wall: wall)
          continue
        }
        clientRequest.security = ClientSecurity(context, name: request.serverName)
      }
      client.start(clientRequest, request.id.ticket, &io) {
        Self.finish($0, $1, &controller, now: now, wall: wall)
      }
    }
  }

  /// Handles an event of a connection with this driver's tag.
  package mutating func handle(
    _ event: IOEvent, _ io: inout IOLoop, _ controller: inout Controller, wall: Nanoseconds
  ) {
    let now = io.now
    client.handle(event, &io) { Self.finish($0, $1, &controller, now: now, wall: wall) }
  }

  /// Closes the connections that carry nothing now; for after a reload.
  package mutating func closeIdle(_ io: inout IOLoop) { client.closeIdle(&io) }

  /// The same for endpoints that are gone.
  package mutating func closeIdle(endpointIndexes: Set<Int>, _ io: inout IOLoop) {
    client.closeIdle(&io, lanes: { endpointIndexes.contains(Int($0 >> 32)) })
  }

  /// False where nobody waits for it any more.
  private static func finish(
    _ ticket: ClientTicket, _ outcome: ClientOutcome, _ controller: inout Controller,
    now: Nanoseconds, wall: Nanoseconds
  ) -> Bool {
    let id = PollID(ticket)
    return controller.finished(
      id, PollOutcome(outcome, isPage: id.source >= 0), now: now, wall: wall)
  }
}

extension PollID {
  /// The lane is the endpoint's index and the source.
  fileprivate var ticket: ClientTicket {
    let source = UInt32(bitPattern: Int32(source))
    return ClientTicket(lane: UInt64(endpointIndex) << 32 | UInt64(source), serial: serial)
  }

  fileprivate init(_ ticket: ClientTicket) {
    self.init(
      endpointIndex: Int(ticket.lane >> 32),
      source: Int(Int32(bitPattern: UInt32(truncatingIfNeeded: ticket.lane))),
      serial: ticket.serial)
  }
}
