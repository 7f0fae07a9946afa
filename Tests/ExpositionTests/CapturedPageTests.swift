import Exposition
import Testing

@Suite struct CapturedPageTests {
  /// How many samples a Prometheus 2.42 took from each page.
  private static let series: [(String, Int)] = [
    ("triton-2.51-idle", 45), ("triton-2.51-load", 45), ("triton-2.51-after", 45),
    ("llama.cpp-idle", 15), ("llama.cpp-load", 15), ("llama.cpp-load10", 15),
    ("llama.cpp-after", 15), ("vllm-0.32-idle", 410), ("vllm-0.32-after", 427),
    ("torchserve-0.12-idle", 10), ("torchserve-0.12-load", 16), ("bentoml-1.4-load", 79),
    ("mlserver-1.7.1-idle", 37), ("mlserver-1.7.1-load", 85), ("infinity-0.0.78-load", 86),
    ("node_exporter", 507), ("haproxy", 353), ("envoy-1.40-usedonly", 280), ("caddy-2.11", 106),
    ("smg-0.3.2", 63), ("prometheus-2.42", 324), ("etcd", 1244), ("tfserving-bert-doc", 232),
  ]

  @Test(arguments: series) func hasAsManySamplesAsPrometheusTook(name: String, count: Int) throws {
    let page = ReadPage(try Captures.bytes("\(name).prom"))
    #expect(page.samples.count == count)
    #expect(page.errors == [])
  }

  @Test func everyCapturedPageIsInTheTable() throws {
    let files = try Captures.pages()
    #expect(Set(files) == Set(Self.series.map { $0.0 + ".prom" }))
  }

