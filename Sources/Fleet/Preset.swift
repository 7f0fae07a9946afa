// What known servers and exporters publish on their metrics pages, as data, in one file a family.
// docs/signals.md says where each name comes from; captures of real pages are the tests' input.

/// A named description of one kind of metrics page.
public struct Preset: Sendable, Equatable {
  public var name: String
  /// One line for people.
  public var summary: String
  /// How to enable the page, where it is and what to beware of, for people; may be empty.
  public var advice: String
  public var path: String
  /// The usual port of the page; nil: the endpoint's own port.
  public var port: UInt16?
  public var format: ScrapeSource.Format
  public var signals: [SignalSpec]

  public init(
    _ name: String, _ summary: String, path: String = "/metrics", port: UInt16? = nil,
    format: ScrapeSource.Format = .prometheus, advice: String = "", signals: [SignalSpec]
  ) {
    self.name = name
    self.summary = summary
    self.path = path
    self.port = port
    self.format = format
    self.advice = advice
    self.signals = signals
  }

  /// The preset with that name; nil: there is none.
  public static func named(_ name: String) -> Preset? { all.first { $0.name == name } }

  /// What is read from the page unless the file says otherwise.
  public var source: ScrapeSource {
    ScrapeSource(preset: name, port: port, path: path, format: format, signals: signals)
  }

  /// All presets: servers first, then hosts.
  public static let all: [Preset] = [
    vllm, sglang, tgi, trtllm, llamacpp, lmdeploy, tfserving, triton, torchserve, rayServe, kserve,
    mlserver, bentoml, infinity, node, dcgm, cadvisor, process, json,
  ]
}

extension SignalSpec.Thresholds {
  static let queue = SignalSpec.Thresholds(normal: 10, alarm: 50)
  static let cpu = SignalSpec.Thresholds(normal: 0.70, alarm: 0.85)
  static let memory = SignalSpec.Thresholds(normal: 0.80, alarm: 0.90)
  static let gpu = SignalSpec.Thresholds(normal: 0.80, alarm: 0.90)
  static let disk = SignalSpec.Thresholds(normal: 0.70, alarm: 0.85)
  static let cache = SignalSpec.Thresholds(normal: 0.80, alarm: 0.95)
}

extension SignalSpec {
  /// Requests in service now.
  static func running(
    _ selector: SampleSelector, thresholds: Thresholds? = nil
  ) -> SignalSpec {
    SignalSpec("running", .value(selector), thresholds: thresholds, role: .running)
  }

  /// Requests waiting now.
  static func waiting(_ selector: SampleSelector) -> SignalSpec {
    SignalSpec("waiting", .value(selector), thresholds: .queue, role: .waiting)
  }

  /// The used share of the KV cache; the highest one if there are several engines.
  static func kvCache(_ selector: SampleSelector) -> SignalSpec {
    SignalSpec(
      "kv_cache", .value(selector), aggregate: .max, thresholds: .cache, isRatio: true)
  }

  /// Requests that ended, per second.
  static func completions(_ selector: SampleSelector) -> SignalSpec {
    SignalSpec("completions", .rate(selector), role: .completions)
  }

  /// Requests that failed, per second.
  static func failures(_ selector: SampleSelector) -> SignalSpec {
    SignalSpec("failures", .rate(selector), role: .failures)
  }

  /// The mean number in flight, from a sum of durations in units of `scale` seconds.
  static func inFlight(
    _ selector: SampleSelector, scale: Double = 1, thresholds: Thresholds? = nil
  ) -> SignalSpec {
    SignalSpec(
      "in_flight", .rate(selector), scale: scale, thresholds: thresholds, role: .concurrency)
  }

  /// Steps of work per second.
  static func progress(_ selector: SampleSelector) -> SignalSpec {
    SignalSpec("progress", .rate(selector), role: .progress)
  }
}
