import Configuration
import Testing

@Suite struct OwnListenerTests {
  private func errors(_ listen: String, _ address: String) -> [String] {
    let text = """
      admin: {listen: "127.0.0.1:9900"}
      listeners:
        - {listen: "\(listen)", pool: a}
      pools:
        a:
          endpoints:
            - {address: "\(address)", weight: 2}

      """
    do {
      _ = try ConfigurationFile.read(Array(text.utf8), path: "f.yaml")
      return []
    } catch {
      return error.diagnostics.map { "\($0.line):\($0.column): \($0.message)" }
    }
  }

  @Test(arguments: [
    ("127.0.0.1:8080", "127.0.0.1:8080"), ("0.0.0.0:8080", "127.0.0.1:8080"),
    ("0.0.0.0:8080", "127.9.9.9:8080"), ("0.0.0.0:8080", "localhost:8080"),
    ("[::]:8080", "[::1]:8080"), ("[::]:8080", "127.0.0.1:8080"), ("10.0.0.1:80", "10.0.0.1:80"),
    ("[::1]:8080", "[::1]:8080"),
  ])
  func anEndpointThatIsAListenerIsRefused(listen: String, address: String) {
    let shown = address.replacing("localhost", with: "127.0.0.1")
      .replacing("[::1]", with: "[0:0:0:0:0:0:0:1]")
    let errors = errors(listen, address)
    #expect(errors.count == 1)
    #expect(errors.first?.hasPrefix("7:19: `\(shown)` is steelyard's own listener") == true)
    #expect(errors.first?.hasSuffix(", in line 3") == true)
  }

  @Test(arguments: [
    ("127.0.0.1:8080", "127.0.0.1:8081"), ("0.0.0.0:8080", "10.0.0.1:8080"),
    ("0.0.0.0:8080", "[::1]:8080"), ("127.0.0.1:8080", "127.0.0.2:8080"),
    ("127.0.0.1:8080", "gpu.example:8080"), ("[::1]:8080", "127.0.0.1:8080"),
  ])
  func anotherAddressIsNot(listen: String, address: String) {
    #expect(errors(listen, address) == [])
  }
}
