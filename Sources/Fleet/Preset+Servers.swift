// Presets of servers for any model. Most have no load gauge, so that the load is derived from
// durations by Little's law.

extension Preset {
  static let tfserving = Preset(
    "tfserving", "TensorFlow Serving's REST port, with --monitoring_config_file",
    path: "/monitoring/prometheus/metrics",
    advice: "Its page is /monitoring/prometheus/metrics on the REST port (8501), and is off "
      + "until --monitoring_config_file names a file with prometheus_config { enable: "
      + "true, path: \"/monitoring/prometheus/metrics\" }. Port 8500 is gRPC. Series "
      + "come with the first request.",
    signals: [
      .inFlight(
        [":tensorflow:serving:request_latency_sum"], scale: 1e-6, thresholds: .queue),
      // Latencies are recorded for successes only.
      .completions([
        ":tensorflow:serving:request_count", ":tensorflow:serving:request_latency_count",
      ]),
      .failures(
        .init(
          [":tensorflow:serving:request_count"], labels: [.isNot("status", ["OK", "success"])])),
      SignalSpec(
        "batch_queue_seconds", .mean([":tensorflow:serving:batching_session:queuing_latency"]),
        scale: 1e-6),
    ])

  static let triton = Preset(
    "triton", "NVIDIA Triton's metrics port, its TensorRT-LLM backend too", port: 8002,
    advice: "Its page is on a port of its own, 8002; --allow-metrics=false takes it away. "
      + "Port 8000 is HTTP, 8001 gRPC.",
    signals: [
      SignalSpec(
        "running",
        .value(
          .init(
            ["nv_trt_llm_request_metrics"], labels: [.is("request_type", ["scheduled"])])),
        role: .running),
      // Triton's own queue has no request_type; the backend's queue has one.
      .waiting(
        .all(
          ["nv_inference_pending_request_count", "nv_trt_llm_request_metrics"],
          labels: [.is("request_type", ["", "waiting"])])),
      .kvCache(
        .init(
          ["nv_trt_llm_kv_cache_block_metrics"],
          labels: [.is("kv_cache_block_type", ["fraction"])])),
      SignalSpec(
        "gpu", .value(["nv_gpu_utilization"]), aggregate: .max, thresholds: .gpu, isRatio: true),
      SignalSpec(
        "cpu", .value(["nv_cpu_utilization"]), thresholds: .cpu, isRatio: true),
      SignalSpec(
        "memory", .valueRatio(["nv_cpu_memory_used_bytes"], ["nv_cpu_memory_total_bytes"]),
        thresholds: .memory, isRatio: true),
      .completions(.all(["nv_inference_request_success", "nv_inference_request_failure"])),
      .failures(["nv_inference_request_failure"]),
      .inFlight(["nv_inference_request_duration_us"], scale: 1e-6),
      .progress(["nv_inference_exec_count"]),
    ])

  static let torchserve = Preset(
    "torchserve", "TorchServe's metrics port, with metrics_mode=prometheus", port: 8082,
    advice: "Its page is on a port of its own, 8082, on localhost only, and is empty until "
      + "metrics_mode=prometheus. CPU, memory and GPU are refreshed once a minute: "
      + "`interval` may be long. Series come with the first request.",
    signals: [
      .inFlight(
        ["ts_inference_latency_microseconds"], scale: 1e-6, thresholds: .queue),
      // Percent, refreshed once a minute.
      SignalSpec(
        "cpu", .value(["CPUUtilization"]), aggregate: .max, scale: 0.01, thresholds: .cpu,
        isRatio: true),
      SignalSpec(
        "memory", .value(["MemoryUtilization"]), aggregate: .max, scale: 0.01,
        thresholds: .memory, isRatio: true),
      SignalSpec(
        "gpu", .value(["GPUUtilization"]), aggregate: .max, scale: 0.01, thresholds: .gpu,
        isRatio: true),
      // Requests2XX counts health checks too.
      .completions(["ts_inference_requests_total"]),
      .failures(["Requests5XX"]),
    ])

  static let rayServe = Preset(
    "ray-serve", "Ray Serve: a node's metrics agent", port: 8080,
    advice: "Every Ray node has a page of its own, on the port that --metrics-export-port "
      + "names; numbers are refreshed every 10 s.",
    signals: [
      .running([
        "ray_serve_replica_processing_queries", "ray_serve_num_ongoing_requests_at_replicas",
      ]),
      .waiting(["ray_serve_deployment_queued_queries", "ray_serve_replica_queued_queries"]),
      // The request counter leaves errors out; the histogram does not.
      .completions(["ray_serve_deployment_processing_latency_ms_count"]),
      .failures([
        "ray_serve_deployment_error_counter_total", "ray_serve_deployment_error_counter",
      ]),
      .inFlight(["ray_serve_deployment_processing_latency_ms_sum"], scale: 1e-3),
    ])

  static let kserve = Preset(
    "kserve", "KServe's Python model server",
    advice: "Series come with the first request.",
    signals: [
      .inFlight(["request_predict_seconds_sum"], thresholds: .queue),
      .completions(["request_predict_seconds_count"]),
    ])

  static let mlserver = Preset(
    "mlserver", "MLServer's metrics port", port: 8082,
    advice: "Its page is on a port of its own, 8082. Series come with the first request.",
    signals: [
      .running(["rest_server_requests_in_progress"], thresholds: .queue),
      .completions(["model_infer_request_duration_count"]),
      .failures(["model_infer_request_failure_total", "model_infer_request_failure"]),
      .inFlight(["model_infer_request_duration_sum"]),
      // The length of the queue when a request arrived.
      SignalSpec("batch_queue", .mean(["batch_request_queue"]), thresholds: .queue),
      SignalSpec("parallel_queue", .mean(["parallel_request_queue"]), thresholds: .queue),
    ])

  /// Requests that BentoML answers itself, without a runner.
  private static let bentoOwn = SampleSelector.LabelMatch.isNot(
    "endpoint", ["/readyz", "/livez", "/healthz", "/metrics"])

  static let bentoml = Preset(
    "bentoml", "BentoML's API server",
    advice: "Its page is always on. Series come with the first request.",
    signals: [
      .running(
        .init(["bentoml_service_request_in_progress"], labels: [bentoOwn]), thresholds: .queue),
      .completions(.init(["bentoml_service_request_total"], labels: [bentoOwn])),
      // The server answers 429 over max_concurrency.
      .failures(
        .init(
          ["bentoml_service_request_total"],
          labels: [
            bentoOwn, .matches("http_response_code", "429|5.."),
          ])),
      .inFlight(.init(["bentoml_service_request_duration_seconds_sum"], labels: [bentoOwn])),
    ])

  private static let infinityOwn = SampleSelector.LabelMatch.isNot(
    "handler", ["/health", "/ready", "/metrics", "/models", "none"])

  static let infinity = Preset(
    "infinity", "Infinity, the server of embeddings",
    advice: "Its page has no gauge of its load: durations say how many requests are in "
      + "flight.",
    signals: [
      .inFlight(
        .init(["http_request_duration_seconds_sum"], labels: [infinityOwn]), thresholds: .queue),
      .completions(.init(["http_requests_total"], labels: [infinityOwn])),
      .failures(
        .init(["http_requests_total"], labels: [infinityOwn, .is("status", ["5xx"])])),
    ])
}
