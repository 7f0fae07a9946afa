// What `steelyard presets show` prints, and that it is read as the same signals.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct PresetTextTests {
  /// The preset's text pasted below `scrape:`.
  private static func pasted(_ preset: Preset) -> String {
    let lines = preset.yaml.split(separator: "\n").map { "  " + $0 }
    return pool("weights:\n  scrape:\n" + lines.map { "  \($0)" }.joined(separator: "\n"))
  }

  @Test(arguments: Preset.all.map(\.name)) func everyPresetReadsBackAsItsSignals(_ name: String)
    throws
  {
    let preset = try #require(Preset.named(name))
    let file = try load(Self.pasted(preset))
    let source = file.fleet.pools[0].weights.scrapes[0]
    #expect(source.signals == preset.signals)
    #expect(source.path == preset.path)
    #expect(source.port == preset.port)
    #expect(source.format == preset.format)
    #expect(try load(file.effective).fleet == file.fleet)
  }

  @Test(arguments: Preset.all.map(\.name)) func aPresetIsWithinBounds(_ name: String) throws {
    let preset = try #require(Preset.named(name))
    #expect(Set(preset.signals.map(\.name)).count == preset.signals.count)
    #expect(preset.summary.count <= 80)
    // Its name alone is enough, and a pattern of it compiles where pages are read.
    let file = try load(pool("weights: {scrape: [{preset: \(name)}]}"))
    #expect(file.fleet.pools[0].weights.scrapes[0].signals == preset.signals)
  }

  @Test func aPresetIsPrintedAsYAML() throws {
    let text = try #require(Preset.named("tfserving")).yaml
    #expect(
      text == """
        # preset tfserving: TensorFlow Serving's REST port, with --monitoring_config_file
        # Its page is /monitoring/prometheus/metrics on the REST port (8501), and is off until
        # --monitoring_config_file names a file with prometheus_config { enable: true, path:
        # "/monitoring/prometheus/metrics" }. Port 8500 is gRPC. Series come with the first request.
        - path: /monitoring/prometheus/metrics
          signals:
            - name: in_flight
              metric: ":tensorflow:serving:request_latency_sum"
              kind: rate
              scale: 1e-06
              normal: 10
              alarm: 50
              role: concurrency
            - name: completions
              metric: [":tensorflow:serving:request_count", ":tensorflow:serving:request_latency_count"]
              kind: rate
              role: completions
            - name: failures
              metric: ":tensorflow:serving:request_count"
              labels: {status: {not: ["OK", "success"]}}
              kind: rate
              role: failures
            - name: batch_queue_seconds
              metric: ":tensorflow:serving:batching_session:queuing_latency"
              kind: mean
              scale: 1e-06

        """)
  }
}

@Suite struct SignalKindTests {
  private typealias Selector = SampleSelector

  @Test func everyKindOfSignalIsReadAndWritten() throws {
    let text = pool(
      #"""
      weights:
        scrape:
          - port: 9400
            labels: {gpu: {matches: "[01]"}}
            signals:
              - {name: a, metric: m, absent: 0}
              - {name: b, metric: m, kind: mean, scale: 0.001, normal: 1, alarm: 2}
              - {name: c, metric: [m, n], kind: quantile, quantile: 0.99}
              - {name: d, metric: m, kind: rate_over, of: n, of_labels: {x: ""}}
              - {name: e, metric: m, kind: rate, labels: {d: {not: [sda], not_matches: [x.*, y]}}}
      """#)
    let file = try load(text)
    let gpu = Selector.LabelMatch.matches("gpu", "[01]")
    let source = file.fleet.pools[0].weights.scrapes[0]
    #expect(
      source.signals == [
        SignalSpec("a", .value(Selector(["m"], labels: [gpu])), absent: 0),
        SignalSpec(
          "b", .mean(Selector(["m"], labels: [gpu])), scale: 0.001,
          thresholds: .init(normal: 1, alarm: 2)),
        SignalSpec("c", .quantile(0.99, Selector(["m", "n"], labels: [gpu]))),
        SignalSpec(
          "d",
          .rateOverValue(
            Selector(["m"], labels: [gpu]), Selector(["n"], labels: [.is("x", [""]), gpu]))),
        SignalSpec(
          "e",
          .rate(
            Selector(
              ["m"],
              labels: [
                .isNot("d", ["sda"]),
                .init(label: "d", values: ["x.*", "y"], isMember: false, isPattern: true), gpu,
              ]))),
      ])
    #expect(try load(file.effective).fleet == file.fleet)
  }
}
