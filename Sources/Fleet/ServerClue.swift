// Recognises servers that were asked for a metrics page they do not have, as data. A clue is a text
// in the answer to one path; the advice comes from the clue or from the preset.

/// A sign by which a server is recognised.
public struct ServerClue: Sendable, Equatable {
  /// The server's name, for people.
  public var server: String
  /// The preset that reads the server's page; nil: it has none.
  public var preset: String?
  /// The path to ask for; nil: the clue is looked for in the answer that was no metrics page.
  public var path: String?
  /// The text to look for, compared without blanks.
  public var text: String
  /// Advice for people; nil: the preset's.
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

  /// All clues, the most certain first.
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
    "Ask it with https://; in the file, `tls: true` in the item of `scrape`, or in the pool."

  /// The paths that clues are looked for at, each once.
  public static let paths: [String] = all.compactMap(\.path).reduce(into: []) { paths, path in
    if !paths.contains(path) { paths.append(path) }
  }

  /// Whether the answer holds the clue's text.
  public func holds(_ content: some Sequence<UInt8>) -> Bool {
    func packed(_ bytes: some Sequence<UInt8>) -> [UInt8] { bytes.filter { $0 > 0x20 } }
    let (all, part) = (packed(content), packed(text.utf8))
    guard all.count >= part.count else { return false }
    return (0...(all.count - part.count)).contains { all[$0...].starts(with: part) }
  }
}

/// A port that is known not to serve a metrics page.
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
