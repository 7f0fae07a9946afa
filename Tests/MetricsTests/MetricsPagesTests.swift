// The page at /metrics: its format and content type, and that it holds the catalogue.
import Balancer
import Controller
import Discovery
import Events
import Exposition
import Fleet
import Primitives
import Status
import Testing

@testable import Metrics

@Suite struct MetricsPagesTests {
  private static let text = "text/plain; version=0.0.4; charset=utf-8"
  private static let openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8"

  @Test(
    arguments: [
      ("", .text, text), ("*/*", .text, text), ("text/html", .text, text),
      ("application/openmetrics-text;version=1.0.0", .openMetrics, openMetrics),
      (
        "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.4", .openMetrics,
        openMetrics
      ),
      ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4", .text, text),
      ("application/openmetrics-text;version=9.0.0", .text, text),
      ("text/plain;version=0.0.4;escaping=allow-utf-8", .text, text + "; escaping=allow-utf-8"),
      ("text/plain;version=0.0.4;escaping=dots", .text, text + "; escaping=underscores"),
    ] as [(String, MetricsWriter.Format, String)])
  func theClientsWishDecides(
    _ accept: String, _ format: MetricsWriter.Format, _ contentType: String
  ) {
    let choice = MetricsPages.format(accept: accept)
    #expect(choice.format == format && choice.contentType == contentType)
  }

  @Test func namesAreThereOnce() {
    let names = Catalogue.families.map(\.name)
    #expect(names.count > 100 && Set(names).count == names.count)
    for family in Catalogue.families {
      #expect(family.name.hasPrefix("steelyard_") || family.name.hasPrefix("process_"))
      #expect(MetricsDocument.markdown.contains("| `\(family.name)` |"))
    }
  }

  @Test(arguments: [MetricsWriter.Format.text, .openMetrics])
  func aPageHoldsTheCatalogue(_ format: MetricsWriter.Format) throws {
    var pages = MetricsPages()
    let state = try Self.state()
    let page = pages.page(format, state)
    let names = String(decoding: page, as: UTF8.self).split(separator: "\n")
      .filter { $0.hasPrefix("# TYPE ") }.map { String($0.split(separator: " ")[2]) }
    let expected = Catalogue.families.map {
      format == .openMetrics ? $0.openMetricsName : $0.name
    }
    #expect(Set(names) == Set(expected) && names.count == expected.count)
    if format == .openMetrics {
      try page.withUnsafeBytes { try OpenMetricsValidator.check($0) }
    }
    let lines = page.filter { $0 == UInt8(ascii: "\n") }.count
    #expect(pages.page(format, state).filter { $0 == UInt8(ascii: "\n") }.count == lines)
  }

  @Test func countsAreThoseOfTheBoards() throws {
    let state = try Self.state()
    let cells = state.evidence.block(ofWorker: 0)
    cells.add(3, at: state.evidence.index(.started, 1))
    state.admin.note(200)
    state.admin.note(204)
    state.admin.note(503)
    var pages = MetricsPages()
    let page = String(decoding: pages.page(.text, state), as: UTF8.self)
    for line in [
      "steelyard_endpoint_attempts_total{pool=\"a \\\"b\\\"\",endpoint=\"10.0.0.1:8000\"} 0",
      "steelyard_endpoint_attempts_total{pool=\"a \\\"b\\\"\",endpoint=\"10.0.0.2:8000\"} 3",
      "steelyard_admin_requests_total{code=\"2xx\"} 2",
      "steelyard_admin_requests_total{code=\"5xx\"} 1",
      "steelyard_build_info{version=\"1.2.3\"} 1",
      "steelyard_config_last_reload_successful 0",
    ] {
      #expect(page.contains(line + "\n"), "\(line)")
    }
  }

  /// Failures of a rate have to begin at 0; what is rare appears when it occurs.
  @Test func callsOfHTTP2PoolsBeginAtZero() throws {
    var state = try Self.state()
    var pages = MetricsPages()
    #expect(!String(decoding: pages.page(.text, state), as: UTF8.self).contains("grpc_status="))
    let board = WeightBoard(fleet: state.table.fleet, endpointLimit: 2)
    var fleet = state.table.fleet
    fleet.pools[0].endpointProtocol = .auto
    board.publish(fleet: fleet)
    state.table = board.table
    let lines = String(decoding: pages.page(.text, state), as: UTF8.self).split(separator: "\n")
      .filter { $0.hasPrefix("steelyard_grpc_calls_total{") }
    #expect(lines.count == 2 * 6 && lines.allSatisfy { $0.hasSuffix(" 0") })
    for status in ["OK", "UNKNOWN", "DEADLINE_EXCEEDED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"] {
      #expect(lines.filter { $0.contains("grpc_status=\"\(status)\"") }.count == 2)
    }
  }

