import Fleet
import Shared
import Testing

private let ok = RESPValue.simple("OK")
private let master = RESPValue.array([.bulk(Array("master".utf8)), .integer(0), .array([])])

@Suite struct RedisGreetingTests {
  private func take(_ greeting: RedisGreeting, _ replies: RESPValue...) -> RedisGreeting.Outcome {
    var greeting = greeting
    var outcome = RedisGreeting.Outcome.unfinished
    for reply in replies where outcome == .unfinished { outcome = greeting.take(reply) }
    return outcome
  }

  private func kind(_ outcome: RedisGreeting.Outcome) -> RedisFailure.Kind? {
    if case .failed(let failure) = outcome { failure.kind } else { nil }
  }

  @Test func saysWhatIsConfiguredAndNothingElse() {
    func words(_ greeting: RedisGreeting) -> [String] {
      var reader = RESPReader()
      reader.append(greeting.bytes)
      var lines: [String] = []
      while case .array(let items?)? = try? reader.next() {
        lines.append(items.compactMap(\.text).joined(separator: " "))
      }
      return lines
    }
    #expect(
      words(RedisGreeting(login: .init(), database: 0)) == ["CLIENT SETNAME steelyard", "ROLE"])
    #expect(
      words(RedisGreeting(login: .init(username: "u", password: "p"), database: 2))
        == ["AUTH u p", "SELECT 2", "CLIENT SETNAME steelyard", "ROLE"])
    #expect(
      words(RedisGreeting(login: .init(password: "p"), master: "m"))
        == ["AUTH p", "SENTINEL get-master-addr-by-name m"])
  }

  @Test func aMasterIsUsedAndAReplicaIsNot() {
    let greeting = RedisGreeting(login: .init(), database: 0)
    #expect(take(greeting, ok, master) == .ready)
    #expect(take(greeting, ok) == .unfinished)
    #expect(take(greeting, .error("NOPERM no"), .error("NOPERM no")) == .ready)
    #expect(
      kind(take(greeting, ok, .array([.bulk(Array("slave".utf8))]))) == .notReady)
    #expect(kind(take(greeting, ok, .array([]))) == .notReady)
    #expect(kind(take(greeting, ok, .integer(1))) == .notReady)
    #expect(kind(take(greeting, ok, .error("NOAUTH Authentication required."))) == .login)
    #expect(kind(take(greeting, ok, .error("LOADING Redis is loading"))) == .notReady)
    #expect(kind(take(greeting, ok, .error("ERR what"))) == .server)
  }

  @Test func aWrongPasswordIsToldAsSuch() {
    let greeting = RedisGreeting(login: .init(password: "p"), database: 0)
    #expect(kind(take(greeting, .error("WRONGPASS invalid username-password pair"))) == .login)
    #expect(kind(take(greeting, .error("ERR invalid password"))) == .login)
    #expect(
      kind(take(greeting, .error("ERR AUTH <password> called without any password configured")))
        == .login)
  }

  @Test func aSentinelNamesTheMaster() {
    let greeting = RedisGreeting(login: .init(), master: "m")
    let answer = RESPValue.array([.bulk(Array("10.0.0.5".utf8)), .bulk(Array("6379".utf8))])
    #expect(take(greeting, answer) == .master(.init(host: "10.0.0.5", port: 6_379)))
    #expect(kind(take(greeting, .array(nil))) == .sentinel)
    #expect(
      kind(take(greeting, .array([.bulk(Array("a".utf8)), .bulk(Array("65536".utf8))])))
        == .sentinel)
    #expect(kind(take(greeting, .error("ERR unknown command"))) == .server)
  }
}
