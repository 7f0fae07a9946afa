// Forwarded heads: fields named by `Connection` are removed, whatever their names, and an answer
// that changes the protocol still names the protocol.
import HTTP
import Testing

@testable import Balancer

@Suite struct ForwardedHeadTests {
  private var empty: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

  private func written(_ write: (inout ByteWriter) -> Void) -> String {
    withUnsafeTemporaryAllocation(byteCount: 2_048, alignment: 8) { room in
      var writer = ByteWriter(room)
      write(&writer)
      return String(decoding: writer.written, as: UTF8.self)
    }
  }

  private func request(_ text: String) -> String {
    var parser = HeadParser()
    var head = RequestHead()
    return Array(text.utf8).withUnsafeBytes { bytes in
      #expect(parser.parse(bytes, into: &head) == .complete)
      let client = ForwardedClient(
        address: empty, peer: empty, isPeerTrusted: true, requestID: empty,
        trace: .kept)
      let request = ForwardedRequest(
        head: head, fields: parser.table(in: bytes), noted: NotedFields(parser.table(in: bytes)),
        client: client)
      return written { request.write(to: &$0) }
    }
  }

  private func response(_ text: String) -> String {
    var parser = HeadParser()
    var head = ResponseHead()
    return Array(text.utf8).withUnsafeBytes { bytes in
      #expect(parser.parse(bytes, answering: .get, into: &head) == .complete)
      let response = ForwardedResponse(
        head: head, fields: parser.table(in: bytes), isChunked: false, confirmsKeepAlive: false,
        closes: false)
      return written { response.write(to: &$0) }
    }
  }

  @Test(arguments: [
    "traceparent", "tracestate", "X-Request-Id", "Forwarded", "Trailer", "Date", "Max-Forwards",
    "X-Served-By", "X-A",
  ])
  func aRequestsFieldThatConnectionNamesStaysHere(_ name: String) {
    let start = "GET / HTTP/1.1\r\nHost: a\r\n\(name): 1\r\n"
    #expect(request(start + "\r\n").contains("\r\n\(name): 1\r\n"))
    for list in [name, "x, \(name.uppercased())"] {
      #expect(!request(start + "Connection: \(list)\r\n\r\n").contains("\n\(name):"), "\(list)")
    }
  }

  @Test(arguments: ["Trailer", "Date", "X-Request-Id", "X-A"])
  func anAnswersFieldThatConnectionNamesStaysHere(_ name: String) {
    let start = "HTTP/1.1 204 x\r\n\(name): 1\r\n"
    #expect(response(start + "\r\n").contains("\r\n\(name): 1\r\n"))
    #expect(!response(start + "Connection: \(name)\r\n\r\n").contains("\n\(name):"))
  }

  @Test(arguments: ["upgrade", "upgrade, X-A", "x-a,UPGRADE"])
  func anAnswerThatChangesTheProtocolSaysToWhich(_ list: String) {
    let sent = response(
      "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nX-A: 1\r\nConnection: \(list)\r\n\r\n")
    #expect(sent.contains("\r\nUpgrade: websocket\r\n"))
    #expect(sent.contains("X-A") == (list == "upgrade"))
    let offer = request(
      "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: \(list)\r\n\r\n")
    #expect(offer.contains("\r\nUpgrade: websocket\r\n"))
  }
}
