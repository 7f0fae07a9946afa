// The metrics pages of virtual endpoints as text, and the signals read from them. Engines write
// vLLM's metrics and are read with its preset.
import Exposition
import Fleet

enum SimulatedPage {
  /// The signals of a scenario's pages, with the roles that the law needs.
  static func source(_ scenario: Scenario) -> ScrapeSource {
    let isOfEngines = scenario.groups.allSatisfy { $0.service == .engine }
    return isOfEngines ? Preset.named("vllm")?.source ?? servers : servers
  }

  private static let servers = ScrapeSource(signals: [
    SignalSpec("running", .value(.init(["requests_running"])), role: .running),
    SignalSpec("waiting", .value(.init(["requests_waiting"])), role: .waiting),
    SignalSpec("completions", .rate(.init(["requests_total"])), role: .completions),
    SignalSpec("failures", .rate(.init(["request_failures_total"])), role: .failures),
    SignalSpec("concurrency", .rate(.init(["request_seconds_sum"])), role: .concurrency),
  ])
  /// A KV cache that a full batch fills to nine tenths, used as a guard.
  static let cache = SignalSpec(
    "kv_cache", .value(.init(["kv_cache_ratio"])), thresholds: .init(normal: 0.8, alarm: 0.95),
    isRatio: true)
  /// The same with the endpoint's share of busy time, which `steps` and `headroom` read.
  static let utilisation = ScrapeSource(signals: [
    SignalSpec(
      "busy", .rate(.init(["busy_seconds_total"])), thresholds: .init(normal: 0.7, alarm: 0.85),
      isRatio: true)
  ])

  /// The page as a server writes it: with names of its own, or vLLM's for an engine.
  static func text(_ sample: EndpointSample) -> [UInt8] {
    var writer = MetricsWriter()
    func put(_ name: String, _ type: MetricType, _ value: Double?) {
      guard let value else { return }
      writer.open(MetricFamily(name, type, help: "See the name."))
      writer.sample(value)
    }
    put("requests_running", .gauge, sample.running)
    put("requests_waiting", .gauge, sample.waiting)
    put("requests_total", .counter, sample.completed)
    put("request_failures_total", .counter, sample.failed)
    put("request_seconds_sum", .counter, sample.seconds)
    put("kv_cache_ratio", .gauge, sample.cacheRatio)
    put("busy_seconds_total", .counter, sample.busySeconds)
    put("process_start_time_seconds", .gauge, sample.startedAt)
    guard let steps = sample.steps else { return writer.bytes }
    put("vllm:num_requests_running", .gauge, sample.running)
    put("vllm:num_requests_waiting", .gauge, sample.waiting)
    put("vllm:kv_cache_usage_perc", .gauge, sample.cacheRatio)
    put("vllm:request_success_total", .counter, sample.completed)
    put("vllm:e2e_request_latency_seconds_sum", .counter, sample.seconds)
    put("vllm:iteration_tokens_total_count", .counter, steps)
    put("vllm:generation_tokens_total", .counter, sample.tokens)
    return writer.bytes
  }
}
