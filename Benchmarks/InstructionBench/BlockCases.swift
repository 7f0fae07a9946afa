// Heads of HTTP/2: the same heads as blocks of a connection that has carried them before.
import HTTP

enum BlockCases {
  static var all: [Case] {
    [
      decodedRequest("request block decoded, short", HeadCases.shortRequest),
      decodedRequest("request block decoded, twelve fields", HeadCases.longRequest),
      encodedRequest("request block encoded, short", HeadCases.shortRequest),
      encodedRequest("request block encoded, twelve fields", HeadCases.longRequest),
      decodedResponse("response block decoded, short", HeadCases.shortResponse),
      decodedResponse("response block decoded, eleven fields", HeadCases.longResponse),
      encodedResponse("response block encoded, short", HeadCases.shortResponse),
      encodedResponse("response block encoded, eleven fields", HeadCases.longResponse),
    ]
  }

  /// The two ends of a connection, and rooms for a block and a text.
  private final class Ends {
    let memory = FieldMemory()
    let sender: HeadCoder
    let receiver: HeadCoder
    let block = UnsafeMutableRawBufferPointer.allocate(
      byteCount: HeadCoder.blockBytesMax, alignment: 8)
    let text = UnsafeMutableRawBufferPointer.allocate(
      byteCount: HeadParser.byteCountMax, alignment: 8)

    init() {
      guard let sender = HeadCoder(memory), let receiver = HeadCoder(memory) else {
        fatalError("no memory")
      }
      (self.sender, self.receiver) = (sender, receiver)
    }

    deinit {
      sender.free()
      receiver.free()
      block.deallocate()
      text.deallocate()
    }

    /// The block of the request, the second of its kind: it refers to the tables.
    func request(_ text: String) -> UnsafeRawBufferPointer {
      let count = withRequest(text) { head, fields in
        for _ in 0..<2 {
          guard let count = sender.encodeRequest(head, fields, isSecure: true, into: block) else {
            fatalError(text)
          }
          var writer = ByteWriter(self.text)
          let part = UnsafeRawBufferPointer(rebasing: block[..<count])
          guard case .head = receiver.decodeRequest(part, isEnd: false, into: &writer) else {
            fatalError(text)
          }
        }
        return sender.encodeRequest(head, fields, isSecure: true, into: block) ?? 0
      }
      return UnsafeRawBufferPointer(rebasing: block[..<count])
    }

    func response(_ text: String) -> UnsafeRawBufferPointer {
      let count = withResponse(text) { head, fields in
        for _ in 0..<2 {
          guard let count = sender.encodeResponse(head, fields, into: block) else {
            fatalError(text)
          }
          var writer = ByteWriter(self.text)
          let part = UnsafeRawBufferPointer(rebasing: block[..<count])
          guard
            case .head = receiver.decodeResponse(
              part, isEnd: false, isHeadRequest: false, into: &writer)
          else { fatalError(text) }
        }
        return sender.encodeResponse(head, fields, into: block) ?? 0
      }
      return UnsafeRawBufferPointer(rebasing: block[..<count])
    }
  }

  private static func withRequest<Result>(
    _ text: String, _ body: (RequestHead, FieldTable) -> Result
  ) -> Result {
    var parser = HeadParser()
    var head = RequestHead()
    return Array(text.utf8).withUnsafeBytes { bytes in
      guard parser.parse(bytes, into: &head) == .complete else { fatalError(text) }
      return body(head, parser.table(in: bytes))
    }
  }

  private static func withResponse<Result>(
    _ text: String, _ body: (ResponseHead, FieldTable) -> Result
  ) -> Result {
    var parser = HeadParser()
    var head = ResponseHead()
    return Array(text.utf8).withUnsafeBytes { bytes in
      guard parser.parse(bytes, answering: .get, into: &head) == .complete else {
        fatalError(text)
      }
      return body(head, parser.table(in: bytes))
    }
  }

  private static func decodedRequest(_ name: String, _ text: String) -> Case {
    Case(name: name, count: 500) { count, sink in
      let ends = Ends()
      let block = ends.request(text)
      for _ in 0..<count {
        var writer = ByteWriter(ends.text)
        guard
          case .head(let facts) = ends.receiver.decodeRequest(block, isEnd: false, into: &writer)
        else { fatalError(name) }
        sink.take(writer.count &+ facts.contentLength)
      }
    }
  }

  private static func decodedResponse(_ name: String, _ text: String) -> Case {
    Case(name: name, count: 500) { count, sink in
      let ends = Ends()
      let block = ends.response(text)
      for _ in 0..<count {
        var writer = ByteWriter(ends.text)
        guard
          case .head(let facts) = ends.receiver.decodeResponse(
            block, isEnd: false, isHeadRequest: false, into: &writer)
        else { fatalError(name) }
        sink.take(writer.count &+ facts.status)
      }
    }
  }

  private static func encodedRequest(_ name: String, _ text: String) -> Case {
    Case(name: name, count: 500) { count, sink in
      let ends = Ends()
      withRequest(text) { head, fields in
        for _ in 0..<count {
          let size = ends.sender.encodeRequest(head, fields, isSecure: true, into: ends.block)
          sink.take(size ?? 0)
        }
      }
    }
  }

  private static func encodedResponse(_ name: String, _ text: String) -> Case {
    Case(name: name, count: 500) { count, sink in
      let ends = Ends()
      withResponse(text) { head, fields in
        for _ in 0..<count {
          sink.take(ends.sender.encodeResponse(head, fields, into: ends.block) ?? 0)
        }
      }
    }
  }
}
