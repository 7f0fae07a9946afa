// One webhook: an HTTP request with a JSON object, and the status of its answer. Blocking, on a
// thread of its own; bounds: the deadline, 16 KB of head, eight interim heads.
import Fleet
import HTTP
import IO
import Primitives

enum HookPostDriver {
  enum Ending: Equatable {
    case answered(Int)
    case failed(String)
    case timedOut
    case stopped
  }

  private static let interimMax = 8
  /// Between two looks at whether we are ending.
  private static let pause = Nanoseconds.milliseconds(100)

  static func post(
    _ content: [UInt8], to target: HookPolicy.WebTarget, fields: [HealthPolicy.Field] = [],
    userAgent: String,
    timeout: Nanoseconds, isStopped: () -> Bool
  ) -> Ending {
    do throws(IOError) {
      var io = try IOLoop(connectionsMax: 4, waker: try Waker())
      let deadline = io.now + timeout
      let id = try io.connect(to: KernelAddress(target.address), tag: 1)
      let own = fields.map { "\($0.name): \($0.value)\r\n" }.joined()
      let head =
        "POST \(target.path) HTTP/1.1\r\nHost: \(target.address)\r\nUser-Agent: \(userAgent)\r\n"
        + "Content-Type: application/json\r\nContent-Length: \(content.count)\r\n"
        + "\(own)Connection: close\r\n\r\n"
      let bytes = Array(head.utf8) + content
      _ = bytes.withUnsafeBytes { io.send(id, $0) }
      return wait(&io, until: deadline, isStopped)
    } catch {
      return .failed(error.reason)
    }
  }

  private static func wait(
    _ io: inout IOLoop, until deadline: Nanoseconds, _ isStopped: () -> Bool
  ) -> Ending {
    var received: [UInt8] = []
    while true {
      let event = io.next()
      switch event.kind {
      case .none:
        if isStopped() { return .stopped }
        if io.now >= deadline { return .timedOut }
        io.wait(until: min(deadline, io.now + pause))
      case .received:
        received += io.received
        if let ending = read(received) { return ending }
      case .eof, .hangup: return .failed("closed without an answer")
      case .failed: return .failed(IOError.reason(Int32(truncatingIfNeeded: event.value)))
      case .timeout, .connected, .drained, .accepted, .moved, .woken: break
      }
    }
  }

  /// nil where the head is not there yet.
  static func read(_ bytes: [UInt8]) -> Ending? {
    var parser = HeadParser()
    var rest = bytes[...]
    for _ in 0...interimMax {
      var head = ResponseHead()
      switch rest.withUnsafeBytes({ parser.parse($0, answering: .get, into: &head) }) {
      case .incomplete: return nil
      case .rejected(let error): return .failed("no HTTP: \(error.label)")
      case .complete:
        if head.status >= 200 { return .answered(head.status) }
        rest = rest.dropFirst(head.end)
      }
    }
    return .failed("no HTTP: too many interim heads")
  }
}
