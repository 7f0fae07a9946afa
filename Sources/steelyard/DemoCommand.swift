// `steelyard demo`: the endpoints and clients of the demo, a steelyard between them, and the table
// that shows both.
import Balancer
import CLI
import CSystem
import Controller
import Demo
import Events
import Exposition
import Fleet
import IO
import Primitives
import Terminal

final class DemoCommand {
  private static let redrawInterval = Nanoseconds.milliseconds(500)
  private static let plainInterval = Nanoseconds.seconds(5)
  /// The number of redraws that the rates and quantiles of the table look back.
  private static let windowCount = 10

  private struct Reading {
    let at: Nanoseconds
    let started: [UInt64]
    let durations: [HistogramSnapshot]
  }

  private let options: DemoOptions
  private let world: DemoWorld
  private let steelyard: Steelyard
  private let signals: SignalWatcher
  private let terminal: TerminalDriver?
  private let startedAt = Clock.now
  private var faults: [DemoOptions.Fault]
  private var chosen = 0
  private var modes = [VirtualServer.Mode](repeating: .healthy, count: 4)
  private var readings: [Reading] = []

  static func run(_ options: DemoOptions) -> ExitCode {
    do throws(StartError) {
      return try DemoCommand(options).run()
    } catch {
      Console.error("steelyard: \(error.message)")
      return error.exitCode
    }
  }

  private init(_ options: DemoOptions) throws(StartError) {
    self.options = options
    faults = options.faults.sorted { $0.at < $1.at }
    let waker: Waker
    let log: LogDriver
    do throws(IOError) {
      waker = try Waker()
      signals = try SignalWatcher([SIGTERM, SIGINT, SIGHUP], waker: waker)
      Machine.raiseOpenFilesLimit()
      world = try DemoWorld(options: options)
      log = try LogDriver(isQuiet: true)
    } catch {
      throw StartError(error)
    }
    steelyard = try Self.steelyard(world, options, waker, log)
    terminal = TerminalDriver.isUsable ? TerminalDriver() : nil
  }

  private static func steelyard(
    _ world: DemoWorld, _ options: DemoOptions, _ waker: Waker, _ log: LogDriver
  ) throws(StartError) -> Steelyard {
    var fleet = Fleet()
    fleet.admin = .loopback(port: 0)
    fleet.shutdownTimeout = .seconds(1)
    let sets = [("static", world.staticAddresses), ("dynamic", world.dynamicAddresses)]
    fleet.pools = sets.map { name, addresses in
      var pool = Pool(name: name, endpoints: addresses.map { Endpoint(address: $0) })
      pool.balance = options.balance
      pool.weights.interval = .milliseconds(250)
      let source = ScrapeSource(preset: "vllm", signals: Preset.named("vllm")?.signals ?? [])
      pool.weights.scrapes = name == "dynamic" ? [source] : []
      pool.weights.law = name == "dynamic" ? .capacity : .static
      return pool
    }
    fleet.listeners = (0...1).map {
      Listener(address: .loopback(port: 0), routes: [Route(pathPrefix: "/", pool: $0)])
    }
    let steelyard = try Steelyard(fleet, waker: waker, log: log)
    try steelyard.start()
    return steelyard
  }

  private func run() throws(StartError) -> ExitCode {
    let proxies = steelyard.balancer.addresses
    world.startLoad(staticProxy: proxies[0], dynamicProxy: proxies[1])
    terminal?.begin()
    if terminal == nil { for line in header() { Console.out(line) } }
    var nextDraw = Clock.now
    let seconds = options.seconds ?? (terminal == nil ? 30 : nil)
    let end = seconds.map { startedAt + .seconds($0) } ?? .distantFuture
    while true {
      let now = Clock.now
      if now >= end || !signals.take().isEmpty || readKeys() { break }
      while let fault = faults.first, now - startedAt >= fault.at {
        faults.removeFirst()
        set(fault.mode, endpoint: fault.endpoint)
      }
      if now >= nextDraw {
        nextDraw = now + (terminal == nil ? Self.plainInterval : Self.redrawInterval)
        read(now)
        draw(now)
      }
      steelyard.turn(until: min(now + .milliseconds(50), end))
    }
    terminal?.restore()
    for line in summary() { Console.out(line) }
    steelyard.beginStop()
    world.stop()
    steelyard.balancer.join()
    steelyard.log.finish()
    return .ok
  }

  /// Handles the keys that were pressed; true when one of them ends the demo.
  private func readKeys() -> Bool {
    guard let terminal else { return false }
    guard let keys = terminal.typed() else { return true }
    for key in keys {
      switch key {
      case UInt8(ascii: "1")...UInt8(ascii: "4"): chosen = Int(key - UInt8(ascii: "1"))
      case UInt8(ascii: "s"): set(.slow(5), endpoint: chosen)
      case UInt8(ascii: "h"): set(.hanging, endpoint: chosen)
      case UInt8(ascii: "f"): set(.failing, endpoint: chosen)
      case UInt8(ascii: "k"): set(.dead, endpoint: chosen)
      case UInt8(ascii: "r"): set(.healthy, endpoint: chosen)
      case UInt8(ascii: "q"): return true
      default: break
      }
    }
    return false
  }

