// Throw-away certificates: what they say, that they belong together, and that each is new.
import Testing

@testable import IO

@Suite struct DevelopmentCertificatesTests {
  @Test func pairsAreReadAndSayWhatTheyAreFor() throws {
    let made = try DevelopmentCertificates(names: ["lb.test", "10.0.0.9", "fd00::9"], days: 2)
    let library = try TLSLibrary()
    func facts(_ text: DevelopmentCertificates.CertificateText) throws -> CertificateFacts {
      // Reading it checks that the key belongs to the certificate.
      let pair = CertificatePair(name: "made", certificate: text.certificate, key: text.key)
      return try Certificate(pair, library).facts
    }
    let server = try facts(made.server)
    #expect(server.subject == "CN=localhost" && server.keyKind == "P-256")
    #expect(server.issuer == "CN=steelyard development authority")
    #expect(server.names == ["localhost", "127.0.0.1", "::1", "lb.test", "10.0.0.9", "fd00::9"])
    #expect(server.notAfter - server.notBefore == 2 * 86_400 + 3_600)
    let client = try facts(made.client)
    #expect(client.subject == "CN=development client" && client.names == ["client.localhost"])
    // A server that asks for certificates of this authority.
    var options = ServerContextOptions(pairs: [
      CertificatePair(
        name: "made", certificate: made.server.certificate, key: made.server.key)
    ])
    options.clientCA = made.authority
    options.requiresClientCertificate = true
    #expect(try ServerContext(options, library: library).certificates == [server])
  }

  @Test func eachIsNew() throws {
    let first = try DevelopmentCertificates(names: [], days: 1)
    let second = try DevelopmentCertificates(names: [], days: 1)
    #expect(first.authority != second.authority)
    #expect(first.server.key != second.server.key && first.server.key != first.client.key)
  }

  @Test func aNameThatCannotBeInACertificateIsAnError() {
    #expect(throws: TLSError.self) { try DevelopmentCertificates(names: ["1:2"], days: 1) }
  }
}
