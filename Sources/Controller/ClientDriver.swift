// Carries out probes on the control thread's loop: one lane for each endpoint and probe, with its
// own connection (kept alive where the server allows it), deadline and buffers.
// Invariant: every request given to `start` ends in one `Controller.finished`.
import Fleet
import Glibc
import HTTP
package import IO
package import Primitives

package struct ClientDriver: ~Copyable {
  /// One endpoint's one probe.
  private struct LaneKey: Hashable {
    let endpointIndex: Int
    let source: Int
  }

  private struct Lane {
    var address: SocketAddress
    var connection: ConnectionID?
    var isConnected = false
    /// The connection carried an exchange before this one.
    var isReused = false
    /// A redirect was followed already.
    var isRedirected = false
    /// nil while idle.
    var request: ProbeRequest?
    var deadline = Nanoseconds.zero
    var exchange = ClientExchange()
  }

  private let tag: UInt32
  private let userAgent: String
  private var parser = HeadParser()
  private var lanes: [LaneKey: Lane] = [:]
  private var owners: [ConnectionID: LaneKey] = [:]

  /// Events of connections with `tag` are this driver's. `userAgent` is like `steelyard/1.0`.
  package init(tag: UInt32, userAgent: String) {
    self.tag = tag
    self.userAgent = userAgent
  }

  /// Probes that are under way.
  package var activeCount: Int { lanes.values.count { $0.request != nil } }
  /// Connections that are open, idle ones too.
  package var connectionCount: Int { owners.count }

  /// Sends all probes that are due. `wall` is the wall-clock time.
  package mutating func start(
    _ controller: inout Controller, _ io: inout IOLoop, wall: Nanoseconds
  ) {
    for request in controller.due(now: io.now) { start(request, &controller, &io, wall) }
  }

  /// Handles an event of a connection with this driver's tag.
  package mutating func handle(
    _ event: IOEvent, _ io: inout IOLoop, _ controller: inout Controller, wall: Nanoseconds
  ) {
    guard let key = owners[event.id], let request = lanes[key]?.request else {
      // Idle: whatever happens there, the connection is of no more use.
      if event.kind != .drained, event.kind != .connected { drop(event.id, &io) }
      return
    }
    switch event.kind {
    case .connected:
      lanes[key]?.isConnected = true
      guard request.kind == .tcp else { break }
      lanes[key]?.exchange.connect()
      finish(key, &controller, &io, wall)
    case .received:
      let isOver = lanes[key]?.exchange.receive(UnsafeRawBufferPointer(io.received), &parser)
      if isOver == true { finish(key, &controller, &io, wall) }
    case .eof:
      if retry(key, request, &controller, &io, wall) { return }
      lanes[key]?.exchange.end()
      finish(key, &controller, &io, wall)
    case .failed:
      if retry(key, request, &controller, &io, wall) { return }
      let failure = Self.failure(
        Int32(truncatingIfNeeded: event.value), isConnected: lanes[key]?.isConnected ?? false)
      fail(key, failure, &controller, &io, wall)
    case .timeout: fail(key, timeout(key, request), &controller, &io, wall)
    case .none, .accepted, .moved, .drained, .hangup, .woken: break
    }
  }

  /// Closes the connections that carry nothing now; for after a reload. Lanes that nobody needs any
  /// more go with them.
  package mutating func closeIdle(_ io: inout IOLoop) {
    for (id, key) in owners where lanes[key]?.request == nil { drop(id, &io) }
    lanes = lanes.filter { $0.value.request != nil }
  }

  // MARK: One probe

  private mutating func start(
    _ request: ProbeRequest, _ controller: inout Controller, _ io: inout IOLoop,
    _ wall: Nanoseconds
  ) {
    let key = LaneKey(endpointIndex: request.id.endpointIndex, source: request.id.source)
    // A probe that the controller gave up, or a connection to where the endpoint was before.
    if let lane = lanes[key], lane.request != nil || lane.address != request.address,
      let id = lane.connection
    {
      drop(id, &io)
    }
    let userAgent = userAgent
    let deadline = io.now + request.timeout
    // In place, so that the buffers of the exchange before are used again.
    func begin(_ lane: inout Lane) {
      lane.address = request.address
      lane.request = request
      lane.deadline = deadline
      lane.isReused = lane.connection != nil
      lane.isRedirected = false
      lane.exchange.begin(request, userAgent: userAgent)
    }
    begin(&lanes[key, default: Lane(address: request.address)])
    send(key, &controller, &io, wall)
  }

  /// Sends the lane's request over its connection or a new one.
  private mutating func send(
    _ key: LaneKey, _ controller: inout Controller, _ io: inout IOLoop, _ wall: Nanoseconds
  ) {
    guard let lane = lanes[key] else { return }
    var connection = lane.connection
    if connection == nil {
      do throws(IOError) {
        let id = try io.connect(to: KernelAddress(lane.address), tag: tag)
        owners[id] = key
        lanes[key]?.connection = id
        lanes[key]?.isConnected = false
        connection = id
        sendProxyHeader(lane.request?.proxyHeader ?? ProxyHeader.none, id, &io)
      } catch {
        let failure =
          error.isLocalShortage
          ? ProbeFailure(.local, error.description) : Self.failure(error.code, isConnected: false)
        fail(key, failure, &controller, &io, wall)
        return
      }
    }
    guard let connection else { return }
    io.setDeadline(connection, lane.deadline)
    guard !lane.exchange.requestBytes.isEmpty else { return }
    _ = lane.exchange.requestBytes.withUnsafeBytes { io.send(connection, $0) }
  }

  /// We speak for ourselves: `UNKNOWN` and `LOCAL`.
  private func sendProxyHeader(_ version: ProxyHeader, _ id: ConnectionID, _ io: inout IOLoop) {
    if version == .none { return }
    withUnsafeTemporaryAllocation(byteCount: 32, alignment: 1) { room in
      var writer = ByteWriter(room)
      if version == .v1 {
        ProxyProtocol.writeLine(nil, to: &writer)
      } else {
        ProxyProtocol.writeBinary(nil, to: &writer)
      }
      io.send(id, writer.written)
    }
  }

  /// A kept connection that the server closed just now: the probe is sent again over a new one,
  /// once (RFC 9112 §9.3.1). False where that is not what happened.
  private mutating func retry(
    _ key: LaneKey, _ request: ProbeRequest, _ controller: inout Controller, _ io: inout IOLoop,
    _ wall: Nanoseconds
  ) -> Bool {
    guard let lane = lanes[key], lane.isReused, !lane.exchange.hasReceived,
      let id = lane.connection
    else { return false }
    drop(id, &io)
    lanes[key]?.isReused = false
    send(key, &controller, &io, wall)
    return true
  }

  private mutating func fail(
    _ key: LaneKey, _ failure: ProbeFailure, _ controller: inout Controller, _ io: inout IOLoop,
    _ wall: Nanoseconds
  ) {
    lanes[key]?.exchange.fail(failure)
    finish(key, &controller, &io, wall)
  }

  /// Requires: the lane's exchange is over.
  private mutating func finish(
    _ key: LaneKey, _ controller: inout Controller, _ io: inout IOLoop, _ wall: Nanoseconds
  ) {
    guard let request = lanes[key]?.request else { return }
    if lanes[key]?.isRedirected == false,
      let path = lanes[key]?.exchange.redirectPath(of: request)
    {
      follow(path, key, request, &controller, &io, wall)
      return
    }
    lanes[key]?.exchange.refuseRedirect()
    lanes[key]?.request = nil
    guard let lane = lanes[key] else { return }
    let now = io.now
    let isKnown = lane.exchange.withOutcome {
      controller.finished(request.id, $0, now: now, wall: wall)
    }
    if let id = lane.connection {
      if lane.exchange.isReusable, isKnown {
        io.setDeadline(id, nil)
      } else {
        drop(id, &io)
      }
    }
    if !isKnown { lanes[key] = nil }
  }

  /// Asks the same server for the page that it pointed to, once, within the same time-out.
  private mutating func follow(
    _ path: String, _ key: LaneKey, _ request: ProbeRequest, _ controller: inout Controller,
    _ io: inout IOLoop, _ wall: Nanoseconds
  ) {
    if let id = lanes[key]?.connection, lanes[key]?.exchange.isReusable != true { drop(id, &io) }
    var request = request
    request.path = path
    let isKept = lanes[key]?.connection != nil
    lanes[key]?.isReused = isKept
    lanes[key]?.isRedirected = true
    lanes[key]?.exchange.begin(request, userAgent: userAgent)
    send(key, &controller, &io, wall)
  }

  private mutating func drop(_ id: ConnectionID, _ io: inout IOLoop) {
    if let key = owners.removeValue(forKey: id), lanes[key]?.connection == id {
      lanes[key]?.connection = nil
    }
    if io.isOpen(id) { io.close(id) }
  }

  // MARK: Reasons

  private func timeout(_ key: LaneKey, _ request: ProbeRequest) -> ProbeFailure {
    let seconds = NumberWords.fixed(request.timeout.seconds, 1)
    let progress = lanes[key].map { $0.isConnected ? $0.exchange.progress : "no connection" }
    return ProbeFailure(.timeout, "\(progress ?? "nothing") within \(seconds) s")
  }

  static func failure(_ code: Int32, isConnected: Bool) -> ProbeFailure {
    let reason = IOError.reason(code)
    if isConnected { return ProbeFailure(.cut, reason) }
    switch code {
    case ECONNREFUSED: return ProbeFailure(.refused, reason)
    case ETIMEDOUT: return ProbeFailure(.timeout, reason)
    default: return ProbeFailure(.unreachable, reason)
    }
  }
}
