// What `steelyard probe` asks for, and what it reports.
import Controller
import Fleet
import Primitives
import Testing

@testable import CLI

private func options(_ words: [String]) throws -> ProbeOptions {
  try ProbeOptions(CommandArguments(CommandTable.probe, words))
}

@Suite struct ProbeSessionTests {
  private static func answer(_ step: ProbeSession.Step, _ pages: [String: String]) -> PageFetch? {
    switch step {
    case .report: return nil
    case .fetch(let path, _), .fetchAgain(let path, _, _):
      let page = pages[path]
      return PageFetch(
        path: path,
        .answered(status: page == nil ? 404 : 200, content: Array((page ?? "Not found").utf8)))
    }
  }

  /// The report, and the paths that were asked for.
  private static func run(
    _ arguments: [String], _ pages: [String: String]
  ) throws -> (ProbeReport, [String]) {
    var session = ProbeSession(try options(arguments))
    var paths: [String] = []
    while let fetch = answer(session.next, pages) {
      paths.append(fetch.path)
      try #require(paths.count < 50)
      session.take(fetch)
    }
    return (session.report, paths)
  }

  private static let page = "vllm:num_requests_running 3\nvllm:num_requests_waiting 30\n"

  @Test func aPageIsFetchedTwice() throws {
    let (report, paths) = try Self.run(["h:1"], ["/metrics": Self.page])
    #expect(paths == ["/metrics", "/metrics"])
    #expect(report.isUseful)
    #expect(report.text.hasPrefix("http://h:1/metrics: 57 bytes, 2 samples"))
    #expect(report.text.contains("load (headroom): 0.50, from waiting 30, between"))
    #expect(report.text.contains("scrape: [{preset: vllm}]"))
  }

  @Test func aPageThatIsElsewhereIsFound() throws {
    let (report, paths) = try Self.run(
      ["h:8501"], ["/monitoring/prometheus/metrics": ":tensorflow:core:graph_runs{} 8\n"])
    #expect(paths.first == "/metrics")
    #expect(report.url == "http://h:8501/monitoring/prometheus/metrics")
    #expect(report.notes.first?.hasPrefix("at /metrics there are none: ") == true)
    #expect(!report.isUseful)
  }

  @Test func aPathByNameIsTheOnlyOneThatIsRead() throws {
    let (report, paths) = try Self.run(
      ["h:8501/metrics"], ["/monitoring/prometheus/metrics": "a 1\n"])
    #expect(paths == ["/metrics"] + ServerClue.paths)
    #expect(report.survey == nil)
    #expect(report.text.contains("no metrics at http://h:8501/metrics: the answer to /metrics is"))
  }

  @Test func aPresetSaysPortAndPath() throws {
    let session = ProbeSession(try options(["h", "--preset", "triton"]))
    #expect(session.port == 8002)
    #expect(session.host == "h:8002")
    let other = ProbeSession(try options(["h:1", "--preset", "tfserving"]))
    #expect(
      other.next == .fetch(path: "/monitoring/prometheus/metrics", kind: .prometheus))
    #expect(ProbeSession(try options(["h"])).port == 80)
  }

  @Test func nobodyIsAskedTwiceWhoDoesNotAnswer() throws {
    var session = ProbeSession(try options(["h:1"]))
    session.take(PageFetch(path: "/metrics", .failed(PollFailure(.refused))))
    #expect(session.next == .report)
    #expect(session.report.text.hasPrefix("no metrics at http://h:1/metrics: nobody listens"))
    #expect(session.report.json.contains("\"problem\" : \"nobody listens there"))
  }

  @Test func jsonHoldsWhatTheTextSays() throws {
    let (report, _) = try Self.run(["h:1", "--json"], ["/metrics": Self.page])
    for part in [
      "\"preset\" : \"vllm\"", "\"load\" : 0.5", "\"name\" : \"waiting\"", "\"state\" : \"fresh\"",
      "\"state\" : \"missing\"", "\"status\" : 200", "\"samples\" : 2",
    ] {
      #expect(report.json.contains(part), "\(part)")
    }
  }

  @Test func othersTextCannotSteerATerminal() throws {
    let (report, _) = try Self.run(
      ["h:1"], ["/metrics": "{\"evil\u{1B}[2Jqueue\"} 1\nx_queue\u{7F} 1\ny_queue 1\n"])
    #expect(!report.text.utf8.contains { $0 == 0x1B || $0 == 0x7F })
    #expect(report.text.contains("y_queue"))
  }
}
