// A server on a thread of its own, whose answers a test chooses.
import HTTP
import IO
import Primitives
import Synchronization

/// What is done with a request.
enum Reply {
  /// Sends the text, and closes where it says so.
  case text(String, closes: Bool = false)
  /// Sends the pieces, a turn of the loop apart.
  case pieces([String])
  case nothing
  case close
}

final class LoopbackServer: Sendable {
  let address: SocketAddress
  private let waker: Waker
  private let isStopped = Atomic<Bool>(false)
  private let seen = Mutex<(connections: Int, requests: [String])>((0, []))
  private let thread: Mutex<ThreadHandle?>

  /// Requests that came, and connections.
  var requests: [String] { seen.withLock { $0.requests } }
  var connectionCount: Int { seen.withLock { $0.connections } }

  /// `answer` gets the number of the connection, from 1, and the request, whole as it came.
  init(_ answer: @escaping @Sendable (_ connection: Int, _ request: String) -> Reply) throws {
    let group = try ListenSocket.open(.loopback(port: 0), count: 1)
    address = group.address
    waker = try Waker()
    thread = Mutex(nil)
    let started = try ThreadHandle.start(name: "server") { [self] in serve(group, answer) }
    thread.withLock { $0 = started }
  }

  func stop() {
    isStopped.store(true, ordering: .relaxed)
    waker.wake()
    thread.withLock { $0.take()?.join() }
  }

  private func serve(
    _ group: ListenSocketGroup, _ answer: (_ connection: Int, _ request: String) -> Reply
  ) {
    guard var io = try? IOLoop(connectionsMax: 16, waker: waker), let socket = group.take(0),
      (try? io.listen(socket, tag: 1)) != nil
    else { fatalError("no loop for a test's server") }
    var numbers: [ConnectionID: Int] = [:]
    var pending: [(ConnectionID, String)] = []
    while !isStopped.load(ordering: .relaxed) {
      io.wait(until: pending.isEmpty ? .distantFuture : io.now)
      if let (id, text) = pending.first {
        pending.removeFirst()
        if io.isOpen(id) { Self.send(text, id, &io) }
      }
      while case let event = io.next(), event.kind != .none {
        switch event.kind {
        case .accepted:
          numbers[event.id] = seen.withLock {
            $0.connections += 1
            return $0.connections
          }
        case .received:
          let text = String(decoding: io.received, as: UTF8.self)
          seen.withLock { $0.requests.append(text) }
          switch answer(numbers[event.id] ?? 0, text) {
          case .text(let text, let closes):
            Self.send(text, event.id, &io)
            if closes { io.close(event.id) }
          case .pieces(let texts): pending += texts.map { (event.id, $0) }
          case .nothing: break
          case .close: io.close(event.id)
          }
        case .eof, .failed, .hangup: io.close(event.id)
        default: break
        }
      }
    }
  }

  private static func send(_ text: String, _ id: ConnectionID, _ io: inout IOLoop) {
    _ = Array(text.utf8).withUnsafeBytes { io.send(id, $0) }
  }
}