  @Test func namesAndLabelsAreAnInfoOfTheirOwn() throws {
    var state = try Self.state()
    var pages = MetricsPages()
    let without = String(decoding: pages.page(.text, state), as: UTF8.self)
    #expect(!without.contains("steelyard_endpoint_info{"))
    let board = WeightBoard(fleet: state.table.fleet, endpointLimit: 2)
    var fleet = state.table.fleet
    fleet.pools[0].name = "a"
    fleet.pools[0].endpoints[0].name = "gpu-1"
    fleet.pools[0].endpoints[1].labels = ["zone": "b \"c\"", "model": "m"]
    board.publish(fleet: fleet)
    state.table = board.table
    let page = String(decoding: pages.page(.text, state), as: UTF8.self)
    let one = "steelyard_endpoint_info{pool=\"a\",endpoint=\"10.0.0.1:8000\",name=\"gpu-1\"} 1"
    let two =
      "steelyard_endpoint_info{pool=\"a\",endpoint=\"10.0.0.2:8000\",name=\"\","
      + "label_model=\"m\",label_zone=\"b \\\"c\\\"\"} 1"
    #expect(page.contains(one + "\n") && page.contains(two + "\n"))
    let open = pages.page(.openMetrics, state)
    try open.withUnsafeBytes { try OpenMetricsValidator.check($0) }
  }

  @Test func aPageOfAnotherFleetHasItsEndpoints() throws {
    var state = try Self.state()
    var pages = MetricsPages()
    _ = pages.page(.text, state)
    let board = WeightBoard(fleet: state.table.fleet, endpointLimit: 2)
    var fleet = state.table.fleet
    fleet.pools[0].name = "other"
    board.publish(fleet: fleet)
    state.table = board.table
    let page = String(decoding: pages.page(.text, state), as: UTF8.self)
    #expect(
      page.contains("steelyard_endpoint_in_flight{pool=\"other\",endpoint=\"10.0.0.2:8000\"}"))
    #expect(!page.contains("steelyard_endpoint_in_flight{pool=\"a \\\"b\\\"\""))
  }

  /// A steelyard with one pool of two endpoints, whose last reload was refused.
  private static func state() throws -> ProgramState {
    var pool = Pool(name: "a \"b\"", endpoints: [])
    for index in 0..<2 {
      let address = SocketAddress(bytes: [10, 0, 0, UInt8(index + 1)], port: 8000)
      var endpoint = Endpoint(address: address, baseWeight: 1)
      endpoint.endpointIndex = index
      pool.endpoints.append(endpoint)
    }
    var fleet = Fleet()
    fleet.pools = [pool]
    let evidence = EvidenceBoard(workerCount: 1, endpointLimit: 2)
    let admission = AdmissionBoard(
      limits: Limits(), workerCount: 1, endpointLimit: 2, hash: SipHash(1, 2))
    admission.prepare(fleet)
    var reload = ReloadOutcome(startedAt: .seconds(1))
    reload.note(failure: "no such file", wall: .seconds(2))
    return ProgramState(
      version: "1.2.3", table: WeightBoard(fleet: fleet, endpointLimit: 2).table,
      evidence: evidence,
      traffic: TrafficMetrics(workerCount: 1, endpointLimit: 2), admission: admission,
      connectionsMax: 100, bufferedBytesMax: 1_000,
      controller: Controller(
        fleet: fleet, evidence: evidence, pickBoard: PickBoard(endpointLimit: 2),
        random: RandomSource(seed: 1), now: .seconds(10)),
      names: NameSource(), membership: Membership(fleet), status: StatusHistory(),
      accessLog: try AccessLogDriver(workerCount: 1),
      log: try LogDriver(isQuiet: true), hooks: HookQueue(), admin: AdminCounts(), reload: reload,
      now: .seconds(10), wall: .seconds(1_000))
  }
}
