// What a person is told where there are no metrics: answers as real servers give them.
import Controller
import Fleet
import Primitives
import Testing

@testable import CLI

@Suite struct PageDiagnosisTests {
  private static func answer(_ status: Int, _ text: String, _ path: String = "/metrics")
    -> PageFetch
  {
    PageFetch(path: path, .answered(status: status, content: Array(text.utf8)))
  }

  private static func failed(_ kind: ProbeFailure.Kind, _ bytes: [UInt8] = []) -> PageFetch {
    PageFetch(path: "/metrics", .failed(ProbeFailure(kind, "detail")), firstBytes: bytes)
  }

  private struct Row: Sendable {
    var fetch: PageFetch
    var port: UInt16 = 8000
    var followUps: [PageFetch] = []
    /// What the hints say, in their order.
    var hints: [String]
    var preset: String?
    var location: SourceLocation

    init(
      _ fetch: PageFetch, port: UInt16 = 8000, followUps: [PageFetch] = [], _ hints: [String],
      preset: String? = nil, _ location: SourceLocation = #_sourceLocation
    ) {
      (self.fetch, self.port, self.followUps, self.hints) = (fetch, port, followUps, hints)
      (self.preset, self.location) = (preset, location)
    }
  }

  private static let notFound = answer(404, "Not found")

  private static let rows: [Row] = [
    Row(
      answer(404, "<HTML><HEAD><TITLE>404 Not Found</TITLE></HEAD></HTML>"), port: 8501,
      followUps: [answer(400, "{ \"error\": \"Malformed request: GET /v1/\" }", "/v1/")],
      ["this looks like TensorFlow Serving. Its page is /monitoring/prometheus/metrics"],
      preset: "tfserving"),
    Row(
      answer(
        501,
        "{\"error\":{\"code\":501,\"message\":\"This server does not support metrics endpoint. "
          + "Start it with `--metrics`\",\"type\":\"not_supported_error\"}}"),
      ["this looks like llama.cpp. Its page is off until --metrics"], preset: "llamacpp"),
    Row(
      answer(503, "{\"error\":{\"message\":\"Loading model\",\"code\":503}}"),
      ["this looks like llama.cpp. It answers 503 while its model loads"], preset: "llamacpp"),
    Row(
      notFound,
      followUps: [
        answer(200, "{\"object\": \"list\", \"data\": [{\"owned_by\": \"sglang\"}]}", "/v1/models")
      ], ["this looks like SGLang. Its page is off until --enable-metrics."], preset: "sglang"),
    Row(
      answer(
        404,
        "{\n  \"code\": 404,\n  \"type\": \"ResourceNotFoundException\",\n  \"message\": \"…\"}"),
      port: 8080,
      ["this looks like TorchServe. Its page is on a port of its own, 8082"], preset: "torchserve"),
    Row(
      notFound, followUps: [answer(200, "{\"name\":\"triton\",\"version\":\"2.51.0\"}", "/v2")],
      ["this looks like Triton. Its page is on a port of its own, 8002"], preset: "triton"),
    Row(
      notFound, followUps: [answer(200, "Ollama is running", "/")],
      ["this looks like Ollama. It has no metrics page."]),
    // A clue in another path's answer is none.
    Row(
      notFound, followUps: [answer(200, "{\"name\":\"triton\"}", "/v1/models")],
      ["the page is not at /metrics, or it is turned off"]),
    Row(answer(401, ""), ["the page asks for credentials"]),
    Row(answer(302, ""), ["it redirects"]),
    Row(answer(503, "busy"), ["it may be loading its model"]),
    Row(
      answer(400, "Client sent an HTTP request to an HTTPS server.\n"),
      ["this looks like an HTTPS server. Metrics are read over plain HTTP only"]),
    Row(failed(.refused), ["is the server up, and is this its port?"]),
    Row(failed(.refused), port: 8002, ["is the server up", "8002 is where Triton's metrics are"]),
    Row(failed(.timeout), ["a firewall that drops packets"]),
    // What a gRPC server greets with: SETTINGS of six bytes.
    Row(
      failed(.badHTTP, [0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 5, 0, 0, 64, 0]), port: 8500,
      ["this is a gRPC port (HTTP/2)", "8500 is TensorFlow Serving's gRPC port"]),
    Row(failed(.badHTTP, [0x15, 3, 1, 0, 2, 2, 22]), ["this port speaks TLS"]),
    Row(failed(.cut), ["it may speak something else than HTTP"]),
    Row(failed(.badHTTP, Array("SSH-2.0-OpenSSH".utf8)), []),
  ]

