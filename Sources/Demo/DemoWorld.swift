// The demo's thread: both sets of endpoints and the clients on one loop. Other threads use a small
// mailbox and read counters in cells.
package import IO
package import Primitives
import Synchronization

package final class DemoWorld: Sendable {
  /// The speeds of the four endpoints of each set; 1 is one unit of work per second and slot.
  package static let speeds = [1.0, 1, 2, 4]
  private static let slots = 8
  private static let queueMax = 2_000
  /// The capacity is slots × speed ÷ this, in requests per second: 20, 20, 40, 80.
  private static let unitSeconds = 0.4

  private enum Message: Sendable {
    case load([SocketAddress])
    case mode(VirtualServer.Mode, endpoint: Int)
    case stop
  }

  /// The addresses of the set behind static weights.
  package let staticAddresses: [SocketAddress]
  /// The addresses of the set behind dynamic weights.
  package let dynamicAddresses: [SocketAddress]
  /// The clients' results: with static weights, with dynamic weights.
  package let traffic = [PoolTraffic(), PoolTraffic()]
  private let mailbox: Mailbox
  private let waker: Waker
  private let thread: Mutex<ThreadHandle?> = Mutex(nil)

  /// Opens the endpoints' sockets and starts the thread. Errors: those of the kernel.
  package init(options: DemoOptions) throws(IOError) {
    let waker = try Waker()
    self.waker = waker
    let servers = (0..<8).map {
      VirtualServer(
        speed: Self.speeds[$0 % 4] / Self.unitSeconds, slots: Self.slots, queueMax: Self.queueMax,
        now: Clock.now)
    }
    // The loop is made and used on the thread; only the addresses leave it.
    let box = OpenedBox()
    let mailbox = Mailbox()
    let traffic = traffic
    let started = try ThreadHandle.start(name: "demo") {
      do throws(IOError) {
        var io = try IOLoop(connectionsMax: 20_000, waker: waker)
        let endpoints = try EndpointDriver(servers, setSize: 4, &io)
        box.put(.success(endpoints.addresses))
        Self.run(&io, endpoints, traffic, options, mailbox)
      } catch {
        box.put(.failure(error))
      }
    }
    let addresses = try box.wait().get()
    staticAddresses = Array(addresses[..<4])
    dynamicAddresses = Array(addresses[4...])
    self.mailbox = mailbox
    thread.withLock { $0 = started }
  }

  /// Begins to send requests to the addresses of the two listeners.
  package func startLoad(staticProxy: SocketAddress, dynamicProxy: SocketAddress) {
    post(.load([staticProxy, dynamicProxy]))
  }

  /// Changes the behaviour of an endpoint (0…3) in both sets. Any thread.
  package func set(_ mode: VirtualServer.Mode, endpoint: Int) {
    post(.mode(mode, endpoint: endpoint))
  }

  /// Ends the thread and waits for it.
  package func stop() {
    post(.stop)
    let handle = thread.withLock { $0 }
    handle?.join()
  }

  private func post(_ message: Message) {
    mailbox.post(message)
    waker.wake()
  }

  private final class Mailbox: Sendable {
    private let messages = Mutex<[Message]>([])
    func post(_ message: Message) { messages.withLock { $0.append(message) } }
    func take() -> [Message] {
      messages.withLock { messages in
        defer { messages = [] }
        return messages
      }
    }
  }

  /// Passes one value from one thread to another.
  private final class OpenedBox: Sendable {
    private let value = Mutex<Result<[SocketAddress], IOError>?>(nil)
    func put(_ result: Result<[SocketAddress], IOError>) { value.withLock { $0 = result } }
    func wait() -> Result<[SocketAddress], IOError> {
      while true {
        if let result = value.withLock({ $0 }) { return result }
        Clock.pause(.milliseconds(1))
      }
    }
  }

  private static func run(
    _ io: inout IOLoop, _ opened: consuming EndpointDriver, _ traffic: [PoolTraffic],
    _ options: DemoOptions, _ mailbox: Mailbox
  ) {
    var endpoints = opened
    var load: LoadDriver?
    while true {
      let next = min(endpoints.nextLook(now: io.now), load?.nextEvent ?? .distantFuture)
      io.wait(until: next)
      while true {
        let event = io.next()
        if event.kind == .none { break }
        if event.kind == .woken { continue }
        if endpoints.owns(event.tag) {
          endpoints.handle(event, &io)
        } else {
          load?.handle(event, &io)
        }
      }
      for message in mailbox.take() {
        switch message {
        case .stop: return
        case .load(let proxies):
          load = LoadDriver(
            proxies: proxies, traffic: traffic,
            schedule: ArrivalSchedule(rate: options.rate, seed: options.seed, start: io.now))
        case .mode(let mode, let endpoint):
          // If the port was taken meanwhile, the endpoint stays dead.
          for server in [endpoint, endpoint + 4] {
            try? endpoints.set(mode, server: server, &io)
          }
        }
      }
      endpoints.work(&io)
      load?.work(&io)
    }
  }
}
