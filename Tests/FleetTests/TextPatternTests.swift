import Primitives
import Testing

@Suite struct TextPatternTests {
  @Test(
    arguments: [
      ("idle|iowait", "idle", true), ("idle|iowait", "iowait", true),
      ("idle|iowait", "xidle", false),
      ("idle|iowait", "idlex", false), ("5..", "503", true), ("5..", "50", false),
      ("", "", true), ("", "a", false), (".*", "", true), (".+", "", false), ("a*", "aaa", true),
      ("[0-9]+", "0123", true), ("[^/]+", "a/b", false), ("a\\.b", "a.b", true),
      ("a\\.b", "axb", false), ("(ab)+", "abab", true), ("a{2,3}", "aa", true),
      ("a{2,3}", "aaaa", false), ("[[:digit:]]", "7", true), ("[]a]", "]", true), ("é", "é", true),
      ("..", "é", true), ("a\nb", "a\nb", true), ("^a$", "a", true), ("a.b", "a\u{0}b", false),
    ])
  func aPatternMatchesAllOfATextOrNothing(_ pattern: String, _ text: String, _ expected: Bool)
    throws
  {
    #expect(try TextPattern(pattern).matches(text) == expected)
  }

  @Test(
    arguments: [
      "(", "a)", "a)|(b", "[", "[a", "[[:digit:]", "*a", "a{2,1}", "a{", "\\", "\\d", "\\w+",
      "(a)\\1",
      "(?:a)", "(?i)a", "[\\d]", "a{1001}", "(a{100}){100}", "((a{20}){20}){20}", "a\u{0}",
      String(repeating: "a", count: 257),
    ])
  func whatIsNoPatternOrCostsTooMuchIsRefusedWithAReason(_ pattern: String) {
    let error = #expect(throws: TextPatternError.self) { _ = try TextPattern(pattern) }
    #expect(error?.problem.isEmpty == false)
  }

  @Test func aLongTextOrAHostileOneTakesNoTime() throws {
    let pattern = try TextPattern("(a|a)*(a|a)*(a|a)*b")
    let clock = ContinuousClock()
    let spent = clock.measure {
      #expect(!pattern.matches(String(repeating: "a", count: TextPattern.textBytesMax)))
    }
    #expect(spent < .seconds(1))
    #expect(!(try TextPattern("a*").matches(String(repeating: "a", count: 1_025))))
  }
}
