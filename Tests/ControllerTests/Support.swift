// What the suites share: captured pages, short ways to pages and pools, a controller on a virtual
// clock whose probes are answered by a function.
import Controller
import Fleet
import FoundationEssentials
import Glibc
import Primitives
import Testing

/// Pages captured from real servers, Tests/Captures.
enum Captures {
  private static let folder =
    URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().path()
    + "/Captures/"

  static func text(_ path: String) throws -> String {
    String(
      decoding: try #require(FileManager.default.contents(atPath: folder + path)), as: UTF8.self)
  }

  /// A gzipped file, by way of the system's `gzip`.
  static func unzipped(_ path: String) throws -> String {
    let pipe = try #require(popen("gzip -dc '\(folder + path)'", "r"))
    defer { pclose(pipe) }
    var bytes: [UInt8] = []
    var room = [UInt8](repeating: 0, count: 65_536)
    while case let count = fread(&room, 1, room.count, pipe), count > 0 { bytes += room[..<count] }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension PageReader {
  init(_ preset: String) throws {
    self.init(try ScrapeSource(preset), windowMax: .seconds(30))
  }

  init(_ signals: [SignalSpec], format: ScrapeSource.Format = .prometheus) {
    self.init(ScrapeSource(format: format, signals: signals), windowMax: .seconds(30))
  }

  /// Reads a page sent at that many seconds.
  mutating func read(_ page: String, at seconds: Double) throws(PageError) -> [SignalReading] {
    try whole(page, at: seconds).readings
  }

  mutating func whole(_ page: String, at seconds: Double) throws(PageError) -> PageReading {
    let bytes = Array(page.utf8)
    var result: Result<PageReading, PageError>?
    bytes.withUnsafeBytes { bytes in
      do throws(PageError) {
        result = .success(try read(bytes, sentAt: .seconds(seconds)))
      } catch {
        result = .failure(error)
      }
    }
    return try result!.get()
  }
}

extension ScrapeSource {
  init(_ preset: String) throws {
    let preset = try #require(Preset.named(preset))
    self.init(
      preset: preset.name, port: preset.port, path: preset.path, format: preset.format,
      signals: preset.signals)
  }

  /// One JSON page with the preset's two utilisations.
  static var json: ScrapeSource { get throws { try ScrapeSource("json") } }
}

/// A pool of endpoints 10.0.0.1:8000, 10.0.0.2:8000 and so on, slots in order.
func makeFleet(
  bases: [Double], law: Law = .headroom, scrapes: [ScrapeSource] = [], health: HealthPolicy? = nil,
  interval: Nanoseconds = .seconds(1)
) -> Fleet {
  var pool = Pool(name: "text", endpoints: [])
  for (index, base) in bases.enumerated() {
    var endpoint = Endpoint(
      address: SocketAddress(bytes: [10, 0, 0, UInt8(index + 1)], port: 8000), baseWeight: base)
    endpoint.endpointIndex = index
    pool.endpoints.append(endpoint)
  }
  pool.weights.law = law
  pool.weights.scrapes = scrapes
  pool.weights.interval = interval
  pool.health = health
  var fleet = Fleet()
  fleet.pools = [pool]
  return fleet
}

/// What an endpoint does with a probe.
enum Answer {
  case page(Int, String)
  case failure(PollFailure.Kind)
  /// No end before the timeout.
  case hang

  static func usage(_ cpu: Double, _ memory: Double = 10) -> Answer {
    .page(200, "{\"cpu_usage\": \(cpu), \"memory_usage\": \(memory)}")
  }
}

/// A controller on a virtual clock. Answers take no time, hung ones their timeout.
struct Bench {
  var controller: Controller
  /// What the balancer saw; played by the tests.
  let evidence = EvidenceBoard(workerCount: 1, endpointLimit: 64)
  /// What the workers are told.
  let pickBoard = PickBoard(endpointLimit: 64)
  var now = Nanoseconds.zero
  /// What is published: the board's first rows, then those of the last tick that had any.
  var rows: [WeightRow?] = []
  var tickCount = 0
  var publishCount = 0
  var requests: [(at: Nanoseconds, request: PollRequest)] = []
  private var hung: [(until: Nanoseconds, id: PollID)] = []

  init(_ fleet: Fleet, seed: UInt64 = 1) {
    controller = Controller(
      fleet: fleet, evidence: evidence, pickBoard: pickBoard,
      random: RandomSource(seed: seed), now: now)
    rows = controller.endpoints.map { $0?.row }
  }

  /// Turns of 100 ms. `answer` is asked for each probe; `observe` is called after each tick.
  mutating func run(
    seconds: Double, answer: (PollRequest) -> Answer, observe: (Bench) -> Void = { _ in }
  ) {
    let end = now + .seconds(seconds)
    while now < end {
      now = now + .milliseconds(100)
      let over = hung.filter { $0.until <= now }
      hung.removeAll { $0.until <= now }
      for probe in over {
        controller.finished(probe.id, .failed(PollFailure(.timeout)), now: now, wall: now)
      }
      for request in controller.due(now: now) {
        requests.append((now, request))
        finish(request, answer(request))
      }
      tickCount += 1
      if let rows = controller.tick(now: now) {
        self.rows = rows
        publishCount += 1
      }
      observe(self)
    }
  }

  private mutating func finish(_ request: PollRequest, _ answer: Answer) {
    switch answer {
    case .hang: hung.append((now + request.timeout, request.id))
    case .failure(let kind):
      controller.finished(request.id, .failed(PollFailure(kind)), now: now, wall: now)
    case .page(let status, let text):
      Array(text.utf8).withUnsafeBytes {
        _ = controller.finished(
          request.id, .answered(status: status, content: $0), now: now, wall: now)
      }
    }
  }

  func effective(_ endpointIndex: Int) -> Double { rows[endpointIndex]?.effective ?? .nan }
  func target(_ endpointIndex: Int) -> Double { rows[endpointIndex]?.target ?? .nan }
  /// Why the weight is what it is, as an operator reads it.
  func why(_ endpointIndex: Int) -> String? {
    controller.explainedRow(endpointIndex, now: now)?.reasonText
  }
  func kind(_ endpointIndex: Int) -> WeightReason.Kind? { rows[endpointIndex]?.reason.kind }
}

func near(_ a: Double, _ b: Double, _ tolerance: Double = 1e-9) -> Bool { abs(a - b) <= tolerance }

/// The journal's entries of one kind, the oldest first.
extension Controller {
  var verdicts: [VerdictChange] {
    journal[.verdicts].compactMap {
      if case .verdict(let change) = $0.transition { change } else { nil }
    }
  }
  var scrapeChanges: [ScrapeChange] {
    journal[.scrapes].compactMap {
      if case .scrape(let change) = $0.transition { change } else { nil }
    }
  }
  var weightChanges: [WeightChange] {
    journal[.weights].compactMap {
      if case .weight(let change) = $0.transition { change } else { nil }
    }
  }
  var tuningChanges: [TuningChange] {
    journal[.tuning].compactMap {
      if case .tuning(let change) = $0.transition { change } else { nil }
    }
  }
}
