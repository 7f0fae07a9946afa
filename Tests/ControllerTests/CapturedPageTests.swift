import Controller
import Fleet
import Primitives
import Testing

@Suite struct CapturedPageTests {
  @Test func nodeMemoryIsOneMinusAvailableOverTotal() throws {
    var reader = try PageReader("node")
    let text = try Captures.text("node_exporter.prom")
    let readings = try reader.read(text, at: 0)
    let available = try Self.number("node_memory_MemAvailable_bytes", text)
    let total = try Self.number("node_memory_MemTotal_bytes", text)
    #expect(
      readings == [
        .absent(.needsSecondSample), .value(1 - available / total), .absent(.needsSecondSample),
        .absent(.needsSecondSample), .absent(.needsSecondSample), .absent(.needsSecondSample),
      ])
  }

  @Test func nodeCPUIsTheShareOfTimeThatWasNotIdleBetweenTwoPages() throws {
    var reader = try PageReader("node")
    let first = try Captures.text("node_exporter.prom")
    _ = try reader.read(first, at: 0)
    // Each processor: 6 s idle, 1 s waiting for disks, 3 s at work.
    var second: [String] = []
    for line in first.split(separator: "\n") {
      var line = String(line)
      for (mode, seconds) in [("idle", 6.0), ("iowait", 1), ("user", 2), ("system", 1)]
      where line.hasPrefix("node_cpu_seconds_total{") && line.contains("mode=\"\(mode)\"") {
        let space = try #require(line.lastIndex(of: " "))
        let value = try #require(Double(line[line.index(after: space)...]))
        line = "\(line[..<space]) \(value + seconds)"
      }
      second.append(line)
    }
    let readings = try reader.read(second.joined(separator: "\n") + "\n", at: 10)
    #expect(near(try #require(readings[0].value), 0.3, 1e-6))
    #expect(readings[2] == .value(0))
  }

  private static let llama: [SignalSpec] = [
    SignalSpec("processing", .value(SampleSelector(["llamacpp:requests_processing"]))),
    SignalSpec("deferred", .value(SampleSelector(["llamacpp:requests_deferred"]))),
    SignalSpec("tokens", .rate(SampleSelector(["llamacpp:tokens_predicted_total"]))),
  ]

  @Test func signalsNamedByTheOperatorReadLlamaCppUnderLoad() throws {
    var reader = PageReader(Self.llama)
    let readings = try reader.read(try Captures.text("llama.cpp-load10.prom"), at: 0)
    #expect(readings[..<2] == [.value(2), .value(2)])
  }

  @Test func aRampARestartAndItsLoadingPagesNeverGiveANegativeRate() throws {
    var reader = PageReader(Self.llama)
    let folder = "trace-llama.cpp-ramp-restart/"
    var outcomes: [String] = []
    var rates: [Double] = []
    let rows = try Captures.text(folder + "index.csv").split(whereSeparator: \.isNewline)
      .dropFirst()
    for (index, row) in rows.enumerated() {
      let fields = row.split(separator: ",", omittingEmptySubsequences: false)
      guard fields[1] == "200" || fields[1] == "503" else { continue }
      let number = String(index)
      let file = String(repeating: "0", count: 4 - number.count) + number + ".prom.gz"
      let page = try Captures.unzipped(folder + file)
      do {
        let readings = try reader.read(page, at: Double(fields[0])!)
        #expect(fields[1] == "200")
        for field in fields[4].split(separator: ";") where field.contains("requests") {
          let (name, value) = try Self.split(field)
          let place = name.hasSuffix("processing") ? 0 : 1
          #expect(readings[place] == .value(value), "\(file)")
        }
        if let rate = readings[2].value { rates.append(rate) }
        if case .absent(let absence) = readings[2] { outcomes.append(absence.label) }
      } catch let error as PageError {
        #expect(fields[1] == "503")
        outcomes.append(error.label)
      }
    }
    #expect(
      outcomes == [
        "is_json", "is_json", "needs_second_sample", "is_json", "counter_reset",
      ])
    #expect(rates.allSatisfy { $0 >= 0 })
    #expect(rates.contains { $0 > 200 })
  }

  private static func split(_ field: Substring) throws -> (Substring, Double) {
    let space = try #require(field.lastIndex(of: " "))
    return (field[..<space], try #require(Double(field[field.index(after: space)...])))
  }

  private static func number(_ name: String, _ text: String) throws -> Double {
    let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(name + " ") })
    return try split(line).1
  }
}
