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

  private static func failed(_ kind: PollFailure.Kind, _ bytes: [UInt8] = []) -> PageFetch {
    PageFetch(path: "/metrics", .failed(PollFailure(kind, "detail")), firstBytes: bytes)
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
      ["this looks like an HTTPS server. Ask it with https:"]),
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
