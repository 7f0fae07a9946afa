// Where the commands look for a running steelyard.
import Fleet
import Primitives
import Testing

@testable import CLI

@Suite struct AdminSessionTests {
  @Test(arguments: [
    ("127.0.0.1:9900", "127.0.0.1:9900"), ("localhost:9900", "127.0.0.1:9900"),
    ("LocalHost:1", "127.0.0.1:1"), ("http://localhost:9900", "127.0.0.1:9900"),
    ("http://10.0.0.1:80/", "10.0.0.1:80"),
    ("http://[fd00::1:2]:9900/", "[fd00:0:0:0:0:0:1:2]:9900"),
  ])
  func anAddressIsReadAsPeopleWriteIt(text: String, address: String) {
    #expect(AdminSession.address(text)?.description == address)
  }

  @Test(arguments: [
    "", "localhost", "http://", "http:///", "https://localhost:1", "127.0.0.1:1/", "gpu-1:9900",
    "localhost:", "localhost:x", "http://localhost:9900/metrics", "http://localhost:9900//",
  ])
  func whatIsNoAddressIsRefused(_ text: String) { #expect(AdminSession.address(text) == nil) }
}
