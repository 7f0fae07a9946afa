import Controller
import Fleet
import Primitives
import Testing

@testable import CLI

@Suite struct ProbeOptionsTests {
  private func options(_ words: [String]) throws -> ProbeOptions {
    try ProbeOptions(CommandArguments(CommandTable.probe, words))
  }

  private struct Row: Sendable {
    var text: String
    var host: String
    var port: UInt16?
    var path: String?
    var isTLS = false
  }

  private static let accepted = [
    Row(text: "http://10.0.0.1:8000/metrics", host: "10.0.0.1", port: 8000, path: "/metrics"),
    Row(text: "10.0.0.1:8000", host: "10.0.0.1", port: 8000),
    Row(text: "HTTP://gpu-7.lan", host: "gpu-7.lan"),
    Row(text: "http://gpu_7/", host: "gpu_7"),
    Row(text: "gpu:9400/m?model=a#x", host: "gpu", port: 9400, path: "/m?model=a"),
    Row(text: "http://[::1]:9100/x", host: "[::1]", port: 9100, path: "/x"),
    Row(text: "[fe80::1]", host: "[fe80::1]"),
    Row(text: "HTTPS://gpu-7:8000/m", host: "gpu-7", port: 8000, path: "/m", isTLS: true),
  ]

  @Test(arguments: accepted.indices) func aURLIsReadWithWhatItLeavesOut(row: Int) throws {
    let row = Self.accepted[row]
    let url = try ProbeURL(row.text)
    #expect(url.host == row.host)
    #expect(url.port == row.port)
    #expect(url.path == row.path)
    #expect(url.isTLS == row.isTLS)
  }

  @Test(
    arguments: [
      "", "http://", "https://", "ftp://a", "http://:80", "a:", "a:0", "a:65536", "a:-1", "a:x",
      "u:p@host", "::1", "fe80::1:80x", "[::1", "[::g]", "a b", "a\u{0}", "ä", "http:///metrics",
      String(repeating: "a", count: 254),
    ])
  func whatIsNoURLIsRefusedWithAReason(_ text: String) {
    let error = #expect(throws: UsageError.self) { _ = try ProbeURL(text) }
    #expect(error?.message.hasPrefix("probe: ") == true)
  }

  @Test func optionsHaveDefaultsAndRanges() throws {
    let plain = try options(["host:1"])
    #expect(plain.interval == .seconds(1) && plain.timeout == .seconds(5))
    #expect(plain.preset == nil && !plain.isJSON)
    let all = try options(
      ["--preset", "triton", "--json", "host", "--interval=2.5s", "--timeout", "250ms"])
    #expect(all.preset?.name == "triton" && all.isJSON)
    #expect(all.interval == .milliseconds(2_500) && all.timeout == .milliseconds(250))
  }

  @Test(
    arguments: [
      [], ["a", "b"], ["a", "--preset"], ["a", "--preset", "x"], ["a", "--interval", "1"],
      ["a", "--interval", "0s"], ["a", "--interval", "1h"], ["a", "--interval", "nans"],
      ["a", "--interval", "-1s"], ["a", "--interval", "0x1s"], ["a", "--what"], ["--json"],
    ])
  func wrongWordsAreRefused(_ arguments: [String]) {
    #expect(throws: UsageError.self) { try options(arguments) }
  }
}
