// `control-bench --tick [ENDPOINTS]`: the cost of a turn of the control loop with many endpoints in
// one pool, 10 000 by default, for each law. All endpoints have traffic and pages, so that every
// part runs.
import Controller
import Fleet
import Primitives

struct TickBench {
  private static let tickInterval = Nanoseconds.milliseconds(100)

  private let law: Law
  private let endpointCount: Int
  private let evidence: EvidenceBoard
  private var controller: Controller
  private var random = RandomSource(seed: 1)
  private var now = Nanoseconds.zero
  private var pages = 0

  init(_ law: Law, endpointCount: Int) {
    self.law = law
    self.endpointCount = endpointCount
    var pool = Pool(
      name: "bench",
      endpoints: (0..<endpointCount).map { index in
        let bytes = [10, UInt8(index >> 16 & 255), UInt8(index >> 8 & 255), UInt8(index & 255)]
        var endpoint = Endpoint(address: SocketAddress(bytes: bytes, port: 8_000))
        endpoint.endpointIndex = index
        return endpoint
      })
    pool.weights.law = law
    let thresholds = SignalSpec.Thresholds(normal: 0.5, alarm: 1)
    let busy = SignalSpec(
      "busy", .value(.init(["busy"])), thresholds: thresholds, isRatio: law != .capacity)
    pool.weights.scrapes = [
      ScrapeSource(signals: [
        busy,
        SignalSpec("running", .value(.init(["requests_running"])), role: .running),
        SignalSpec("waiting", .value(.init(["requests_waiting"])), role: .waiting),
        SignalSpec("completions", .rate(.init(["requests_total"])), role: .completions),
        SignalSpec("concurrency", .rate(.init(["request_seconds_sum"])), role: .concurrency),
      ])
    ]
    var fleet = Fleet()
    fleet.pools = [pool]
    evidence = EvidenceBoard(workerCount: 2, endpointLimit: endpointCount)
    controller = Controller(
      fleet: fleet, evidence: evidence, pickBoard: PickBoard(endpointLimit: endpointCount),
      random: RandomSource(seed: 2), now: .zero)
  }

  /// Times of `ticks` turns, in milliseconds: for the weights, and for the schedule of the scrapes.
  mutating func run(ticks: Int) -> String {
    let clock = ContinuousClock()
    var weights: [Double] = []
    var schedule: [Double] = []
    // The first two seconds are warm-up, after which every endpoint has had its second page.
    for turn in 0..<(ticks + 20) {
      now = now + Self.tickInterval
      work()
      var requests: [PollRequest] = []
      let looked = clock.measure {
        if controller.nextDue <= now { requests = controller.due(now: now) }
      }
      for request in requests { answer(request.id) }
      let ticked = clock.measure { _ = controller.tick(now: now) }
      guard turn >= 20 else { continue }
      weights.append(ticked / .milliseconds(1))
      schedule.append(looked / .milliseconds(1))
    }
    return Self.line("\(law.rawValue), tick", weights)
      + Self.line("\(law.rawValue), nextDue + due", schedule)
  }

  private static func line(_ name: String, _ times: [Double]) -> String {
    let sorted = times.sorted()
    let figures = [0, sorted.count / 2, sorted.count - 1].map { BenchRuns.text(sorted[$0]) }
    return "| \(name) | \(figures.joined(separator: " | ")) |\n"
  }

  /// A tenth of a second of traffic, with requests at every endpoint.
  private mutating func work() {
    for endpointIndex in 0..<endpointCount {
      let cells = evidence.block(ofWorker: endpointIndex & 1)
      let count = UInt64(random.index(below: 4))
      cells.add(count, at: evidence.index(.started, endpointIndex))
      cells.add(count, at: evidence.index(.completed, endpointIndex))
      let each = UInt64(100_000_000 + 50_000_000 * (endpointIndex % 5))
      cells.add(count * each, at: evidence.index(.completedNanoseconds, endpointIndex))
      cells.store(2, at: evidence.index(.inFlight, endpointIndex))
      let started = UInt64(2) &* UInt64(bitPattern: (now - Self.tickInterval).rawValue)
      cells.store(started, at: evidence.index(.outstandingStarts, endpointIndex))
    }
  }

  private mutating func answer(_ id: PollID) {
    pages += 1
    let total = now.rawValue / 50_000_000
    let text = """
      busy \(Double(pages % 100) / 100)
      requests_running 2
      requests_waiting 0
      requests_total \(total)
      request_seconds_sum \(total)

      """
    Array(text.utf8).withUnsafeBytes { bytes in
      _ = controller.finished(id, .answered(status: 200, content: bytes), now: now, wall: now)
    }
  }
}
