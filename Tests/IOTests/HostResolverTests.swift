import IO
import Primitives
import Testing

@Suite struct HostResolverTests {
  @Test(arguments: [
    ("127.0.0.1", "127.0.0.1:80"), ("[::1]", "[0:0:0:0:0:0:0:1]:80"),
    ("::1", "[0:0:0:0:0:0:0:1]:80"),
  ])
  func aLiteralAddressIsItsOwn(_ host: String, _ expected: String) throws {
    #expect(try HostResolver.resolve(host, port: 80).map(\.description) == [expected])
  }

  @Test func localhostIsThisMachine() throws {
    let addresses = try HostResolver.resolve("localhost", port: 9)
    #expect(addresses.contains(.loopback(port: 9)) || addresses.contains { $0.bytes.count == 16 })
  }

  @Test(arguments: ["", "a b", "no.such.host.invalid", String(repeating: "a", count: 300)])
  func aNameThatIsNoneHasAReason(_ host: String) {
    let failure = #expect(throws: HostResolver.Failure.self) {
      try HostResolver.resolve(host, port: 80)
    }
    #expect(failure?.reason.isEmpty == false)
  }
}
