// What known servers and exporters say on their metrics pages, as data. docs/signals.md tells
// where each name comes from; captures of real pages are the tests' input.

/// A named description of one kind of metrics page.
public struct Preset: Sendable, Equatable {
  public var name: String
  /// One line for people.
  public var summary: String
  public var path: String
  /// Where the page usually is, if not on the endpoint's own port.
  public var port: UInt16?
  public var format: ScrapeSource.Format
  public var signals: [SignalSpec]

  /// The preset of that name, nil where there is none.
  public static func named(_ name: String) -> Preset? { all.first { $0.name == name } }

  public static let all: [Preset] = [vllm, tfserving, node, json]

  private static let queue = SignalSpec.Thresholds(normal: 10, alarm: 50)

  static let vllm = Preset(
    name: "vllm", summary: "vLLM's API server", path: "/metrics", port: nil, format: .prometheus,
    signals: [
      SignalSpec("running", .value(.init(["vllm:num_requests_running"]))),
      SignalSpec("waiting", .value(.init(["vllm:num_requests_waiting"])), thresholds: queue),
      SignalSpec(
        "kv_cache", .value(.init(["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"])),
        aggregate: .max, thresholds: .init(normal: 0.80, alarm: 0.95), isRatio: true),
    ])

  static let tfserving = Preset(
    name: "tfserving", summary: "TensorFlow Serving, REST port, with a monitoring config",
    path: "/monitoring/prometheus/metrics", port: nil, format: .prometheus,
    signals: [
      SignalSpec(
        "in_flight", .rate(.init([":tensorflow:serving:request_latency_sum"])), scale: 1e-6,
        thresholds: queue)
    ])

  static let node = Preset(
    name: "node", summary: "Prometheus node_exporter: the host's CPU, memory and disk",
    path: "/metrics", port: 9100, format: .prometheus,
    signals: [
      SignalSpec(
        "cpu",
        .rateRatio(
          .init(
            ["node_cpu_seconds_total"],
            labels: [.init(label: "mode", values: ["idle", "iowait", "steal"])]),
          .init(["node_cpu_seconds_total"])),
        isComplement: true, thresholds: .init(normal: 0.70, alarm: 0.85), isRatio: true),
      SignalSpec(
        "memory",
        .valueRatio(
          .init(["node_memory_MemAvailable_bytes"]), .init(["node_memory_MemTotal_bytes"])),
        isComplement: true, thresholds: .init(normal: 0.80, alarm: 0.90), isRatio: true),
      SignalSpec(
        "disk_io", .rate(.init(["node_disk_io_time_seconds_total"])), aggregate: .max,
        thresholds: .init(normal: 0.70, alarm: 0.85)),
    ])

  static let json = Preset(
    name: "json", summary: "A home-made page: {\"cpu_usage\": 0..100, \"memory_usage\": 0..100}",
    path: "/metrics", port: nil, format: .json,
    signals: [
      SignalSpec(
        "cpu", .value(.init(["cpu_usage"])), scale: 0.01,
        thresholds: .init(normal: 0.70, alarm: 0.85), isRatio: true),
      SignalSpec(
        "memory", .value(.init(["memory_usage"])), scale: 0.01,
        thresholds: .init(normal: 0.80, alarm: 0.90), isRatio: true),
    ])
}
