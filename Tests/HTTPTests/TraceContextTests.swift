import HTTP
import Primitives
import Testing

private func read(_ text: String) -> TraceParent? {
  Array(text.utf8).withUnsafeBytes { TraceParent($0) }
}

private let trace = "4bf92f3577b34da6a3ce929d0e0e4736"
private let span = "00f067aa0ba902b7"

@Suite struct TraceContextTests {
  @Test func aValidOneIsReadAndWrittenTheSame() throws {
    let text = "00-\(trace)-\(span)-01"
    let parent = try #require(read(text))
    #expect(parent.traceHigh == 0x4bf9_2f35_77b3_4da6 && parent.span == 0x00f0_67aa_0ba9_02b7)
    #expect(parent.flags == 1)
    let written = withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { room in
      var writer = ByteWriter(room)
      parent.write(to: &writer)
      return String(decoding: writer.written, as: UTF8.self)
    }
    #expect(written == text)
  }

  @Test(arguments: [
    ("01-\(trace)-\(span)-01", 1), ("fe-\(trace)-\(span)-03-what-comes-later", 1),
    ("00-\(trace)-\(span)-ff", 255), ("cc-\(trace)-\(span)-00-", 0),
  ])
  func aLaterVersionIsReadAsFarAsItIsKnown(text: String, flags: Int) {
    #expect(read(text)?.flags == UInt8(flags))
  }

  @Test(arguments: [
    "", "00-", "00-\(trace)-\(span)-0", "00-\(trace)-\(span)-011", "00-\(trace)-\(span)-01-x",
    "01-\(trace)-\(span)-01x", "ff-\(trace)-\(span)-01", "00-\(trace)-\(span)-0G",
    "0-0\(trace)-\(span)-01", "00_\(trace)-\(span)-01", "00-\(trace)_\(span)-01",
    "00-\(trace)-\(span)_01", "00-00000000000000000000000000000000-\(span)-01",
    "00-\(trace)-0000000000000000-01", "00-\(trace.uppercased())-\(span)-01",
  ])
  func aMalformedOneIsNone(text: String) { #expect(read(text) == nil) }

  @Test func anIdentifierIsVisibleASCIIOfABoundedLength() {
    func isAcceptable(_ bytes: [UInt8]) -> Bool {
      bytes.withUnsafeBytes { RequestID.isAcceptable($0) }
    }
    for byte in UInt8.min...UInt8.max {
      #expect(isAcceptable([0x61, byte]) == (byte > 0x20 && byte < 0x7F), "\(byte)")
    }
    #expect(!isAcceptable([]))
    #expect(isAcceptable([UInt8](repeating: 0x61, count: 128)))
    #expect(!isAcceptable([UInt8](repeating: 0x61, count: 129)))
  }
}

@Suite struct FieldNameTests {
  private func name(_ text: String) -> FieldName {
    var parser = HeadParser()
    var head = RequestHead()
    let bytes = Array("GET / HTTP/1.0\r\n\(text): 1\r\n\r\n".utf8)
    let verdict = bytes.withUnsafeBytes { parser.parse($0, into: &head) }
    #expect(verdict == .complete)
    return parser.fields[0].name
  }

  @Test(arguments: [
    ("X-Forwarded-For", FieldName.xForwardedFor), ("x-forwarded-FOR", .xForwardedFor),
    ("X-Forwarded-Proto", .xForwardedProto), ("X-Forwarded-Host", .xForwardedHost),
    ("X-Forwarded-Port", .xForwardedOther), ("X-Forwarded-", .other), ("X-Real-IP", .xRealIP),
    ("X-Forwarded", .other), ("Forwarded", .forwarded), ("X-Request-Id", .xRequestID),
    ("X-Request-Idx", .other), ("traceparent", .traceparent), ("TraceState", .tracestate),
    ("X-Served-By", .xServedBy), ("X-Steelyard-Endpoint", .steelyardEndpoint),
    ("X-Steelyard-Weight", .steelyardOther), ("X-Steelyard", .other),
    ("X_Forwarded_For", .counterfeit), ("X-Forwarded_For", .counterfeit),
    ("X_Steelyard-Endpoint", .counterfeit), ("x_request_id", .counterfeit),
    ("Content_Length", .counterfeit), ("Transfer_Encoding", .counterfeit),
    ("X_Custom_Name", .other),
    ("X-Custom_Name", .other), ("Xylophone-Name", .other), ("Contentxlength", .other),
  ])
  func aNameIsKnownInEveryGuise(text: String, expected: FieldName) {
    #expect(name(text) == expected)
  }
}
