// One race on one thread: every contestant's endpoints, and the clients that send each request to
// all proxies at the same instant. Ready → go → warm-up → measured window with its faults → the
// clients wait for what still runs.
import Demo
import IO
import Primitives
import Synchronization

/// What another thread reads from standard input.
final class Orders: Sendable {
  private let goes = Atomic<Bool>(false)
  private let ended = Atomic<Bool>(false)

  /// The race may begin.
  var isGo: Bool { goes.load(ordering: .relaxed) }
  /// Whoever gave orders is gone.
  var isEnded: Bool { ended.load(ordering: .relaxed) }

  /// Reads lines until their end. Errors: the thread's.
  func follow(_ waker: Waker) throws(IOError) {
    _ = try ThreadHandle.start(name: "orders") { [self] in
      while let line = readLine() {
        if line == "go" { goes.store(true, ordering: .relaxed) }
        waker.wake()
      }
      ended.store(true, ordering: .relaxed)
      waker.wake()
    }
  }
}

struct RaceDriver: ~Copyable {
  private static let queueMax = 10_000
  /// Of each contestant; a client that would have more gives up at once.
  private static let outstandingMax = 2_500
  private static let connectionsMax = 60_000

  private let spec: RaceSpec
  private let proxies: [SocketAddress]
  private let orders: Orders
  private var io: IOLoop
  private var endpoints: EndpointDriver
  private var load: LoadDriver?
  private var steps: [RaceScenario.Step]
  private var measuredAt = Nanoseconds.distantFuture

  /// Opens the endpoints' sockets. Errors: SpecError and IOError.
  static func open(_ spec: RaceSpec, _ orders: Orders, _ waker: Waker) throws -> RaceDriver {
    let field = spec.field
    let proxies = try RaceSpec.addresses(spec.contestants.map(\.proxy))
    let addresses = try RaceSpec.addresses(spec.contestants.flatMap(\.endpoints))
    let servers = addresses.indices.map {
      VirtualServer(
        speed: field.speeds[$0 % field.speeds.count] / field.unitSeconds, slots: field.slots,
        queueMax: field.queueMax ?? Self.queueMax, fullCacheRatio: field.fullCacheRatio,
        now: Clock.now)
    }
    var io = try IOLoop(connectionsMax: Self.connectionsMax, waker: waker)
    var endpoints = try EndpointDriver(
      servers, setSize: field.speeds.count, at: addresses, keepsArrivals: true, &io)
    endpoints.fullStatus = field.fullStatus ?? 503
    return RaceDriver(spec, orders, proxies, io, endpoints)
  }

  private init(
    _ spec: RaceSpec, _ orders: Orders, _ proxies: [SocketAddress], _ io: consuming IOLoop,
    _ endpoints: consuming EndpointDriver
  ) {
    self.spec = spec
    self.orders = orders
    self.proxies = proxies
    self.io = io
    self.endpoints = endpoints
    steps = spec.scenario.steps(seconds: spec.seconds)
  }

  private var end: Nanoseconds { measuredAt + .seconds(spec.seconds) }

  /// Runs it all; nil when the orders ended before. `say` is told of each phase that begins.
  mutating func run(_ say: (String) -> Void) throws(IOError) -> RaceReport? {
    if spec.scenario.firstMode != .healthy { try change(spec.scenario.firstMode) }
    say("ready")
    while !orders.isGo {
      if orders.isEnded { return nil }
      turn(until: .distantFuture)
    }
    load = LoadDriver(
      proxies: proxies, traffic: proxies.map { _ in PoolTraffic() },
      schedule: ArrivalSchedule(
        rate: spec.rate, seed: spec.seed, start: io.now,
        isConstant: spec.field.isConstant == true),
      form: spec.isPost == true ? .post : .query, outstandingMax: Self.outstandingMax,
      keepsRecords: true)
    measuredAt = io.now + .seconds(spec.warmUpSeconds)
    guard try go(until: measuredAt) else { return nil }
    say("measuring")
    let cpuSeconds = ProcessReading.now().cpuSeconds
    guard try go(until: end) else { return nil }
    say("measured")
    let used = ProcessReading.now().cpuSeconds - cpuSeconds
    // Every client has a deadline, so this ends.
    while load?.outstandingCount ?? 0 > 0, !orders.isEnded {
      turn(until: io.now + .milliseconds(100))
    }
    return RaceReport(
      spec, records: load?.records ?? [], arrivals: endpoints.arrivals, measuredAt: measuredAt,
      ownCoreRatio: used / spec.seconds)
  }

  /// Lets requests come until then; false when the orders ended.
  private mutating func go(until end: Nanoseconds) throws(IOError) -> Bool {
    while io.now < end {
      if orders.isEnded { return false }
      let step = steps.first.map { measuredAt + $0.at } ?? .distantFuture
      turn(until: min(end, step, load?.nextEvent ?? .distantFuture))
      if let first = steps.first, io.now >= measuredAt + first.at {
        steps.removeFirst()
        try change(first.mode)
      }
      // Requests that are due after the window are not sent.
      load?.work(&io, until: end)
    }
    return true
  }

  private mutating func change(_ mode: VirtualServer.Mode) throws(IOError) {
    guard let endpoint = spec.scenario.endpoint(of: spec.field) else { return }
    for set in spec.contestants.indices {
      try endpoints.set(mode, server: set * spec.field.speeds.count + endpoint, &io)
    }
  }

  private mutating func turn(until next: Nanoseconds) {
    io.wait(until: min(next, endpoints.nextLook(now: io.now)))
    while true {
      let event = io.next()
      if event.kind == .none { break }
      if event.kind == .woken { continue }
      if endpoints.owns(event.tag) {
        endpoints.handle(event, &io)
      } else {
        load?.handle(event, &io)
      }
    }
    endpoints.work(&io)
  }
}
