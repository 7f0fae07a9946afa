import Foundation
import IO
import Testing

@testable import Certificates

@Suite struct TicketKeyFileTests {
  private func keys(_ text: String) throws(TLSError) -> [TicketKey] {
    try TicketKeyFile.keys(Array(text.utf8), path: "/k")
  }

  private func reason(_ text: String) -> String {
    do throws(TLSError) {
      return "\(try keys(text).count) keys"
    } catch {
      return error.message
    }
  }

  @Test func linesAreKeysAndTheFirstComesFirst() throws {
    let (one, two) = ([UInt8](0..<80), [UInt8](100..<180))
    let text =
      "# made on Monday\n\n  \(Data(one).base64EncodedString())\r\n"
      + "\(Data(two).base64EncodedString())\t\n#end"
    #expect(try keys(text).map(\.bytes) == [one, two])
  }

  @Test func whatIsNoKeyIsRefusedWithItsLine() {
    let key = Data([UInt8](0..<80)).base64EncodedString()
    #expect(reason("") == "the ticket key file /k has no key")
    #expect(reason("# none\n") == "the ticket key file /k has no key")
    for bad in [
      "abc", Data([UInt8](0..<79)).base64EncodedString(), key + "AAAA", "-" + key.dropFirst(),
      String(key.dropLast()) + "\n",
    ] {
      #expect(reason("\(key)\n\(bad)").hasPrefix("the ticket key file /k, line 2: a key is 80"))
    }
    let many = [String](repeating: key, count: 17).joined(separator: "\n")
    #expect(reason(many) == "the ticket key file /k has more than 16 keys")
  }
}
