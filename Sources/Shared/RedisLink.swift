// The connection to the common store on the control loop: names and sentinels are asked, TLS and
// login made, calls sent and their replies matched. Invariant: every call ends in one completion,
// with its reply or with nil when the connection is given up; nothing waits longer than its
// time-out, and what was lost is tried again after a growing pause.
package import Fleet
package import IO
package import Primitives

package struct RedisLink {
  /// What a link connects with.
  package struct Settings: Sendable, Equatable {
    package var policy: SharedPolicy
    package var login: RedisGreeting.Login
    package var sentinelLogin: RedisGreeting.Login

    package init(
      _ policy: SharedPolicy, login: RedisGreeting.Login = .init(),
      sentinelLogin: RedisGreeting.Login = .init()
    ) {
      self.policy = policy
      self.login = login
      self.sentinelLogin = sentinelLogin
    }
  }

  /// What was noticed since the last look.
  package enum Notice: Sendable, Equatable {
    case reached(SharedPolicy.Server)
    case lost(RedisFailure)
  }

  private enum Target: Sendable {
    case server(SharedPolicy.Server)
    /// By its number.
    case sentinel(Int)
  }

  private enum State {
    case waiting(until: Nanoseconds)
    case resolving(Target, until: Nanoseconds)
    case greeting(Target, RedisGreeting)
    case ready(SharedPolicy.Server)
  }

  /// The times for a connection, from the name to the end of the greeting.
  private static let openingTime = Nanoseconds.seconds(2)
  private static let pauseMin = Nanoseconds.milliseconds(100)
  private static let pauseMax = Nanoseconds.seconds(2)

  private let tag: UInt32
  private let settings: Settings
  private let waker: Waker
  /// nil: no name was asked for yet.
  private var lookups: LookupPool?
  private var random: RandomSource
  private var state = State.waiting(until: .zero)
  private var connection: ConnectionID?
  private var peer: TLSPeer?
  private var reader = RESPReader()
  private var pause = RedisLink.pauseMin
  private var openedAt = Nanoseconds.zero
  /// The calls without a reply, with the times at which they were sent.
  private var calls: [(number: Int, sentAt: Nanoseconds)] = []
  private var isAsking = false
  /// Numbers of calls that will have no reply.
  private var lost: [Int] = []

  package private(set) var notices: [Notice] = []
  package private(set) var failures: [RedisFailure.Kind: UInt64] = [:]
  /// The time that the last reply took.
  package private(set) var roundTrip: Nanoseconds?

  /// `waker` is the control loop's.
  package init(_ settings: Settings, tag: UInt32, waker: Waker, seed: UInt64) {
    self.settings = settings
    self.tag = tag
    self.waker = waker
    random = RandomSource(seed: seed)
  }

  package var isReady: Bool { if case .ready = state { true } else { false } }
  package var callCount: Int { calls.count }

  /// When `turn` has something to do, events apart.
  package var nextDue: Nanoseconds {
    switch state {
    case .waiting(let until), .resolving(_, let until): until
    case .greeting, .ready: .distantFuture
    }
  }

  package mutating func takeNotices() -> [Notice] {
    defer { notices = [] }
    return notices
  }

  package mutating func takeLost() -> [Int] {
    defer { lost = [] }
    return lost
  }

  /// Opens the connection when it is time, and takes answers about names. `context` is the TLS
  /// context of a description.
  package mutating func turn(_ io: inout IOLoop, context: (ClientTLS) -> ClientContext?) {
    let answers = lookups?.take() ?? []
    if !answers.isEmpty { isAsking = false }
    switch state {
    case .waiting(let until):
      guard io.now >= until, !isAsking else { return }
      openedAt = io.now
      begin(
        settings.policy.server.map(Target.server) ?? .sentinel(0), &io, context)
    case .resolving(let target, let until):
      if let answer = answers.first {
        guard let bytes = answer.addresses?.first else {
          return miss(
            target, RedisFailure(.name, "\(answer.host): \(answer.failure)"), &io, context)
        }
        let address = SocketAddress(bytes: bytes, port: server(of: target).port)
        connect(target, address, &io, context)
      } else if io.now >= until {
        miss(target, RedisFailure(.name, "no name server answered in time"), &io, context)
      }
    case .greeting, .ready: break
    }
  }

  /// Handles an event of a connection with this link's tag. `complete` gets the replies of calls.
  package mutating func handle(
    _ event: IOEvent, _ io: inout IOLoop, context: (ClientTLS) -> ClientContext?,
    _ complete: (Int, RESPValue) -> Void
  ) {
    guard event.id == connection else {
      if io.isOpen(event.id) { io.close(event.id) }
      return
    }
    switch event.kind {
    case .received:
      reader.append(UnsafeRawBufferPointer(io.received))
      read(&io, context, complete)
    case .eof: drop(RedisFailure(.connection, "the server closed the connection"), &io, context)
    case .failed:
      let failure =
        io.tlsFailure(event.id).map { RedisFailure(.tls, "\($0.words)") }
        ?? RedisFailure(.connection, IOError.reason(Int32(truncatingIfNeeded: event.value)))
      drop(failure, &io, context)
    case .timeout:
      drop(
        RedisFailure(.timeout, isReady ? "no answer in time" : "no connection in time"), &io,
        context)
    case .none, .connected, .accepted, .moved, .drained, .hangup, .woken, .timer: break
    }
  }

  /// Sends a call. Requires: `isReady`.
  package mutating func send(_ number: Int, _ command: [[UInt8]], _ io: inout IOLoop) {
    guard let connection else { return }
    var bytes: [UInt8] = []
    RESPValue.append(command: command, to: &bytes)
    if calls.isEmpty { io.setDeadline(connection, io.now + settings.policy.timeout) }
    calls.append((number, io.now))
    _ = bytes.withUnsafeBytes { io.send(connection, $0) }
  }

  /// Gives the connection up because of a reply that the owner cannot use.
  package mutating func fail(_ failure: RedisFailure, _ io: inout IOLoop) {
    close(&io)
    note(failure, &io)
  }

  /// Closes the connection for good.
  package mutating func close(_ io: inout IOLoop) {
    if let connection, io.isOpen(connection) { io.close(connection) }
    connection = nil
    lost += calls.map(\.number)
    calls = []
  }

  // MARK: Opening

  private func server(of target: Target) -> SharedPolicy.Server {
    switch target {
    case .server(let server): server
    case .sentinel(let number):
      settings.policy.sentinel?.servers[number] ?? SharedPolicy.Server(host: "", port: 0)
    }
  }

  private mutating func begin(
    _ target: Target, _ io: inout IOLoop, _ context: (ClientTLS) -> ClientContext?
  ) {
    let server = server(of: target)
    let host = server.host.contains(":") ? "[\(server.host)]" : server.host
    if let address = SocketAddress(host: host, port: server.port) {
      return connect(target, address, &io, context)
    }
    do throws(IOError) {
      if lookups == nil { lookups = try LookupPool(asker: waker) }
      isAsking = true
      state = .resolving(target, until: openedAt + Self.openingTime)
      lookups?.ask(server.host)
    } catch {
      miss(target, RedisFailure(.name, error.reason), &io, context)
    }
  }

  private mutating func connect(
    _ target: Target, _ address: SocketAddress, _ io: inout IOLoop,
    _ context: (ClientTLS) -> ClientContext?
  ) {
    let greeting =
      switch target {
      case .server: RedisGreeting(login: settings.login, database: settings.policy.database)
      case .sentinel:
        RedisGreeting(
          login: settings.sentinelLogin, master: settings.policy.sentinel?.name ?? "")
      }
    var tlsPeer: TLSPeer?
    if let tls = settings.policy.tls {
      // Never in the clear instead.
      guard let context = context(tls) else {
        return miss(
          target, RedisFailure(.tls, "no certificates are loaded for its `tls`"), &io, context)
      }
      tlsPeer = TLSPeer(context, name: tls.serverName ?? server(of: target).host)
    }
    reader = RESPReader()
    do throws(IOError) {
      let id = try io.connect(to: KernelAddress(address), tag: tag)
      connection = id
      if let tlsPeer { io.startTLS(id, tlsPeer) }
      io.setDeadline(id, openedAt + Self.openingTime)
      state = .greeting(target, greeting)
      _ = greeting.bytes.withUnsafeBytes { io.send(id, $0) }
    } catch {
      miss(target, RedisFailure(.connection, error.reason), &io, context)
    }
  }

  private mutating func read(
    _ io: inout IOLoop, _ context: (ClientTLS) -> ClientContext?,
    _ complete: (Int, RESPValue) -> Void
  ) {
    do throws(RESPError) {
      while connection != nil, let reply = try reader.next() {
        if case .greeting(let target, let greeting) = state {
          take(reply, target, greeting, &io, context)
        } else {
          take(reply, &io, context, complete)
        }
      }
    } catch {
      drop(RedisFailure(.protocolError, error.label), &io, context)
    }
  }

  private mutating func take(
    _ reply: RESPValue, _ target: Target, _ before: RedisGreeting, _ io: inout IOLoop,
    _ context: (ClientTLS) -> ClientContext?
  ) {
    var greeting = before
    switch greeting.take(reply) {
    case .unfinished: state = .greeting(target, greeting)
    case .failed(let failure): drop(failure, &io, context)
    case .master(let server):
      close(&io)
      begin(.server(server), &io, context)
    case .ready:
      let server = server(of: target)
      state = .ready(server)
      pause = Self.pauseMin
      if let connection { io.setDeadline(connection, nil) }
      notices.append(.reached(server))
    }
  }

  private mutating func take(
    _ reply: RESPValue, _ io: inout IOLoop, _ context: (ClientTLS) -> ClientContext?,
    _ complete: (Int, RESPValue) -> Void
  ) {
    guard !calls.isEmpty else {
      return drop(RedisFailure(.protocolError, "a reply that nobody asked for"), &io, context)
    }
    if case .error(let text) = reply {
      return drop(RedisFailure(error: text), &io, context)
    }
    let call = calls.removeFirst()
    roundTrip = io.now - call.sentAt
    if let connection {
      io.setDeadline(connection, calls.first.map { $0.sentAt + settings.policy.timeout })
    }
    complete(call.number, reply)
  }

  // MARK: Giving up

  /// The connection is of no more use.
  private mutating func drop(
    _ failure: RedisFailure, _ io: inout IOLoop, _ context: (ClientTLS) -> ClientContext?
  ) {
    close(&io)
    if case .greeting(let target, _) = state { return miss(target, failure, &io, context) }
    note(failure, &io)
  }

  /// A target cannot be used: the next sentinel is asked, if there is one.
  private mutating func miss(
    _ target: Target, _ failure: RedisFailure, _ io: inout IOLoop,
    _ context: (ClientTLS) -> ClientContext?
  ) {
    if case .sentinel(let number) = target, let sentinel = settings.policy.sentinel,
      number + 1 < sentinel.servers.count
    {
      failures[failure.kind, default: 0] += 1
      openedAt = io.now
      return begin(.sentinel(number + 1), &io, context)
    }
    note(failure, &io)
  }

  private mutating func note(_ failure: RedisFailure, _ io: inout IOLoop) {
    failures[failure.kind, default: 0] += 1
    notices.append(.lost(failure))
    // Replicas that lost the server at the same moment do not return at the same moment.
    let spread = 0.75 + 0.5 * random.unit()
    state = .waiting(until: io.now + .seconds(pause.seconds * spread))
    pause = min(Self.pauseMax, Nanoseconds(pause.rawValue * 2))
  }
}
