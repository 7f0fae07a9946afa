// Every preset of which a page was captured, against that page, number by number. Rates are read
// from two captures of the same process, or from one and the same page with counters that grew.
import Controller
import Fleet
import Testing

@Suite struct PresetCaptureTests {
  private static let needsSecond = SignalReading.absent(.needsSecondSample)
  private static let missing = SignalReading.absent(.missing)

  /// The signals' readings by name, of the last of pages sent every ten seconds.
  private static func read(_ preset: String, _ pages: String...) throws -> [String: SignalReading] {
    var reader = try PageReader(preset)
    var readings: [SignalReading] = []
    for (index, page) in pages.enumerated() {
      let page = page.hasSuffix(".prom") ? try Captures.text(page) : page
      let whole = try reader.whole(page, at: Double(index) * 10)
      #expect(whole.parseErrorCount == 0)
      readings = whole.readings
    }
    let names = try #require(Preset.named(preset)).signals.map(\.name)
    return Dictionary(uniqueKeysWithValues: zip(names, readings))
  }

  /// The page with `increase` added to every sample that begins like that.
  private static func grown(_ page: String, _ increases: [String: Double]) throws -> String {
    let lines = try Captures.text(page).split(separator: "\n").map { line in
      for (start, increase) in increases where line.hasPrefix(start) {
        let space = try #require(line.lastIndex(of: " "))
        let value = try #require(Double(line[line.index(after: space)...]))
        return "\(line[..<space]) \(value + increase)"
      }
      return String(line)
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func expect(
    _ readings: [String: SignalReading], _ expected: [String: SignalReading],
    _ location: SourceLocation = #_sourceLocation
  ) {
    #expect(readings.keys.sorted() == expected.keys.sorted(), sourceLocation: location)
    for (name, reading) in readings {
      if let value = reading.value, let wanted = expected[name]?.value {
        #expect(near(value, wanted, 1e-9), "\(name): \(value)", sourceLocation: location)
      } else {
        #expect(reading == expected[name], "\(name)", sourceLocation: location)
      }
    }
  }

  @Test(arguments: ["vllm-0.32-idle", "vllm-0.32-after"])
  func vllmAtRestHasNothingRunningWaitingOrCached(file: String) throws {
    expect(
      try Self.read("vllm", file + ".prom"),
      [
        "running": .value(0), "waiting": .value(0), "kv_cache": .value(0),
        "completions": Self.needsSecond, "failures": Self.needsSecond,
        "in_flight": Self.needsSecond, "progress": Self.needsSecond,
      ])
  }

  @Test func vllmsCountersAreCompletionsFailuresAndRequestsInFlight() throws {
    let page = "vllm-0.32-after.prom"
    let second = try Self.grown(
      page,
      [
        "vllm:request_success_total{engine=\"0\",finished_reason=\"length\"": 30,
        "vllm:request_success_total{engine=\"0\",finished_reason=\"error\"": 5,
        "vllm:e2e_request_latency_seconds_sum": 45,
        "vllm:iteration_tokens_total_count": 250,
      ])
    let readings = try Self.read("vllm", page, second)
    #expect(readings["completions"] == .value(3.5))
    #expect(readings["failures"] == .value(0.5))
    #expect(readings["progress"] == .value(25))
    #expect(near(try #require(readings["in_flight"]?.value), 4.5, 1e-9))
  }

  @Test func vllmStartedAnewBetweenTheCaptures() throws {
    let readings = try Self.read("vllm", "vllm-0.32-idle.prom", "vllm-0.32-after.prom")
    #expect(readings["completions"] == .absent(.restarted))
    #expect(readings["running"] == .value(0))
  }

  @Test func llamaCppUnderLoadRunsTwoAndLetsTwoWait() throws {
    expect(
      try Self.read("llamacpp", "llama.cpp-load10.prom"),
      ["running": .value(2), "waiting": .value(2), "progress": Self.needsSecond])
    let readings = try Self.read("llamacpp", "llama.cpp-load.prom", "llama.cpp-load10.prom")
    #expect(try #require(readings["progress"]?.value) > 0)
  }

  @Test func tritonUnderLoadHasAQueueAndRates() throws {
    // 248 requests of 5.913022 s in ten seconds; its failures stayed at 0, as it says.
    expect(
      try Self.read("triton", "triton-2.51-idle.prom", "triton-2.51-load.prom"),
      [
        "running": Self.missing, "waiting": .value(4), "kv_cache": Self.missing,
        "gpu": Self.missing, "cpu": .value(0.04), "memory": .value(449_454_080 / 25_276_514_304),
        "completions": .value(24.8), "failures": .value(0), "in_flight": .value(0.5913022),
        "progress": .value(7.3),
      ])
    let after = try Self.read("triton", "triton-2.51-load.prom", "triton-2.51-after.prom")
    #expect(after["waiting"] == .value(0))
    #expect(after["completions"] == .value(8.8))
  }

  @Test func tritonsTensorRTBackendAddsToItsQueue() throws {
    let requests = [("waiting", 3), ("scheduled", 8), ("active", 11), ("max", 64)].map {
      "nv_trt_llm_request_metrics{model=\"m\",request_type=\"\($0)\",version=\"1\"} \($1)\n"
    }
    let page =
      try Captures.text("triton-2.51-load.prom") + requests.joined()
      + "nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"fraction\",model=\"m\"} 0.25\n"
      + "nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=\"used\",model=\"m\"} 90\n"
    let readings = try Self.read("triton", page)
    #expect(readings["waiting"] == .value(7))
    #expect(readings["running"] == .value(8))
    #expect(readings["kv_cache"] == .value(0.25))
  }

  @Test func torchServesPercentBecomeRatios() throws {
    expect(
      try Self.read("torchserve", "torchserve-0.12-load.prom"),
      [
        "in_flight": Self.needsSecond, "cpu": .value(0), "memory": .value(0.028),
        "gpu": Self.missing, "completions": Self.needsSecond, "failures": Self.needsSecond,
      ])
    // Before its first request it has no counters of inference.
    let idle = try Self.read("torchserve", "torchserve-0.12-idle.prom")
    #expect(idle["in_flight"] == Self.missing)
    let page = "torchserve-0.12-load.prom"
    let readings = try Self.read(
      "torchserve", page,
      Self.grown(
        page,
        [
          "ts_inference_latency_microseconds": 25e6, "ts_inference_requests_total": 20,
          "Requests5XX": 10,
        ]))
    #expect(near(try #require(readings["in_flight"]?.value), 2.5, 1e-9))
    #expect(readings["completions"] == .value(2))
    #expect(readings["failures"] == .value(1))
  }

  @Test func mlserverHasNoDurationsBeforeItsFirstRequest() throws {
    expect(
      try Self.read("mlserver", "mlserver-1.7.1-idle.prom"),
      [
        "running": .value(0), "completions": Self.missing, "failures": Self.missing,
        "in_flight": Self.missing, "batch_queue": Self.missing, "parallel_queue": Self.missing,
      ])
    // The series began between the captures: what they grew by is not known.
    expect(
      try Self.read("mlserver", "mlserver-1.7.1-idle.prom", "mlserver-1.7.1-load.prom"),
      [
        "running": .value(0), "completions": Self.needsSecond, "failures": Self.needsSecond,
        "in_flight": Self.needsSecond, "batch_queue": Self.missing,
        "parallel_queue": Self.missing,
      ])
  }

  @Test func bentoMLCountsWhatItsEndpointsServeAndNotItsProbes() throws {
    let page = "bentoml-1.4-load.prom"
    let start = "bentoml_service_request_total{endpoint=\"/predict\",http_response_code="
    let second = try Self.grown(
      page,
      [
        start + "\"200\"": 30, start + "\"500\"": 10, start + "\"429\"": 20,
        "bentoml_service_request_total{endpoint=\"/readyz\"": 1_000,
        "bentoml_service_request_duration_seconds_sum{endpoint=\"/predict\","
          + "http_response_code=\"200\"": 38,
        "bentoml_service_request_duration_seconds_sum{endpoint=\"/readyz\"": 1_000,
      ])
    expect(
      try Self.read("bentoml", page, second),
      [
        "running": .value(4), "completions": .value(6), "failures": .value(3),
        "in_flight": .value(3.8),
      ])
  }

  @Test func infinitysDurationsAreRequestsInFlight() throws {
    let page = "infinity-0.0.78-load.prom"
    let second = try Self.grown(
      page,
      [
        "http_requests_total{handler=\"/embeddings\"": 40,
        "http_request_duration_seconds_sum{handler=\"/embeddings\"": 25,
        "http_request_duration_seconds_sum{handler=\"/metrics\"": 1_000,
      ])
    let readings = try Self.read("infinity", page, second)
    #expect(near(try #require(readings["in_flight"]?.value), 2.5, 1e-9))
    #expect(readings["completions"] == .value(4))
    #expect(readings["failures"] == Self.missing)
  }

  @Test func tensorFlowServingIsReadByItsDurations() throws {
    let page = try Captures.text("tfserving-bert-doc.prom")
    // The capture had served nothing yet: absent, which is not idle.
    #expect(
      try Self.read("tfserving", page).values.allSatisfy { $0 == .absent(.missing) })
    func served(_ micros: Int, _ ok: Int, _ failed: Int) -> String {
      let labels = "model_name=\"bert\",API=\"predict\",entrypoint=\"REST\""
      return page + ":tensorflow:serving:request_latency_sum{\(labels)} \(micros)\n"
        + ":tensorflow:serving:request_latency_count{\(labels)} \(ok)\n"
        + ":tensorflow:serving:request_count{model_name=\"bert\",status=\"OK\"} \(ok)\n"
        + ":tensorflow:serving:request_count{model_name=\"bert\",status=\"INTERNAL\"} \(failed)\n"
    }
    expect(
      try Self.read("tfserving", served(1_000_000, 5, 1), served(31_000_000, 45, 11)),
      [
        "in_flight": .value(3), "completions": .value(5), "failures": .value(1),
        "batch_queue_seconds": Self.missing,
      ])
  }

  @Test func aPythonProcessHasCPUMemoryAndFiles() throws {
    let readings = try Self.read("process", "mlserver-1.7.1-idle.prom", "mlserver-1.7.1-load.prom")
    #expect(near(try #require(readings["cpu"]?.value), 0.015, 1e-9))
    #expect(readings["memory_bytes"] == .value(1.44072704e8))
    #expect(readings["open_files"] == .value(26.0 / 20_000))
  }
}
