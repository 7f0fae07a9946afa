// By what a server gives itself away that was asked for metrics where it has none, as data. A clue
// is a text in the answer to one path; what to do about it is the preset's advice, or the clue's
// own.

/// One sign of a server.
public struct ServerClue: Sendable, Equatable {
  /// For people.
  public var server: String
  /// The preset that reads the server's page; nil where it has none.
  public var preset: String?
  /// Where to look; nil: the answer that was no metrics page.
  public var path: String?
  /// What the answer holds, blanks left out on both sides.
  public var text: String
  /// Instead of the preset's.
  public var advice: String?

  init(
    _ server: String, preset: String? = nil, path: String? = nil, _ text: String,
    advice: String? = nil
  ) {
    self.server = server
    self.preset = preset
    self.path = path
    self.text = text
    self.advice = advice
  }

  /// The surest first.
  public static let all: [ServerClue] = [
    ServerClue(
      "llama.cpp", preset: "llamacpp", "Loading model",
      advice: "It answers 503 while its model loads: try again soon."),
    ServerClue("llama.cpp", preset: "llamacpp", "Start it with `--metrics`"),
    ServerClue("TorchServe", preset: "torchserve", "ResourceNotFoundException"),
    ServerClue(
      "TensorRT-LLM", preset: "trtllm", "\"iterLatencyMS\""),
    ServerClue(
      "an HTTPS server", "plain HTTP request was sent to HTTPS port", advice: tlsAdvice),
    ServerClue(
      "an HTTPS server", "sent an HTTP request to an HTTPS server", advice: tlsAdvice),
    ServerClue(
      "TensorFlow Serving", preset: "tfserving", path: "/v1/", "Malformed request: GET /v1"),
    ServerClue("vLLM", preset: "vllm", path: "/v1/models", "\"owned_by\":\"vllm\""),
    ServerClue("SGLang", preset: "sglang", path: "/v1/models", "\"owned_by\":\"sglang\""),
    ServerClue("llama.cpp", preset: "llamacpp", path: "/v1/models", "\"owned_by\":\"llamacpp\""),
    ServerClue("LMDeploy", preset: "lmdeploy", path: "/v1/models", "\"owned_by\":\"lmdeploy\""),
    ServerClue(
      "TensorRT-LLM", preset: "trtllm", path: "/v1/models", "\"owned_by\":\"tensorrt_llm\""),
    ServerClue("Triton", preset: "triton", path: "/v2", "\"name\":\"triton\""),
    ServerClue("MLServer", preset: "mlserver", path: "/v2", "\"name\":\"mlserver\""),
    ServerClue("TorchServe", preset: "torchserve", path: "/ping", "\"status\":\"Healthy\""),
    ServerClue(
      "Ollama", path: "/", "Ollama is running",
      advice: "It has no metrics page. Leave `scrape` out: the capacity law goes by what it sees "
        + "of the traffic itself; or scrape the host, with the presets node and dcgm."),
  ]

  public static let tlsAdvice =
    "Metrics are read over plain HTTP only: use the server's plain port, or one on localhost."

  /// The paths worth a look, each once.
  public static let paths: [String] = all.compactMap(\.path).reduce(into: []) { paths, path in
    if !paths.contains(path) { paths.append(path) }
  }

  /// Whether an answer holds the text.
  public func holds(_ content: some Sequence<UInt8>) -> Bool {
    func packed(_ bytes: some Sequence<UInt8>) -> [UInt8] { bytes.filter { $0 > 0x20 } }
    let (all, part) = (packed(content), packed(text.utf8))
    guard all.count >= part.count else { return false }
    return (0...(all.count - part.count)).contains { all[$0...].starts(with: part) }
  }
}

/// A port that is known to be no metrics page.
public struct PortClue: Sendable, Equatable {
  public var port: UInt16
  public var text: String

  public static let all: [PortClue] = [
    PortClue(
      port: 8500, text: "8500 is TensorFlow Serving's gRPC port; metrics are on its REST port, 8501"
    ),
    PortClue(port: 8001, text: "8001 is Triton's gRPC port; its metrics are on 8002"),
    PortClue(
      port: 8002, text: "8002 is where Triton's metrics are, unless --allow-metrics=false"),
    PortClue(
      port: 8082,
      text: "8082 is where TorchServe and MLServer have their metrics; TorchServe's page needs "
        + "metrics_mode=prometheus and is on localhost only"),
    PortClue(port: 50_051, text: "50051 is a usual port of gRPC"),
  ]
}
