// Laws of answers to health checks of gRPC, as a server of HTTP/2 sends them: the same end and the
// same replies at every split, no answer is whole before its end, replies are bounded, and what is
// called healthy is a message that says so.
import Client
import Controller
import Fleet
import HTTP
import Primitives

enum CallTarget {
  static let target = FuzzTarget(
    "call", byteCountMax: 600,
    words: [
      ":status", "200", "content-type", "application/grpc", "grpc-status", "grpc-message", "0",
      "content-length", "\u{8}\u{1}", "\0\0\0\0\u{2}\u{8}\u{1}", "HTTP/1.1 400\r\n",
    ],
    check: { data throws(Finding) in try CallTarget.check(FuzzInput(data)) },
    seeds: { _ in
      let rest = data + end
      return [
        FuzzInput.make(settings + head + rest, options: 0), FuzzInput.make(rest, options: 1),
        FuzzInput.make(ping + data + frame(8, 0, on: 0, [0, 0, 1, 0]) + end, options: 1),
        FuzzInput.make(frame(0, 8, on: 1, [2] + message + [0, 0]) + end, options: 1),
        FuzzInput.make(settings + frame(1, 5, on: 1, fields(status, unavailable)), options: 0),
        FuzzInput.make(frame(7, 0, on: 0, [0, 0, 0, 1, 0, 0, 0, 2]) + rest, options: 1),
        FuzzInput.make(frame(3, 0, on: 1, [0, 0, 0, 8]), options: 1),
        FuzzInput.make(
          settings + frame(1, 0, on: 1, Array(block.prefix(9)))
            + frame(9, 4, on: 1, Array(block.dropFirst(9))) + rest, options: 0),
      ]
    })

  // MARK: Frames of a server

  private static func frame(
    _ type: UInt8, _ flags: UInt8, on stream: UInt8, _ payload: [UInt8] = []
  ) -> [UInt8] {
    let header: [UInt8] = [0, 0, UInt8(payload.count), type, flags, 0, 0, 0, stream]
    return header + payload
  }

  private static func fields(_ fields: (String, String)...) -> [UInt8] {
    var bytes: [UInt8] = []
    for (name, value) in fields {
      bytes += [0, UInt8(name.utf8.count)]
      bytes += name.utf8
      bytes.append(UInt8(value.utf8.count))
      bytes += value.utf8
    }
    return bytes
  }

  private static let status = (":status", "200")
  private static let unavailable = ("grpc-status", "14")
  private static let block = fields(status, ("content-type", "application/grpc"))
  private static let message: [UInt8] = [0, 0, 0, 0, 2, 8, 1]
  private static let settings = frame(4, 0, on: 0)
  private static let ping = frame(6, 0, on: 0, [1, 2, 3, 4, 5, 6, 7, 8])
  private static let head = frame(1, 4, on: 1, block)
  private static let data = frame(0, 0, on: 1, message)
  private static let end = frame(1, 5, on: 1, fields(("grpc-status", "0")))

  // MARK: Laws

  /// What came of some bytes.
  private struct End: Equatable {
    var isOver = false
    /// nil: an answer.
    var failure: ClientFailure?
    var status = 0
    var content: [UInt8] = []
    var call: CallEnd?
    var isHealthy = false
    var replies: [UInt8] = []
  }

  private static let contentMax = 100

  private static func check(_ input: FuzzInput) throws(Finding) {
    let begun = input.options & 1 == 1 ? settings + head : []
    let whole = try run(begun, input) { body throws(Finding) in
      _ = try body(0..<input.bytes.count)
    }
    let split = try run(begun, input) { body throws(Finding) in try input.pieces(body) }
    try require(whole == split, "\(whole) as a whole, \(split) in pieces")
    try require(
      whole.replies.count <= 3 * (begun.count + input.bytes.count),
      "\(whole.replies.count) bytes of replies")
    try require(whole.content.count <= contentMax, "\(whole.content.count) bytes of content")
    if whole.isHealthy {
      let content = whole.content
      try require(whole.status == 200 && whole.call?.status == .ok, "healthy by \(whole)")
      try require(
        content.count >= 7 && content[0] == 0 && content.dropFirst(5).contains(8),
        "healthy by \(content)")
    }
    var random = input.random
    for _ in 0..<min(input.bytes.count, 12) {
      let cut = random.index(below: input.bytes.count)
      let part = try run(begun, input) { body throws(Finding) in _ = try body(0..<cut) }
      if part.isOver {
        try require(
          part.failure == whole.failure && part.content == whole.content,
          "\(part) after \(cut) bytes, and \(whole)")
      } else {
        try require(part.failure?.kind == .cut, "\(part) of a cut answer")
      }
    }
  }

  private static func run(
    _ begun: [UInt8], _ input: FuzzInput,
    _ feed: ((Range<Int>) throws(Finding) -> Bool) throws(Finding) -> Void
  ) throws(Finding) -> End {
    var request = ClientRequest(
      .post, "/a", at: SocketAddress(bytes: [127, 0, 0, 1], port: 1), timeout: .seconds(1),
      contentBytesMax: contentMax)
    request.version = .http2
    var exchange = ClientExchange()
    var parser = HeadParser()
    exchange.begin(request, userAgent: "f/1")
    var end = End()
    if !begun.isEmpty { _ = begun.withUnsafeBytes { exchange.receive($0, &parser) } }
    end.replies += exchange.takeReplies()
    try feed { range throws(Finding) in
      end.isOver = try input.bytes.withCopy(of: range) { copy throws(Finding) in
        exchange.receive(UnsafeRawBufferPointer(copy), &parser)
      }
      end.replies += exchange.takeReplies()
      return !end.isOver
    }
    if !end.isOver { exchange.end() }
    var policy = HealthPolicy()
    policy.kind = .grpc
    exchange.withOutcome { outcome in
      switch outcome {
      case .failed(let failure): end.failure = failure
      case .connected, .part: break
      case .answered(let answer):
        (end.status, end.content, end.call) = (
          answer.status, Array(answer.content), answer.call
        )
        end.isHealthy =
          HealthCheck.failure(PollOutcome(.answered(answer), isPage: false), policy) == nil
      }
    }
    return end
  }
}
