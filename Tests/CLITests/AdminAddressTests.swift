// Where the commands look for a running steelyard.
import Primitives
import Testing

@testable import CLI

@Suite struct AdminAddressTests {
  private struct Row: Sendable {
    var text: String
    /// nil: the name has to be looked up.
    var address: String?
    var name: String
    var isTLS: Bool?
  }

  private static let accepted = [
    Row(text: "127.0.0.1:9900", address: "127.0.0.1:9900", name: "127.0.0.1"),
    Row(text: "localhost:9900", address: "127.0.0.1:9900", name: "localhost"),
    Row(text: "LocalHost:1", address: "127.0.0.1:1", name: "LocalHost"),
    Row(
      text: "http://localhost:9900", address: "127.0.0.1:9900", name: "localhost", isTLS: false),
    Row(text: "http://10.0.0.1:80/", address: "10.0.0.1:80", name: "10.0.0.1", isTLS: false),
    Row(
      text: "http://[fd00::1:2]:9900/", address: "[fd00:0:0:0:0:0:1:2]:9900", name: "fd00::1:2",
      isTLS: false),
    Row(text: "https://localhost:1", address: "127.0.0.1:1", name: "localhost", isTLS: true),
    Row(text: "https://[::1]:1/", address: "[0:0:0:0:0:0:0:1]:1", name: "::1", isTLS: true),
    Row(text: "https://gpu-1.lan:9900", name: "gpu-1.lan", isTLS: true),
  ]

  @Test(arguments: accepted.indices)
  func anAddressIsReadAsPeopleWriteIt(row: Int) throws {
    let row = Self.accepted[row]
    let found = try #require(AdminAddress(row.text))
    #expect(found.address?.description == row.address)
    #expect(found.name == row.name)
    #expect(found.isTLS == row.isTLS)
  }

  @Test(arguments: [
    "", "localhost", "http://", "http:///", "127.0.0.1:1/", "gpu-1:9900", "http://gpu-1:9900",
    "localhost:", "localhost:x", "localhost:+1", "http://localhost:9900/metrics",
    "http://localhost:9900//", "https://", "https://a", "https://a b:1", "https://a:99999",
    "https://:1", "ftp://localhost:1",
  ])
  func whatIsNoAddressIsRefused(_ text: String) { #expect(AdminAddress(text) == nil) }
}
