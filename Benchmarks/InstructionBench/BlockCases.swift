// Heads of HTTP/2: the same heads as blocks. Those that are decoded are as libnghttp2 writes them
// on a connection that has carried them before: with Huffman codes, and entries of the table.
import HTTP

enum BlockCases {
  static var all: [Case] {
    [
      decoded("request block decoded, short", shortRequest, isRequest: true),
      decoded("request block decoded, twelve fields", longRequest, isRequest: true),
      encodedRequest("request block encoded, short", HeadCases.shortRequest),
      encodedRequest("request block encoded, twelve fields", HeadCases.longRequest),
      decoded("response block decoded, short", shortResponse, isRequest: false),
      decoded("response block decoded, eleven fields", longResponse, isRequest: false),
      encodedResponse("response block encoded, short", HeadCases.shortResponse),
      encodedResponse("response block encoded, eleven fields", HeadCases.longResponse),
    ]
  }

  // The first block, and all later ones.
  private static let shortRequest = [
    """
    8287418b1d665cbe474d7415721e9f048863b858a4f216847f
    """,
    """
    8287be048863b858a4f216847f
    """,
  ]
  private static let longRequest = [
    """
    8387418b1d665cbe474d7415721e9f048e63b85824e34b043d35d05498f5237a8fd5596a87231afd2673d4a057
    7df5df538b1d75d0620d263d4c7441ea50929bd9abfa5242cb40d25fa523b3e94f684c9f51932d4b62bbf45abe
    fb4005dffa90bf7da002eeff1f08adba51d85b144755abb0fd160044cb4db8ebcf8e324859401132d36e3af3e3
    8c921650044cb4db8ebcf8e32485975f8b1d75d0620d263d4c7441ea0f0d826400408cf2b2123355415085a81d
    537f85afd2673d5f4093f2b2123355415085acb6a49a92addcb620c7ab8565708976bf609a4150831ea81b9404
    78612bf2331b4ec82fb51339692c120ecebf10884d83216b1d85a93fa700166a395f14acb6ebb1b2d483706c90
    af89f9005015a7597160025038e8c608c6f8051bab003f
    """,
    """
    8387c6048e63b85824e34b043d35d05498f523c5c4c3c21f08adba51d85b144755abb0fd160044cb4db8ebcf8e
    324859401132d36e3af3e38c921650044cb4db8ebcf8e3248597c10f0d826400c0bfbe10884d83216b1d85a93f
    a700166a395f14acb6ebb1b2d483706c90af89f9005015a7597160025038e8c608c6f8051bab003f
    """,
  ]
  private static let shortResponse = [
    """
    880f0d830804d7
    """,
    """
    880f0d830804d7
    """,
  ]
  private static let longResponse = [
    """
    881f1296dc34fd2820a9a4fdd41004e28115c002e000a62d1bff7685b7b9887b2a5f8b1d75d0620d263d4c7441
    ea0f0d830804d75886a8eb2127b0bf7b9184842d695b05443c86aa6fa53558698d570f138efe5b940478612bf2
    331b4ec82fe7789aa47e561cc58190b6cb80003ed43544a2d90bbad8ef9e919aa47f4090f2b10f524b52564faa
    cab1eb498f523f85a8e8a8d2cb408e3d65a8665abb0e42a106aa65a94782682254012a
    """,
    """
    881f1296dc34fd2820a9a4fdd41004e28115c002e000a62d1bffc5c40f0d830804d7c3c20f138efe5b94047861
    2bf2331b4ec82fe7c1c0bfbe
    """,
  ]

  private static func bytes(_ text: String) -> [UInt8] {
    let digits = text.filter(\.isHexDigit).map { $0 }
    return stride(from: 0, to: digits.count, by: 2).map {
      UInt8(String(digits[$0...$0 + 1]), radix: 16) ?? 0
    }
  }

  private static func coder(_ memory: FieldMemory) -> HeadCoder {
    guard let coder = HeadCoder(memory) else { fatalError("no memory") }
    return coder
  }

  private static func decoded(_ name: String, _ blocks: [String], isRequest: Bool) -> Case {
    Case(name: name, count: 500) { count, sink in
      let memory = FieldMemory()
      let coder = coder(memory)
      let room = UnsafeMutableRawBufferPointer.allocate(
        byteCount: HeadParser.byteCountMax, alignment: 8)
      for (index, block) in blocks.enumerated() {
        bytes(block).withUnsafeBytes { block in
          for _ in 0..<(index == 0 ? 1 : count) {
            var writer = ByteWriter(room)
            let head =
              isRequest
              ? coder.decodeRequest(block, isEnd: false, into: &writer)
              : coder.decodeResponse(block, isEnd: false, isHeadRequest: false, into: &writer)
            guard case .head(let facts) = head else { fatalError(name) }
            sink.take(writer.count &+ facts.contentLength)
          }
        }
      }
      coder.free()
      room.deallocate()
    }
  }

  private static func encodedRequest(_ name: String, _ text: String) -> Case {
    Case(name: name, count: 500) { count, sink in
      let memory = FieldMemory()
      var coder = coder(memory)
      let room = UnsafeMutableRawBufferPointer.allocate(
        byteCount: HeadCoder.blockBytesMax, alignment: 8)
      var parser = HeadParser()
      var head = RequestHead()
      Array(text.utf8).withUnsafeBytes { bytes in
        guard parser.parse(bytes, into: &head) == .complete else { fatalError(name) }
        let fields = parser.table(in: bytes)
        for _ in 0..<count {
          sink.take(coder.encodeRequest(head, fields, isSecure: true, into: room) ?? 0)
        }
      }
      coder.free()
      room.deallocate()
    }
  }

  private static func encodedResponse(_ name: String, _ text: String) -> Case {
    Case(name: name, count: 500) { count, sink in
      let memory = FieldMemory()
      var coder = coder(memory)
      let room = UnsafeMutableRawBufferPointer.allocate(
        byteCount: HeadCoder.blockBytesMax, alignment: 8)
      var parser = HeadParser()
      var head = ResponseHead()
      Array(text.utf8).withUnsafeBytes { bytes in
        guard parser.parse(bytes, answering: .get, into: &head) == .complete else {
          fatalError(name)
        }
        let fields = parser.table(in: bytes)
        for _ in 0..<count {
          sink.take(coder.encodeResponse(head, fields, into: room) ?? 0)
        }
      }
      coder.free()
      room.deallocate()
    }
  }
}
