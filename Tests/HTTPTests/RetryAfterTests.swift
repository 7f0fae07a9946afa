// `Retry-After` of answers that refuse a request (RFC 9110 §10.2.3).
import Testing

@testable import HTTP

@Suite struct RetryAfterTests {
  private static func seconds(_ fields: String) -> Int {
    var parser = HeadParser()
    var head = ResponseHead()
    let text = Array("HTTP/1.1 503 Full\r\nContent-Length: 0\r\n\(fields)\r\n".utf8)
    return text.withUnsafeBytes { bytes in
      guard parser.parse(bytes, answering: .post, into: &head) == .complete else { return -1 }
      return parser.table(in: bytes).retryAfterSeconds
    }
  }

  @Test(arguments: [
    ("Retry-After: 1\r\n", 1), ("retry-after:   120  \r\n", 120), ("RETRY-AFTER: 0\r\n", 0),
    ("X-A: b\r\nRetry-After: 7\r\nX-C: d\r\n", 7), ("", 0),
    // Bounded, whatever stands there.
    ("Retry-After: 99999999999999999999999999\r\n", 65_535),
    // A date, no number, nothing, another field.
    ("Retry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n", 0), ("Retry-After: -1\r\n", 0),
    ("Retry-After: 1.5\r\n", 0), ("Retry-After: \r\n", 0), ("Retry_After: 5\r\n", 0),
    ("Retry-Aftex: 5\r\n", 0),
    // What is said twice is not believed.
    ("Retry-After: 1\r\nRetry-After: 2\r\n", 0),
  ])
  func secondsAreReadAndNothingElse(fields: String, seconds: Int) {
    #expect(Self.seconds(fields) == seconds, "\(fields)")
  }
}
