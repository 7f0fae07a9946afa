import CSystem
import Testing

@testable import IO

@Suite struct NotifySocketTests {
  private static let names: [(text: String, code: Int32?)] = [
    ("/run/systemd/notify", nil),
    ("@abstract", nil),
    ("/" + String(repeating: "x", count: 107), nil),
    ("@" + String(repeating: "x", count: 107), nil),
    ("/" + String(repeating: "x", count: 108), ENAMETOOLONG),
    ("@" + String(repeating: "é", count: 54), ENAMETOOLONG),
    ("", EAFNOSUPPORT), ("/", EAFNOSUPPORT), ("@", EAFNOSUPPORT),
    ("run/notify", EAFNOSUPPORT), ("vsock:2:9999", EAFNOSUPPORT), ("unix:/run/x", EAFNOSUPPORT),
  ]

  @Test(arguments: names) func `a name is a path or abstract`(_ row: (text: String, code: Int32?)) {
    do throws(IOError) {
      _ = try NotifySocket(row.text)
      #expect(row.code == nil)
    } catch {
      #expect(error.code == row.code)
    }
  }

  @Test func `nobody listens`() throws {
    let socket = try NotifySocket("@steelyard-nobody-\(getpid())")
    #expect(throws: IOError("sendto", Int(ECONNREFUSED))) { try socket.send(["READY=1"]) }
  }

  @Test func `a variable is taken once`() {
    setenv("STEELYARD_TEST_TAKE", "a=b", 1)
    #expect(Environment.take("STEELYARD_TEST_TAKE") == "a=b")
    #expect(Environment.take("STEELYARD_TEST_TAKE") == nil)
  }
}
