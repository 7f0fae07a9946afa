// Which presets fit a page, and what its signals come to.
import Controller
import Fleet
import Primitives
import Testing

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
    #expect(near(try #require(survey.load), 0.5))
    let other = Array("{\"error\": \"no such page\"}".utf8)
    #expect(throws: PageError.self) { try PageSurvey(other, nil, preset: nil) }
  }
}
