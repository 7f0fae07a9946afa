// What a path asks of an endpoint, and the bytes of the answers: rendered once, then only sent.
import Primitives

/// What an endpoint is to answer.
enum Answer: Equatable {
  case notFound
  case bytes(Int, fields: Bool)
  case stream(tokens: Int, intervalMilliseconds: Int, fields: Bool)
  case metrics
  case health

  static let bytesMax = 64 << 20

  /// The answer to a target, path and query.
  init(target: String) {
    let halves = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let fields = halves.count == 2 && halves[1].split(separator: "&").contains("fields=1")
    let parts = halves[0].split(separator: "/", omittingEmptySubsequences: false).dropFirst()
    let words = Array(parts)
    switch words.first {
    case "bytes" where words.count == 2:
      guard let count = Self.whole(words[1]), count <= Self.bytesMax else { break }
      self = .bytes(count, fields: fields)
      return
    case "stream" where words.count == 3:
      guard let tokens = Self.whole(words[1]), (1...1_000_000).contains(tokens),
        let interval = Self.whole(words[2]), interval <= 60_000
      else { break }
      self = .stream(tokens: tokens, intervalMilliseconds: interval, fields: fields)
      return
    case "metrics" where words.count == 1:
      self = .metrics
      return
    case "health" where words.count == 1:
      self = .health
      return
    default: break
    }
    self = .notFound
  }

  private static func whole(_ text: Substring) -> Int? {
    guard text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
    return Int(text)
  }
}

/// An answer's bytes, for the life of the process.
struct RenderedAnswer {
  /// Head and the first of the content.
  let start: UnsafeRawPointer
  let count: Int
  let headCount: Int
  /// How much filling follows.
  let fill: Int

  /// Content that is sent together with its head.
  private static let joinedMax = 65_536

  init(status: String, count contentCount: Int, fields: Bool, isPersistent: Bool) {
    var head = "HTTP/1.1 \(status)\r\n"
    head += fields ? Fields.answer : "Content-Type: application/octet-stream\r\n"
    head += "Content-Length: \(contentCount)\r\n"
    if !isPersistent { head += "Connection: close\r\n" }
    head += "\r\n"
    let joined = min(contentCount, Self.joinedMax)
    self.init(Array(head.utf8), content: joined, fill: contentCount - joined)
  }

  private init(_ head: [UInt8], content: Int, fill: Int) {
    let memory = UnsafeMutableRawBufferPointer.allocate(
      byteCount: head.count + content, alignment: 64)
    memory.copyBytes(from: head)
    for index in head.count..<memory.count { memory[index] = Filling.byte }
    // The allocation is not empty: a head never is.
    guard let base = memory.baseAddress else { fatalError("an empty answer") }
    start = UnsafeRawPointer(base)
    count = memory.count
    headCount = head.count
    self.fill = fill
  }
}

/// What contents are made of.
enum Filling {
  static let byte = UInt8(ascii: "x")
  /// Half of a usual L2 cache: what sends it should not wait for memory.
  static let byteCount = 256 << 10

  static func make() -> UnsafeMutableRawPointer {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 4_096)
    memory.initializeMemory(as: UInt8.self, repeating: byte, count: byteCount)
    return memory
  }
}

/// Ten fields each way, of the kind that an API for inference and its clients send.
enum Fields {
  static let answer = """
    Date: Sat, 21 Nov 2026 12:00:00 GMT\r
    Server: uvicorn\r
    Content-Type: application/json\r
    Cache-Control: no-cache, must-revalidate\r
    Vary: Origin, Accept-Encoding\r
    ETag: "33a64df551425fcc55e4d42a148795d9f25f89d4"\r
    Strict-Transport-Security: max-age=15724800; includeSubDomains\r
    X-Content-Type-Options: nosniff\r
    Openai-Processing-Ms: 217\r
    Access-Control-Allow-Origin: *\r

    """

  static let request = """
    User-Agent: OpenAI/Python 1.55.0\r
    Accept: application/json\r
    Accept-Encoding: gzip, deflate, br, zstd\r
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r
    Authorization: Bearer sk-proj-4vJb8Zt2mQeXr7Lw0nYhKcUaDsGf6PiT1oRxMuB3CyEz\r
    Content-Type: application/json\r
    X-Stainless-Lang: python\r
    X-Stainless-Runtime-Version: 3.12.7\r
    Cookie: session=Zm9vYmFyYmF6cXV4MDEyMzQ1Njc4OQ; region=eu-west-1; theme=dark\r
    traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r

    """
}