  @Test(arguments: rows.indices) func anAnswerThatIsNoPageIsExplained(row: Int) {
    let row = Self.rows[row]
    let diagnosis = PageDiagnosis(row.fetch, port: row.port, followUps: row.followUps)
    #expect(!diagnosis.problem.isEmpty)
    #expect(diagnosis.preset == row.preset, sourceLocation: row.location)
    #expect(
      diagnosis.hints.count == row.hints.count, "\(diagnosis.hints)", sourceLocation: row.location)
    for (hint, start) in zip(diagnosis.hints, row.hints) {
      #expect(hint.hasPrefix(start), "\(hint)", sourceLocation: row.location)
    }
  }

  @Test func everyClueLeadsToAdviceAndAPresetThatIs() {
    for clue in ServerClue.all {
      if let name = clue.preset { #expect(Preset.named(name) != nil, "\(name)") }
      let advice = clue.advice ?? clue.preset.flatMap { Preset.named($0)?.advice } ?? ""
      #expect(!advice.isEmpty, "\(clue.server)")
      #expect(clue.holds(Array("x \(clue.text) y".utf8)))
      #expect(!clue.holds([]))
    }
    #expect(ServerClue.paths.count <= 8)
  }
}

@Suite struct PageSurveyTests {
  private static func bytes(_ file: String) throws -> [UInt8] {
    Array(try Captures.text(file + ".prom").utf8)
  }

  @Test(
    arguments: [
      ("vllm-0.32-after", "vllm", 427), ("llama.cpp-load10", "llamacpp", 15),
      ("triton-2.51-load", "triton", 45), ("torchserve-0.12-load", "torchserve", 16),
      ("bentoml-1.4-load", "bentoml", 79), ("mlserver-1.7.1-load", "mlserver", 85),
      ("infinity-0.0.78-load", "infinity", 86), ("node_exporter", "node", 507),
      ("etcd", "process", 1_244), ("prometheus-2.42", "process", 324),
    ])
  func theServerOfACaptureIsRecognised(_ file: String, _ preset: String, _ count: Int) throws {
    let survey = try PageSurvey(try Self.bytes(file), nil, preset: nil)
    #expect(survey.preset == preset)
    #expect(survey.fits.first?.preset == preset)
    #expect(survey.sampleCount == count)
    #expect(survey.isUseful)
  }

  /// In worker processes MLServer has TYPE lines and no sample before its first request.
  @Test func aPageThatOnlyAnnouncesItsMetricsIsRecognised() throws {
    let lines = try Captures.text("mlserver-1.7.1-idle.prom").split(separator: "\n")
    let page = lines.filter { $0.hasPrefix("#") }.joined(separator: "\n") + "\n"
    let survey = try PageSurvey(Array(page.utf8), nil, preset: nil)
    #expect(survey.preset == "mlserver" && survey.sampleCount == 0 && survey.isUseful)
    let announced = survey.rows.filter(\.isAnnounced).map(\.name)
    #expect(announced == ["running", "completions", "failures", "in_flight"])
    #expect(survey.rows.allSatisfy { $0.reading == .absent(.missing) })
  }

  @Test func aOthersPageNamesWhatSoundsLikeLoad() throws {
    let survey = try PageSurvey(try Self.bytes("haproxy"), nil, preset: nil)
    #expect(survey.fits.isEmpty && survey.preset == nil && !survey.isUseful)
    #expect(survey.suspects.contains("haproxy_backend_current_queue"))
  }

  @Test func twoPagesGiveRatesAndTheLoadOfTheHeadroomLaw() throws {
    let first = try Self.bytes("triton-2.51-idle")
    let text = try Captures.text("triton-2.51-load.prom").replacing(
      "nv_inference_pending_request_count{model=\"slow\",version=\"1\"} 4",
      with: "nv_inference_pending_request_count{model=\"slow\",version=\"1\"} 30")
    let survey = try PageSurvey(first, (Array(text.utf8), .seconds(10)), preset: nil)
    let rows = Dictionary(uniqueKeysWithValues: survey.rows.map { ($0.name, $0) })
    #expect(rows["completions"]?.reading == .value(24.8))
    #expect(rows["gpu"]?.reading == .absent(.missing))
    #expect(rows["waiting"]?.load == 0.5)
    #expect(survey.load == 0.5)
    #expect(survey.loadDetail == "waiting 30, between normal 10 and alarm 50")
  }

  @Test func aChosenPresetIsReadWhateverFitsBetter() throws {
    let page = try Self.bytes("vllm-0.32-after")
    let survey = try PageSurvey(page, nil, preset: Preset.named("sglang"))
    #expect(survey.preset == "sglang" && !survey.isUseful)
    #expect(survey.fits.first?.preset == "vllm")
  }

