// The metrics page of one demo endpoint: vLLM's names, types and labels.
import Exposition
import Primitives

struct EndpointPage {
  private let labels: Labels
  private let startedAt: Nanoseconds
  private let durations = CellBlock(count: DurationHistogram.cellCount)
  private var begun: [UInt64: Nanoseconds] = [:]
  private var tokenCount: UInt64 = 0
  private var finishedCount: UInt64 = 0

  init(name: String, startedAt: Nanoseconds) {
    labels = Labels(["model_name": name, "engine": "0"])
    self.startedAt = startedAt
  }

  mutating func begin(_ job: UInt64, at now: Nanoseconds) { begun[job] = now }

  mutating func forget(_ job: UInt64) { begun[job] = nil }

  mutating func finish(_ job: UInt64, at now: Nanoseconds, tokens: Int) {
    guard let start = begun.removeValue(forKey: job) else { return }
    DurationHistogram.observe(now - start, in: durations, at: 0)
    tokenCount += UInt64(tokens)
    finishedCount += 1
  }

  func render(_ server: VirtualServer) -> [UInt8] {
    var writer = MetricsWriter()
    writer.open(MetricFamily("vllm:num_requests_running", .gauge, help: "Requests in the batch."))
    writer.sample(server.runningCount, labels)
    writer.open(MetricFamily("vllm:num_requests_waiting", .gauge, help: "Requests in the queue."))
    writer.sample(server.waitingCount, labels)
    writer.open(
      MetricFamily("vllm:kv_cache_usage_perc", .gauge, help: "Used share of the cache, 0 to 1."))
    writer.sample(server.cacheRatio, labels)
    writer.open(MetricFamily("vllm:generation_tokens_total", .counter, help: "Tokens generated."))
    writer.sample(tokenCount, labels)
    writer.open(MetricFamily("vllm:request_success_total", .counter, help: "Requests finished."))
    writer.sample(finishedCount, labels.adding("finished_reason", "stop"))
    writer.open(
      MetricFamily(
        "vllm:e2e_request_latency_seconds", .histogram, help: "From arrival to the last token."))
    writer.histogram(DurationHistogram.snapshot(of: [durations], at: 0), labels)
    writer.open(MetricFamily("process_start_time_seconds", .gauge, help: "Seconds since 1970."))
    writer.sample(startedAt.seconds)
    return writer.bytes
  }
}
