import Fleet
import IO
import Testing

@testable import Certificates

@Suite struct PairDirectoryTests {
  private func found(_ names: [String]) -> String {
    do throws(TLSError) {
      return try PairDirectory.pairs(names, in: "/d").map { "\($0.certificate) \($0.key)" }
        .joined(separator: ", ")
    } catch {
      return error.message
    }
  }

  @Test func aPairIsACertificateAndAKeyOfOneName() {
    #expect(
      found(["..data", "ca.crt", "a.key", "a.pem", "tls.crt", "tls.key", "x.txt"])
        == "/d/a.pem /d/a.key, /d/tls.crt /d/tls.key")
    #expect(found(["a.crt", "a.key", "a.pem"]) == "/d/a.crt /d/a.key")
    #expect(found([".hidden.key", "a.key", "a.crt"]) == "/d/a.crt /d/a.key")
  }

  @Test func whatIsNoneIsSaid() {
    #expect(
      found(["ca.crt"])
        == "the certificate directory /d has no pair of NAME.crt (or NAME.pem) and NAME.key")
    #expect(
      found(["a.key"]) == "the certificate directory /d has a.key, but neither a.crt nor a.pem")
    let many = (0..<1_001).flatMap { ["n\($0).crt", "n\($0).key"] }
    #expect(found(many) == "the certificate directory /d has more than 1000 pairs")
  }
}
