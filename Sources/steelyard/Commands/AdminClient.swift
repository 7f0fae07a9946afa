// One request to a running steelyard's admin server, for the command line: blocking, with a
// deadline.
import HTTP
import IO
import Primitives

enum AdminClient {
  struct Failure: Error {
    let message: String
  }
  struct Answer {
    let status: Int
    let content: [UInt8]
    var text: String { String(decoding: content, as: UTF8.self) }
  }

  /// A longer answer is no answer: a status of ten thousand endpoints has a tenth of this.
  private static let byteCountMax = 64 << 20

  /// Sends a request without content and waits for its answer.
  static func send(
    _ method: String, _ path: String, to address: SocketAddress, token: Secret? = nil,
    timeout: Nanoseconds = .seconds(10)
  ) throws(Failure) -> Answer {
    var io = try loop()
    let id: ConnectionID
    do throws(IOError) {
      id = try io.connect(to: KernelAddress(address), tag: 1)
    } catch {
      throw unreachable(address)
    }
    let request =
      "\(method) \(path) HTTP/1.1\r\nHost: \(address)\r\nContent-Length: 0\r\n"
      + (token.map { "Authorization: Bearer \($0.text)\r\n" } ?? "")
      + "Accept: application/json\r\nConnection: close\r\n\r\n"
    let bytes = Array(request.utf8)
    _ = bytes.withUnsafeBytes { io.send(id, $0) }
    io.setDeadline(id, io.now + timeout)
    var received: [UInt8] = []
    var end: Int?
    while true {
      let event = io.next()
      switch event.kind {
      case .none: io.wait()
      case .received:
        received += io.received
        guard received.count <= byteCountMax else {
          throw Failure(message: "\(address) answers with more than 64 MiB")
        }
        if end == nil { end = Self.end(of: received) }
        // Not everybody closes where that was asked for.
        if let end, received.count >= end { return try answer(received, address) }
      case .eof, .hangup: return try answer(received, address)
      case .failed:
        if received.isEmpty { throw unreachable(address) }
        return try answer(received, address)
      case .timeout:
        throw Failure(message: "\(address) did not answer within \(Int(timeout.seconds)) s")
      case .connected, .drained, .accepted, .moved, .woken: break
      }
    }
  }

  private static func loop() throws(Failure) -> IOLoop {
    do throws(IOError) {
      return try IOLoop(connectionsMax: 4, waker: try Waker())
    } catch {
      throw Failure(message: "the system refused: \(error)")
    }
  }

  private static func unreachable(_ address: SocketAddress) -> Failure {
    Failure(
      message: "nobody answers at \(address): is steelyard running, and is this its admin address? "
        + "(--admin ADDRESS)")
  }

  /// Where an answer ends that tells its length, once its head is complete.
  private static func end(of bytes: [UInt8]) -> Int? { measure(bytes)?.end }

  private static func measure(
    _ bytes: [UInt8]
  ) -> (status: Int, start: Int, end: Int)? {
    var parser = HeadParser()
    var head = ResponseHead()
    let verdict = bytes.withUnsafeBytes { parser.parse($0, answering: .get, into: &head) }
    guard verdict == .complete else { return nil }
    switch head.framing {
    case .length(let count) where count <= byteCountMax:
      return (head.status, head.end, head.end + count)
    case .none: return (head.status, head.end, head.end)
    default: return nil
    }
  }

  private static func answer(
    _ bytes: [UInt8], _ address: SocketAddress
  ) throws(Failure) -> Answer {
    guard let found = measure(bytes), bytes.count >= found.end else {
      throw Failure(message: "\(address) does not answer like steelyard's admin server")
    }
    return Answer(status: found.status, content: Array(bytes[found.start..<found.end]))
  }
}
