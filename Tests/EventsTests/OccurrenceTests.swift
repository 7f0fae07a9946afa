import Fleet
import FoundationEssentials
import Primitives
import Testing

@testable import Events

@Suite struct OccurrenceTests {
  private func occurrence(pool: String = "text", reason: String = "cut") -> Occurrence {
    Occurrence(
      .endpointEjected, pool: pool, endpoint: .loopback(port: 8000), reason: reason,
      at: .milliseconds(1_763_750_000_023))
  }

  @Test(arguments: [
    ("{endpoint}", "127.0.0.1:8000"), ("a{pool}b", "atextb"),
    ("{event}/{reason}", "endpoint_ejected/cut"),
    ("{pool}{pool}", "texttext"), ("{nothing}", "{nothing}"), ("{", "{"), ("}{", "}{"),
    ("{{pool}}", "{text}"), ("{pool", "{pool"), ("", ""), ("{ pool}", "{ pool}"),
    ("awk '{print $1}' {pool}", "awk '{print $1}' text"),
  ])
  func placeholdersAreReplaced(_ word: String, _ expected: String) {
    #expect(occurrence().words([word]) == [expected])
  }

  @Test func whatIsPutInIsNotLookedAtAgain() {
    let hostile = "{endpoint} $(reboot) `id` \"; rm -rf / #\n'*"
    let words = occurrence(pool: hostile, reason: "{pool}").words(["{pool}", "{reason}", "x"])
    #expect(words == [hostile, "{pool}", "x"])
    #expect(occurrence(pool: "a\0b").words(["{pool}"]) == ["ab"])
  }

  @Test func theEnvironmentHoldsNoSecrets() {
    let own = [
      "PATH=/bin", "AWS_SECRET=x", "LC_ALL=C", "HOME=/root", "LD_PRELOAD=/x.so", "TOKEN=y",
      "PATHS=z", "STEELYARD_TOKEN=w",
    ]
    #expect(
      occurrence().environment(from: own) == [
        "PATH=/bin", "LC_ALL=C", "HOME=/root", "STEELYARD_EVENT=endpoint_ejected",
        "STEELYARD_POOL=text", "STEELYARD_ENDPOINT=127.0.0.1:8000", "STEELYARD_HOST=127.0.0.1",
        "STEELYARD_PORT=8000", "STEELYARD_REASON=cut", "STEELYARD_TIME=2025-11-21T18:33:20.023Z",
      ])
    #expect(occurrence().environment(from: []).contains("PATH=/usr/bin:/bin"))
  }

  private struct Read: Decodable, Equatable {
    var event: String
    var pool: String?
    var endpoint: String?
    var reason: String?
    var time: Double
  }

  @Test(arguments: ["text", "\"},{", "a\nb\u{1}\u{2028}", "é→🎈"])
  func jsonIsReadBack(_ pool: String) throws {
    let json = Data(occurrence(pool: pool).json)
    #expect(
      try JSONDecoder().decode(Read.self, from: json)
        == Read(
          event: "endpoint_ejected", pool: pool, endpoint: "127.0.0.1:8000", reason: "cut",
          time: 1_763_750_000.023))
  }

  @Test func whatThereIsNotIsNull() throws {
    let json = Occurrence(.configurationReloaded, at: .zero).json
    #expect(
      String(decoding: json, as: UTF8.self)
        == "{\"event\":\"config_reloaded\",\"pool\":null,\"endpoint\":null,\"reason\":null,"
        + "\"time\":0.000}")
  }
}