  @Test func aHomeMadePageIsRecognisedAndOtherJSONIsNot() throws {
    let page = Array("{\"cpu_usage\": 77.5, \"memory_usage\": 10}".utf8)
    let survey = try PageSurvey(page, nil, preset: nil)
    #expect(survey.preset == "json" && survey.format == .json)
    #expect(abs(try #require(survey.load) - 0.5) < 1e-9)
    let other = Array("{\"error\": \"no such page\"}".utf8)
    #expect(throws: PageError.self) { try PageSurvey(other, nil, preset: nil) }
  }
}

@Suite struct ProbeSessionTests {
  private static func answer(_ step: ProbeSession.Step, _ pages: [String: String]) -> PageFetch? {
    switch step {
    case .report: return nil
    case .fetch(let path, _), .fetchAgain(let path, _, _):
      let page = pages[path]
      return PageFetch(
        path: path,
        .answered(status: page == nil ? 404 : 200, content: Array((page ?? "Not found").utf8)))
    }
  }

  /// The report, and the paths that were asked for.
  private static func run(
    _ arguments: [String], _ pages: [String: String]
  ) throws -> (ProbeReport, [String]) {
    var session = ProbeSession(try ProbeOptions.parse(arguments))
    var paths: [String] = []
    while let fetch = answer(session.next, pages) {
      paths.append(fetch.path)
      try #require(paths.count < 50)
      session.take(fetch)
    }
    return (session.report, paths)
  }

  private static let page = "vllm:num_requests_running 3\nvllm:num_requests_waiting 30\n"

  @Test func aPageIsFetchedTwice() throws {
    let (report, paths) = try Self.run(["h:1"], ["/metrics": Self.page])
    #expect(paths == ["/metrics", "/metrics"])
    #expect(report.isUseful)
    #expect(report.text.hasPrefix("http://h:1/metrics: 57 bytes, 2 samples"))
    #expect(report.text.contains("load (headroom): 0.50, from waiting 30, between"))
    #expect(report.text.contains("scrape: [{preset: vllm}]"))
  }

  @Test func aPageThatIsElsewhereIsFound() throws {
    let (report, paths) = try Self.run(
      ["h:8501"], ["/monitoring/prometheus/metrics": ":tensorflow:core:graph_runs{} 8\n"])
    #expect(paths.first == "/metrics")
    #expect(report.url == "http://h:8501/monitoring/prometheus/metrics")
    #expect(report.notes.first?.hasPrefix("at /metrics there are none: ") == true)
    #expect(!report.isUseful)
  }

  @Test func aPathByNameIsTheOnlyOneThatIsRead() throws {
    let (report, paths) = try Self.run(
      ["h:8501/metrics"], ["/monitoring/prometheus/metrics": "a 1\n"])
    #expect(paths == ["/metrics"] + ServerClue.paths)
    #expect(report.survey == nil)
    #expect(report.text.contains("no metrics at http://h:8501/metrics: the answer to /metrics is"))
  }

  @Test func aPresetSaysPortAndPath() throws {
    let session = ProbeSession(try ProbeOptions.parse(["h", "--preset", "triton"]))
    #expect(session.port == 8002)
    #expect(session.host == "h:8002")
    let other = ProbeSession(try ProbeOptions.parse(["h:1", "--preset", "tfserving"]))
    #expect(
      other.next == .fetch(path: "/monitoring/prometheus/metrics", kind: .prometheus))
    #expect(ProbeSession(try ProbeOptions.parse(["h"])).port == 80)
  }

  @Test func nobodyIsAskedTwiceWhoDoesNotAnswer() throws {
    var session = ProbeSession(try ProbeOptions.parse(["h:1"]))
    session.take(PageFetch(path: "/metrics", .failed(ProbeFailure(.refused))))
    #expect(session.next == .report)
    #expect(session.report.text.hasPrefix("no metrics at http://h:1/metrics: nobody listens"))
    #expect(session.report.json.contains("\"problem\" : \"nobody listens there"))
  }

  @Test func jsonHoldsWhatTheTextSays() throws {
    let (report, _) = try Self.run(["h:1", "--json"], ["/metrics": Self.page])
    for part in [
      "\"preset\" : \"vllm\"", "\"load\" : 0.5", "\"name\" : \"waiting\"", "\"state\" : \"fresh\"",
      "\"state\" : \"missing\"", "\"status\" : 200", "\"samples\" : 2",
    ] {
      #expect(report.json.contains(part), "\(part)")
    }
  }

  @Test func othersTextCannotSteerATerminal() throws {
    let (report, _) = try Self.run(
      ["h:1"], ["/metrics": "{\"evil\u{1B}[2Jqueue\"} 1\nx_queue\u{7F} 1\ny_queue 1\n"])
    #expect(!report.text.utf8.contains { $0 == 0x1B || $0 == 0x7F })
    #expect(report.text.contains("y_queue"))
  }
}
