// What the operator is advised where YAML's grammar, or a value's, is hurt in a usual way.
import FoundationEssentials
import Testing

@testable import Configuration

@Suite struct HintTests {
  @Test(arguments: [
    // A key that is indented by one blank too few, and one too many.
    "listeners: [{listen: \":80\"}]\npools:\n    a:\n        endpoints: []\n   b: 1\n",
    "listeners:\n  - listen: \":80\"\n    pool: a\n   head_timeout: 1s\n",
    "listeners:\n  - listen: \":80\"\n      pool: a\n",
  ])
  func indentationIsNamed(_ text: String) { #expect(rendered(text).contains("indentation")) }

  @Test func anIPv6AddressWithoutBracketsIsNamed() {
    for text in ["::1", "fd00::1", "::"] {
      let shown = rendered(
        "listeners: [{listen: \"\(text)\"}]\npools: {a: {endpoints: [\"\(text)\"]}}\n")
      #expect(shown.contains("`\(text)` is an IPv6 address without brackets and port"))
      #expect(shown.components(separatedBy: "`[\(text)]:8000`").count == 3, "both places")
    }
  }

  @Test func whatBeginsAsJSONIsNotCalledYAMLAlone() {
    let text = "{\"listeners\": [{\"listen\": \":80\" \"pool\": \"a\"}]}"
    #expect(rendered(text).contains("error: not JSON or YAML: "))
    #expect(rendered(text).contains("a comma, quote or brace"))
    #expect(rendered("a: [\n").contains("error: not YAML: "))
  }
}
