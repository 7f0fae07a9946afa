// Authorization, Host and Accept as the admin server reads them, and percent-encoding.
import Testing

@testable import HTTP

@Suite struct AdminFieldTests {
  @Test(
    arguments: [
      (nil, .none), ("Bearer abc", .token(Array("abc".utf8))),
      ("bEARER   a.b-c_~+/=", .token(Array("a.b-c_~+/=".utf8))),
      ("Bearer", .unusable), ("Bearer ", .unusable), ("", .unusable), ("Basic YTpi", .unusable),
      ("Bearer a b", .unusable), ("Bearer a, Bearer b", .unusable), ("Bearer é", .unusable),
      ("Bearerabc", .unusable), ("Bearer\tabc", .unusable),
    ] as [(String?, BearerCredentials)])
  func authorizationIs(_ field: String?, _ expected: BearerCredentials) {
    #expect(BearerCredentials(field) == expected)
  }

  @Test(arguments: [
    ("127.0.0.1", true), ("127.0.0.1:9900", true), ("10.1.2.3:80", true), ("[::1]", true),
    ("[::1]:9900", true), ("localhost", true), ("LocalHost:9900", true),
    ("", false), ("localhost.", false), ("localhost.evil.example", false), ("evil.example", false),
    ("evil.example:9900", false), ("127.0.0.1.evil.example", false), ("127.1", false),
    ("2130706433", false), ("0x7f.0.0.1", false), ("::1", false), ("[::1", false),
    ("localhost:99:00", false), ("user@localhost", false), ("[::1]evil.example", false),
    ("localhost:evil", false), ("evil.example:127.0.0.1", false),
  ])
  func aHostIsAnAddressOrLocalhost(_ field: String, _ isGood: Bool) {
    #expect(HostName.isAddressOrLocalhost(field) == isGood)
  }

  @Test(
    arguments: [
      (nil, 0), ("", 0), ("*/*", 0), ("text/plain", 1), ("Application/JSON", 0), ("text/*", 1),
      ("text/plain, application/json", 0), ("text/plain, application/json;q=0.9", 1),
      ("*/*;q=0.1, text/plain", 1), ("application/json;q=0, */*", 1), ("text/html, */*;q=0.8", 0),
      ("image/png", nil), ("*/*;q=0", nil), ("application/json;q=x", nil), ("nonsense", nil),
      ("text/plain ; q=0.5 , application/json ; q=0.4", 1),
    ] as [(String?, Int?)])
  func aMediaTypeIsChosen(_ field: String?, _ index: Int?) {
    #expect(QualityList.choose(field, of: ["application/json", "text/plain"]) == index)
  }

  @Test(
    arguments: [
      ("text", "text"), ("te%78t", "text"), ("a%2Fb", "a/b"), ("%c3%A9", "é"), ("a+b", "a+b"),
      ("", ""), ("%", nil), ("%4", nil), ("%4g", nil), ("%%41", nil), ("a%", nil), ("%00", nil),
      ("%0a", nil), ("%7F", nil), ("%c2%85", nil), ("%FF", nil), ("%c3", nil), ("%ed%a0%80", nil),
      ("%+1", nil), ("% 1", nil),
    ] as [(String, String?)])
  func escapesAre(_ text: String, _ decoded: String?) {
    #expect(PercentText.decoded(text[...]) == decoded)
  }

  @Test func whatIsEncodedIsReadBack() {
    for text in ["", "a/b?c=d&e", "10.0.0.1:8000", "[fd00::1]:80", "é 漢字 100 %", "~_-."] {
      #expect(PercentText.decoded(PercentText.encoded(text)[...]) == text)
    }
  }
}
