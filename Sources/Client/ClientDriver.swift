// Carries out exchanges on an IOLoop. A lane is a sequence of exchanges with one server; it has its
// own connection (kept alive where the server allows it), deadline and buffers.
// Invariant: every request given to `start` ends with one completion, unless its lane is given
// another request first.
import Glibc
import HTTP
package import IO
import Primitives

/// The lane of an exchange and a number of the owner. Both are passed back with the outcome.
package struct ClientTicket: Hashable, Sendable {
  /// The lane, numbered by the owner.
  package let lane: UInt64
  /// A number of the owner; the driver does not use it.
  package let serial: UInt64

  package init(lane: UInt64, serial: UInt64) {
    self.lane = lane
    self.serial = serial
  }
}

package struct ClientDriver: ~Copyable {
  /// Handles an outcome, whose content is valid only during the call. Returns false if the owner
  /// needs the lane no longer.
  package typealias Completion = (ClientTicket, ClientOutcome) -> Bool

  private struct Lane {
    var request: ClientRequest
    var serial: UInt64 = 0
    var isBusy = false
    var connection: ConnectionID?
    var isConnected = false
    /// The server as TLS knows it, with the session that the next connection resumes.
    var peer: TLSPeer?
    /// The connection carried an exchange before this one.
    var isReused = false
    /// A redirect was followed already.
    var isRedirected = false
    var deadline = Nanoseconds.zero
    var exchange = ClientExchange()
  }

  private let tag: UInt32
  private let userAgent: String
  private var parser = HeadParser()
  private var lanes: [UInt64: Lane] = [:]
  private var owners: [ConnectionID: UInt64] = [:]

  /// Events of connections with `tag` are this driver's. `userAgent` is like `steelyard/1.0`.
  package init(tag: UInt32, userAgent: String) {
    self.tag = tag
    self.userAgent = userAgent
  }

  /// The number of exchanges in progress.
  package var activeCount: Int { lanes.values.count { $0.isBusy } }
  /// The number of open connections, idle ones included.
  package var connectionCount: Int { owners.count }

  /// Begins an exchange on the ticket's lane. An exchange in flight there is dropped without a
  /// completion. If the exchange fails at once, its completion comes before `start` returns.
  package mutating func start(
    _ request: ClientRequest, _ ticket: ClientTicket, _ io: inout IOLoop, _ complete: Completion
  ) {
    // The owner dropped the exchange in flight, or the server has another address or other
    // certificates now.
    if let lane = lanes[ticket.lane] {
      let isSecuredAlike = lane.request.security == request.security
      if lane.isBusy || lane.request.address != request.address || !isSecuredAlike
        || lane.request.version != request.version,
        let id = lane.connection
      {
        drop(id, &io)
      }
      if !isSecuredAlike { lanes[ticket.lane]?.peer = nil }
    }
    let userAgent = userAgent
    let deadline = io.now + request.timeout
    // In place, so that the buffers of the exchange before are used again.
    func begin(_ lane: inout Lane) {
      lane.request = request
      lane.serial = ticket.serial
      lane.isBusy = true
      lane.deadline = deadline
      lane.isReused = lane.connection != nil
      lane.isRedirected = false
      lane.exchange.begin(request, userAgent: userAgent)
    }
    begin(&lanes[ticket.lane, default: Lane(request: request)])
    send(ticket.lane, &io, complete)
  }

  /// Handles an event of a connection with this driver's tag.
  package mutating func handle(_ event: IOEvent, _ io: inout IOLoop, _ complete: Completion) {
    guard let key = owners[event.id], lanes[key]?.isBusy == true else {
      // The connection is idle: after any event it is of no more use.
      if event.kind != .drained, event.kind != .connected { drop(event.id, &io) }
      return
    }
    switch event.kind {
    case .connected:
      lanes[key]?.isConnected = true
      if lanes[key]?.request.version == .http2, let security = lanes[key]?.request.security,
        !io.isHTTP2(event.id)
      {
        let failure = ClientFailure(.noCommonProtocol, name: security.name)
        return fail(key, failure, &io, complete)
      }
      guard lanes[key]?.request.onlyConnects == true else { break }
      lanes[key]?.exchange.connect()
      finish(key, &io, complete)
    case .received:
      let isOver = lanes[key]?.exchange.receive(UnsafeRawBufferPointer(io.received), &parser)
      if lanes[key]?.request.isStream == true {
        let ticket = ClientTicket(lane: key, serial: lanes[key]?.serial ?? 0)
        lanes[key]?.exchange.withPart { _ = complete(ticket, .part($0)) }
      }
      if isOver == true { return finish(key, &io, complete) }
      if let replies = lanes[key]?.exchange.takeReplies() { send(replies, event.id, &io) }
    case .eof:
      if sendAgain(key, &io, complete) { return }
      lanes[key]?.exchange.end(isCut: event.value != 0)
      finish(key, &io, complete)
    case .failed:
      if sendAgain(key, &io, complete) { return }
      if let reason = io.tlsFailure(event.id) {
        let name = lanes[key]?.request.security?.name ?? ""
        return fail(key, ClientFailure(reason, name: name), &io, complete)
      }
      let failure = Self.failure(
        Int32(truncatingIfNeeded: event.value), isConnected: lanes[key]?.isConnected ?? false)
      fail(key, failure, &io, complete)
    case .timeout: fail(key, timeout(key), &io, complete)
    case .none, .accepted, .moved, .drained, .hangup, .woken, .timer: break
    }
  }

  /// Ends what the lane does, without a completion.
  package mutating func stop(lane: UInt64, _ io: inout IOLoop) {
    if let id = lanes[lane]?.connection { drop(id, &io) }
    lanes[lane] = nil
  }

  /// Closes the idle connections, after a reload. Lanes that are not needed any more are removed
  /// with them.
  package mutating func closeIdle(_ io: inout IOLoop) {
    for (id, key) in owners where lanes[key]?.isBusy != true { drop(id, &io) }
    lanes = lanes.filter { $0.value.isBusy }
  }

  /// Closes the idle connections of some lanes.
  package mutating func closeIdle(_ io: inout IOLoop, lanes isGone: (UInt64) -> Bool) {
    for key in lanes.keys.filter(isGone) where lanes[key]?.isBusy != true {
      if let id = lanes[key]?.connection { drop(id, &io) }
      lanes[key] = nil
    }
  }

  // MARK: The lane's last exchange

  /// The first bytes of the answer, at most 64, to tell which protocol it is if not HTTP.
  package func firstBytes(_ lane: UInt64) -> [UInt8] { lanes[lane]?.exchange.firstBytes ?? [] }

  /// The path of the last request: a redirect changes it.
  package func path(_ lane: UInt64) -> String? { lanes[lane]?.request.path }

  // MARK: One exchange

  /// Sends the lane's request over its connection or a new one.
  private mutating func send(_ key: UInt64, _ io: inout IOLoop, _ complete: Completion) {
    guard let lane = lanes[key] else { return }
    if lane.exchange.hasFailed { return finish(key, &io, complete) }
    var connection = lane.connection
    if connection == nil {
      do throws(IOError) {
        let id = try io.connect(to: KernelAddress(lane.request.address), tag: tag)
        owners[id] = key
        lanes[key]?.connection = id
        lanes[key]?.isConnected = false
        connection = id
        send(lane.request.preface, id, &io)
        if let security = lane.request.security {
          let peer = lane.peer ?? TLSPeer(security.context, name: security.name)
          lanes[key]?.peer = peer
          io.startTLS(id, peer)
        }
      } catch {
        let failure =
          error.isLocalShortage
          ? ClientFailure(.local, error.description)
          : Self.failure(error.code, isConnected: false)
        fail(key, failure, &io, complete)
        return
      }
    }
    guard let connection else { return }
    io.setDeadline(connection, lane.deadline)
    send(lane.exchange.requestBytes, connection, &io)
  }

  private func send(_ bytes: [UInt8], _ id: ConnectionID, _ io: inout IOLoop) {
    guard !bytes.isEmpty else { return }
    _ = bytes.withUnsafeBytes { io.send(id, $0) }
  }

  /// Sends the request again if the server has just closed a kept connection. Returns false if that
  /// is not what happened.
  private mutating func sendAgain(
    _ key: UInt64, _ io: inout IOLoop, _ complete: Completion
  ) -> Bool {
    guard let lane = lanes[key], lane.request.isSentAgain, lane.isReused,
      !lane.exchange.hasReceived, let id = lane.connection
    else { return false }
    drop(id, &io)
    lanes[key]?.isReused = false
    send(key, &io, complete)
    return true
  }

  private mutating func fail(
    _ key: UInt64, _ failure: ClientFailure, _ io: inout IOLoop, _ complete: Completion
  ) {
    lanes[key]?.exchange.fail(failure)
    finish(key, &io, complete)
  }

  /// Requires: the lane's exchange is over.
  private mutating func finish(_ key: UInt64, _ io: inout IOLoop, _ complete: Completion) {
    if let path = redirectPath(key) { return follow(path, key, &io, complete) }
    lanes[key]?.isBusy = false
    guard let lane = lanes[key] else { return }
    let ticket = ClientTicket(lane: key, serial: lane.serial)
    let isWanted = lane.exchange.withOutcome { complete(ticket, $0) }
    if let id = lane.connection {
      if lane.exchange.isReusable, isWanted {
        io.setDeadline(id, nil)
      } else {
        drop(id, &io)
      }
    }
    if !isWanted { lanes[key] = nil }
  }

  private func redirectPath(_ key: UInt64) -> String? {
    guard let lane = lanes[key], lane.request.followsRedirect, !lane.isRedirected else {
      return nil
    }
    return lane.exchange.redirectPath(of: lane.request)
  }

  /// Sends a request for the target of a redirect to the same server, within the same timeout.
  private mutating func follow(
    _ path: String, _ key: UInt64, _ io: inout IOLoop, _ complete: Completion
  ) {
    if let id = lanes[key]?.connection, lanes[key]?.exchange.isReusable != true { drop(id, &io) }
    guard let lane = lanes[key] else { return }
    var request = lane.request
    request.path = path
    lanes[key]?.request = request
    lanes[key]?.isReused = lane.connection != nil
    lanes[key]?.isRedirected = true
    lanes[key]?.exchange.begin(request, userAgent: userAgent)
    send(key, &io, complete)
  }

  private mutating func drop(_ id: ConnectionID, _ io: inout IOLoop) {
    if let key = owners.removeValue(forKey: id), lanes[key]?.connection == id {
      lanes[key]?.connection = nil
    }
    if io.isOpen(id) { io.close(id) }
  }

  // MARK: Reasons

  private func timeout(_ key: UInt64) -> ClientFailure {
    guard let lane = lanes[key] else { return ClientFailure(.timeout, "nothing") }
    let none = lane.request.security == nil ? "no connection" : "no TLS connection"
    let progress = lane.isConnected ? lane.exchange.progress : none
    let seconds = NumberWords.fixed(lane.request.timeout.seconds, 1)
    return ClientFailure(.timeout, "\(progress) within \(seconds) s")
  }

  private static func failure(_ code: Int32, isConnected: Bool) -> ClientFailure {
    let reason = IOError.reason(code)
    if isConnected { return ClientFailure(.cut, reason) }
    switch code {
    case ECONNREFUSED: return ClientFailure(.refused, reason)
    case ETIMEDOUT: return ClientFailure(.timeout, reason)
    default: return ClientFailure(.unreachable, reason)
    }
  }
}
