// Presets of language model engines: gauges of running and waiting requests, and of the KV cache.

extension Preset {
  static let vllm = Preset(
    "vllm", "vLLM's API server",
    advice: "Its page is always on, unless --disable-log-stats took the engine out of it. "
      + "Several engines are summed.",
    signals: [
      .running(["vllm:num_requests_running"]),
      .waiting(["vllm:num_requests_waiting"]),
      .kvCache(["vllm:kv_cache_usage_perc", "vllm:gpu_cache_usage_perc"]),
      // Every finished_reason is counted, "abort" (the client went away) and "error" too.
      .completions(["vllm:request_success_total"]),
      .failures(
        .init(["vllm:request_success_total"], labels: [.is("finished_reason", ["error"])])),
      .inFlight(["vllm:e2e_request_latency_seconds_sum"]),
      // A histogram of the engine's steps: its count is the heartbeat.
      .progress(["vllm:iteration_tokens_total_count", "vllm:generation_tokens_total"]),
    ])

  static let sglang = Preset(
    "sglang", "SGLang, started with --enable-metrics",
    advice: "Its page is off until --enable-metrics.",
    signals: [
      .running(["sglang:num_running_reqs"]),
      .waiting(["sglang:num_queue_reqs"]),
      .kvCache(["sglang:token_usage"]),
      .completions(["sglang:num_requests_total", "sglang:e2e_request_latency_seconds_count"]),
      .inFlight(["sglang:e2e_request_latency_seconds_sum"]),
      // The first counter grows while requests run, the second when they end.
      .progress(["sglang:realtime_tokens_total", "sglang:generation_tokens_total"]),
    ])

  static let tgi = Preset(
    "tgi", "Hugging Face Text Generation Inference",
    advice: "Its page is always on, on the port of its API.",
    signals: [
      .running(["tgi_batch_current_size"]),
      .waiting(["tgi_queue_size"]),
      SignalSpec(
        "kv_cache",
        .valueRatio(["tgi_batch_current_max_tokens"], ["tgi_batch_max_total_tokens"]),
        thresholds: .cache, isRatio: true),
      // `tgi_request_count` counts requests when they begin.
      .completions(.all(["tgi_request_success", "tgi_request_failure"])),
      // Bad requests and clients that went away are no sign of the server's health.
      .failures(
        .init(["tgi_request_failure"], labels: [.isNot("err", ["validation", "dropped"])])),
      .inFlight(["tgi_request_duration_sum"]),
      // Prefills and decodes of a batch.
      .progress(["tgi_batch_inference_success"]),
    ])

  static let trtllm = Preset(
    "trtllm", "TensorRT-LLM's trtllm-serve", path: "/prometheus/metrics",
    advice: "Its page is /prometheus/metrics and needs return_perf_metrics; /metrics is "
      + "JSON.",
    signals: [
      .running(["trtllm_num_requests_running"]),
      .waiting(["trtllm_num_requests_waiting"]),
      .kvCache(["trtllm_kv_cache_utilization"]),
      .completions(["trtllm_request_success_total"]),
      .inFlight(["trtllm_e2e_request_latency_seconds_sum"]),
    ])

  static let llamacpp = Preset(
    "llamacpp", "llama.cpp's llama-server, started with --metrics",
    advice: "Its page is off until --metrics (404 or 501), and answers 503 while the model "
      + "loads. As router it needs ?model=NAME.",
    signals: [
      .running(["llamacpp:requests_processing"]),
      .waiting(["llamacpp:requests_deferred"]),
      // Grows with every step; the token counters grow when a request ends.
      .progress(["llamacpp:n_decode_total"]),
    ])

  static let lmdeploy = Preset(
    "lmdeploy", "LMDeploy's api_server, started with --enable-metrics",
    advice: "Its page is off until --enable-metrics.",
    signals: [
      .running(["lmdeploy:num_requests_running"]),
      .waiting(["lmdeploy:num_requests_waiting"]),
      .kvCache(["lmdeploy:gpu_cache_usage_perc"]),
      // These are gauges, but they only grow.
      .completions(.all(["lmdeploy:num_requests_succeeded", "lmdeploy:num_requests_failed"])),
      .failures(["lmdeploy:num_requests_failed"]),
      .inFlight(["lmdeploy:e2e_request_latency_seconds_sum"]),
    ])
}