  private func set(_ mode: VirtualServer.Mode, endpoint: Int) {
    modes[endpoint] = mode
    world.set(mode, endpoint: endpoint)
    if terminal == nil { Console.out("endpoint \(endpoint + 1) is now \(mode.label)") }
  }

  // MARK: What is shown

  private func header() -> [String] {
    let proxies = steelyard.balancer.addresses
    return [
      "steelyard demo: the same requests to two sets of four endpoints, \(options.balance.rawValue)",
      "proxy       http://\(proxies[1]) (dynamic weights), http://\(proxies[0]) (static)",
      "metrics     http://\(steelyard.adminAddress)/metrics",
      "status page http://\(steelyard.adminAddress)/",
    ]
  }

  private var endpoints: [Endpoint] {
    steelyard.board.table.fleet.pools.flatMap(\.endpoints)
  }

  private func read(_ now: Nanoseconds) {
    let indexes = endpoints.map(\.endpointIndex)
    readings.append(
      Reading(
        at: now, started: indexes.map { steelyard.evidence.sum(.started, $0) },
        durations: indexes.map { steelyard.balancer.metrics.durations(endpointIndex: $0) }))
    if readings.count > Self.windowCount { readings.removeFirst() }
  }

  private func draw(_ now: Nanoseconds) {
    var lines: [String] = []
    if terminal != nil { lines += header() + [""] }
    let elapsed = Quantity.fixed((now - startedAt).seconds, 0)
    for pool in [1, 0] {
      let traffic = world.traffic[pool]
      let name = pool == 1 ? "dynamic" : "static"
      let title =
        "\(elapsed) s, \(name) weights: \(traffic.sent) sent, \(traffic.failed) errors, "
        + "p50 \(Quantity.duration(traffic.latency.quantile(0.5))), "
        + "p99 \(Quantity.duration(traffic.latency.quantile(0.99)))"
      lines += DemoTable.lines(title, rows(pool, now)) + [""]
    }
    guard let terminal else {
      for line in lines { Console.out(line) }
      return
    }
    let states = modes.enumerated().map { "\($0 + 1) \($1.label)" }.joined(separator: ", ")
    lines.append("endpoint \(chosen + 1) is chosen; \(states)")
    lines.append("1-4 choose · s slow ×5 · h hang · f fail fast · k kill · r recover · q quit")
    let size = terminal.size
    terminal.show(
      lines.prefix(size.rows).map {
        ScreenLine($0).rendered(.monochrome, columns: size.columns)
      })
  }

  private func rows(_ pool: Int, _ now: Nanoseconds) -> [DemoRow] {
    guard let first = readings.first, let last = readings.last else { return [] }
    let table = steelyard.board.table
    let offset = pool * 4
    let counts = (0..<4).map { Double(last.started[offset + $0] - first.started[offset + $0]) }
    let total = max(1, counts.reduce(0, +))
    let span = max(0.001, (last.at - first.at).seconds)
    return table.fleet.pools[pool].endpoints.enumerated().compactMap { index, endpoint in
      guard let row = table.rows[endpoint.endpointIndex] else { return nil }
      let recent = last.durations[offset + index].since(first.durations[offset + index])
      let isEjected = steelyard.evidence.isEjected(endpoint.endpointIndex)
      return DemoRow(
        endpoint: endpoint.address.description, speed: DemoWorld.speeds[index],
        eligibility: row.eligibility.shown(isEjected: isEjected).label, base: row.base,
        weight: row.effective, share: counts[index] / total,
        inFlight: Int(steelyard.evidence.sum(.inFlight, endpoint.endpointIndex)),
        rate: counts[index] / span, p50: recent.quantile(0.5), p99: recent.quantile(0.99),
        reason: steelyard.controller.explainedRow(endpoint.endpointIndex, now: now)?.reasonText
          ?? "")
    }
  }

  private func summary() -> [String] {
    let started = endpoints.map { Double(steelyard.evidence.sum(.started, $0.endpointIndex)) }
    let sides = (0...1).map { pool in
      let traffic = world.traffic[pool]
      let counts = started[pool * 4..<pool * 4 + 4]
      let total = max(1, counts.reduce(0, +))
      let latency = traffic.latency
      return DemoSummary.Side(
        name: pool == 0 ? "static" : "dynamic", sent: traffic.sent, ok: traffic.ok,
        failed: traffic.failed, p50: latency.quantile(0.5), p99: latency.quantile(0.99),
        shares: counts.map { $0 / total })
    }
    return DemoSummary(
      seconds: (Clock.now - startedAt).seconds, balance: options.balance.rawValue, sides: sides
    ).lines
  }
}
