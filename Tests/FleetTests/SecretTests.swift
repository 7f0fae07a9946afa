// Tokens: what is one, and what is the same one.
import Primitives
import Testing

@Suite struct SecretTests {
  private static let token = "0123456789abcdef~"

  @Test(arguments: [
    (String(repeating: "a", count: 15), false), (String(repeating: "a", count: 16), true),
    (String(repeating: "~", count: 4_096), true), (String(repeating: "a", count: 4_097), false),
    ("0123456789 abcdef", false), ("0123456789\tabcdef", false), ("0123456789abcdeé", false),
    ("0123456789abcdef\n", false), ("!\"#$%&'()*+,-./:;<=>?@", true), ("", false),
  ])
  func aTokenIsVisibleASCIIOfSomeLength(_ text: String, _ isToken: Bool) {
    #expect((Secret(text.utf8) != nil) == isToken)
  }

  @Test func nothingButTheTokenMatches() throws {
    let bytes = Array(Self.token.utf8)
    let secret = try #require(Secret(bytes))
    #expect(secret.matches(bytes))
    for index in bytes.indices {
      for bit in 0..<8 {
        var other = bytes
        other[index] ^= 1 << bit
        #expect(!secret.matches(other))
      }
      #expect(!secret.matches(bytes[..<index]))
    }
    // A token is padded with zeros: they are not part of it.
    #expect(!secret.matches(bytes + [0]))
    #expect(!secret.matches(bytes + [UInt8](repeating: 0, count: 4_096 - bytes.count)))
    #expect(!secret.matches(bytes + [UInt8](repeating: 0, count: 4_096)))
    #expect(!secret.matches([]))
  }

  @Test func theLongestTokenIsComparedToItsEnd() throws {
    let bytes = [UInt8](repeating: 0x61, count: 4_096)
    let secret = try #require(Secret(bytes))
    #expect(secret.matches(bytes))
    #expect(!secret.matches(bytes + [0x61]))
    #expect(!secret.matches(bytes.dropLast() + [0x62]))
  }

  @Test func noTextOfItGetsAway() throws {
    let secret = try #require(Secret(Self.token.utf8))
    var dumped = ""
    dump(secret, to: &dumped)
    for text in ["\(secret)", String(reflecting: secret), dumped] {
      #expect(!text.contains("89ab"))
    }
    #expect(secret.text == Self.token)
  }
}
