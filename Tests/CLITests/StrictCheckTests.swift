// What `steelyard probe --strict` says of pages.
import Testing

@testable import CLI

@Suite struct StrictCheckTests {
  private static let type = "application/openmetrics-text; version=1.0.0; charset=utf-8"

  @Test(
    arguments: [
      ("a_total 1\n", nil, "Prometheus text 0.0.4"), ("", nil, "Prometheus text 0.0.4"),
      ("# TYPE a counter\na_total 1\n# EOF\n", nil, "OpenMetrics 1.0"),
      ("# TYPE a counter\na_total 1\n# EOF", type, "OpenMetrics 1.0"),
      ("# TYPE a counter\na 1 \n\nb  2\n", "text/plain; version=0.0.4", "Prometheus text 0.0.4"),
    ] as [(String, String?, String)])
  func validPages(_ page: String, _ contentType: String?, _ format: String) {
    let check = StrictCheck(Array(page.utf8), contentType: contentType)
    #expect(check.fault == nil && check.text == ["strict: valid \(format)"])
  }

  @Test(
    arguments: [
      ("a 1\nb{x=1} 2\n", nil, 2, 5, "bad_label_value", "b{x=1} 2"),
      ("a 1\nb one\n", nil, 2, 3, "bad_number", "b one"),
      ("a 1 2 3\n", nil, 1, 7, "trailing_bytes", "a 1 2 3"),
      ("a 1\n", type, 2, 1, "missing_end", ""), ("a 1\n\n# EOF\n", nil, 2, 1, "blank_line", ""),
      ("# TYPE a counter\na 1\n# EOF\n", nil, 2, 1, "clashing_name", "a 1"),
      ("a 1\nb 2\na{x=\"1\"} 1\n# EOF\n", nil, 3, 1, "clashing_name", "a{x=\"1\"} 1"),
      ("a{x=\"\u{1b}[2J\"} x\n", nil, 1, 13, "bad_number", "a{x=\"?[2J\"} x"),
    ] as [(String, String?, Int, Int, String, String)])
  func theFirstErrorIsNamed(
    _ page: String, _ contentType: String?, _ line: Int, _ column: Int, _ reason: String,
    _ excerpt: String
  ) throws {
    let check = StrictCheck(Array(page.utf8), contentType: contentType)
    let fault = try #require(check.fault)
    #expect(fault.line == line && fault.column == column && fault.reason == reason, "\(fault)")
    #expect(fault.excerpt == excerpt)
    #expect(check.text[0].contains(": line \(line), column \(column): \(fault.text) (\(reason))"))
  }
}