  private static let values: [(String, String, [Pair], [Double])] = [
    ("llama.cpp-load10", "llamacpp:requests_processing", [], [2]),
    ("llama.cpp-load10", "llamacpp:requests_deferred", [], [2]),
    ("llama.cpp-idle", "llamacpp:requests_processing", [], [0]),
    (
      "bentoml-1.4-load", "bentoml_service_request_in_progress",
      [Pair(name: "endpoint", value: "/predict")], [4]
    ),
    (
      "triton-2.51-load", "nv_inference_pending_request_count",
      [Pair(name: "model", value: "slow")], [4]
    ),
    (
      "triton-2.51-load", "demo_tokens_total", [Pair(name: "path", value: #"a/b "c""#)], [1216]
    ),
    ("vllm-0.32-idle", "vllm:num_requests_running", [], [0]),
    ("vllm-0.32-idle", "vllm:num_requests_waiting", [], [0]),
    ("vllm-0.32-idle", "vllm:kv_cache_usage_perc", [], [0]),
    ("vllm-0.32-idle", "vllm:num_requests_waiting_by_reason", [], [0, 0]),
    (
      "torchserve-0.12-load", "Requests2XX",
      [Pair(name: "Level", value: "Host"), Pair(name: "Hostname", value: "vm")], [19]
    ),
    ("node_exporter", "node_load1", [], [0.31]),
    ("node_exporter", "node_memory_MemAvailable_bytes", [], [24_717_746_176]),
    ("haproxy", "haproxy_process_max_zlib_memory", [], [.nan]),
    ("tfserving-bert-doc", ":tensorflow:core:graph_build_calls", [], [5]),
  ]

  @Test(arguments: values.indices) func namedValuesReadAsTheServerMeantThem(row: Int) throws {
    let (file, name, labels, expected) = Self.values[row]
    let page = ReadPage(try Captures.bytes("\(file).prom"))
    let found = page.values(name, labels)
    #expect(found.count == expected.count, "\(file) \(name)")
    for (a, b) in zip(found, expected) { #expect(a == b || a.isNaN && b.isNaN, "\(name)") }
  }

  @Test(arguments: series) func carriageReturnsAndAMissingLastLineEndChangeNothing(
    name: String, count: Int
  ) throws {
    let bytes = try Captures.bytes("\(name).prom")
    var page = ReadPage(bytes)
    var withReturns: [UInt8] = []
    for byte in bytes { withReturns += byte == 0x0A ? [0x0D, 0x0A] : [byte] }
    let isSame = ReadPage(withReturns) == page
    #expect(isSame)
    var cut = ReadPage(Array(bytes.last == 0x0A ? bytes.dropLast() : bytes[...]))
    // A page that ends in a blank line has one line fewer.
    page.lineCount = 0
    cut.lineCount = 0
    let isSameCut = cut == page
    #expect(isSameCut)
  }
}

@Suite(.enabled(if: OpenMetricsCases.exist, OpenMetricsCases.absence))
struct OpenMetricsCaseTests {
  @Test func everyGoodPageIsReadWhole() throws {
    let names = try OpenMetricsCases.names(good: true)
    #expect(names.count == 22)
    for name in names {
      let bytes = try OpenMetricsCases.bytes(name)
      let lines = bytes.split(separator: 0x0A).filter { $0.first != UInt8(ascii: "#") }
      let page = ReadPage(bytes)
      #expect(page.errors == [], "\(name)")
      #expect(page.samples.count == lines.count, "\(name)")
      #expect(page.sawEOF, "\(name)")
    }
  }

  private static let samples: [(String, [ReadSample])] = [
    ("counter_exemplars_empty_brackets", [ReadSample(name: "a_total", value: 0, timestamp: 123)]),
    ("leading_zeros_simple_gauge", [ReadSample(name: "a", value: 1)]),
    ("uint64_counter", [ReadSample(name: "a_total", value: 0x1p63)]),
    ("nan_gauge", [ReadSample(name: "a", value: .nan)]),
    (
      "escaping",
      [("b\"a\nr", 1), (#"b\a\z"#, 2), ("b\"a\nr # ", 3), (#"b\a\z # "#, 4)].map {
        ReadSample(name: "a_total", labels: [Pair(name: "foo", value: $0.0)], value: $0.1)
      }
    ),
    (
      "timestamps",
      [("1", 0), ("2", 0), ("3", 1.1), ("4", 12345678901234567890.1234567890), ("5", 1500)].map {
        ReadSample(
          name: "a_total", labels: [Pair(name: "foo", value: $0.0)], value: 1, timestamp: $0.1)
      } + [ReadSample(name: "b_total", value: 2, timestamp: 1_234_567_890)]
    ),
  ]

  @Test(arguments: samples.indices) func goodPagesHoldTheRightValues(row: Int) throws {
    let (name, expected) = Self.samples[row]
    #expect(ReadPage(try OpenMetricsCases.bytes(name)).samples == expected)
  }

  /// What makes these pages bad lies in one line by itself, so a lenient parser refuses it too.
  private static let refused: Set<String> = [
    "bad_exemplars_0", "bad_exemplars_10", "bad_exemplars_12", "bad_invalid_labels_1",
    "bad_invalid_labels_3", "bad_invalid_labels_7", "bad_metric_names_0", "bad_metric_names_2",
    "bad_missing_equal_or_label_value_1", "bad_missing_equal_or_label_value_3",
    "bad_missing_or_extra_commas_0", "bad_missing_or_wrong_quotes_on_label_value_1",
    "bad_missing_value_0", "bad_timestamp_1", "bad_timestamp_3", "bad_timestamp_5",
    "bad_timestamp_7", "bad_type_2", "bad_type_4", "bad_value_0", "bad_value_10",
    "bad_value_12", "bad_value_5", "bad_value_7", "bad_value_9",
  ]

  @Test func badPagesLoseOnlyTheLinesThatAreBadByThemselves() throws {
    let names = try OpenMetricsCases.names(good: false)
    #expect(names.count == 84)
    var refused: Set<String> = []
    for name in names {
      let bytes = try OpenMetricsCases.bytes(name)
      let page = ReadPage(bytes)
      if !page.errors.isEmpty { refused.insert(name) }
      let lines = bytes.split(separator: 0x0A).filter { $0.first != UInt8(ascii: "#") }
      let bad = page.errors.filter { $0.kind != .badType }.count
      #expect(page.samples.count + bad == lines.count, "\(name)")
    }
    #expect(refused == Self.refused)
  }
}
