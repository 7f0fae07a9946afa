// One GET at a time, for commands: connects, sends, waits for the end. The loop is its own.
package import Fleet
import HTTP
package import IO
package import Primitives

/// What came of one GET. The content is kept, unlike a scrape's.
package struct PageFetch: Sendable, Equatable {
  package enum Outcome: Sendable, Equatable {
    case answered(status: Int, content: [UInt8])
    case failed(ProbeFailure)
  }
  package var path: String
  package var sentAt: Nanoseconds
  package var duration: Nanoseconds
  package var outcome: Outcome
  /// How the answer began.
  package var firstBytes: [UInt8]

  package init(
    path: String, sentAt: Nanoseconds = .zero, duration: Nanoseconds = .zero, _ outcome: Outcome,
    firstBytes: [UInt8] = []
  ) {
    self.path = path
    self.sentAt = sentAt
    self.duration = duration
    self.outcome = outcome
    self.firstBytes = firstBytes
  }

  /// A whole page with status 200, else nil.
  package var page: [UInt8]? {
    if case .answered(200, let content) = outcome { content } else { nil }
  }
}

package struct PageFetchDriver: ~Copyable {
  /// As `serve` reads at most, unless the file says otherwise.
  private static let pageBytesMax = WeightPolicy().pageBytesMax

  private let userAgent: String
  private var io: IOLoop
  private var parser = HeadParser()
  private var exchange = ClientExchange()

  /// `userAgent` is like `steelyard/1.0`.
  package init(userAgent: String) throws(IOError) {
    self.userAgent = userAgent
    io = try IOLoop(connectionsMax: 4, waker: try Waker())
  }

  /// Fetches a page from the first of the addresses that takes the connection. Requires: one at
  /// least. Blocks for the timeout at most, for each address.
  package mutating func fetch(
    _ addresses: [SocketAddress], host: String, path: String, kind: ProbeRequest.Kind,
    timeout: Nanoseconds
  ) -> PageFetch {
    var last: PageFetch?
    for (index, address) in addresses.enumerated() {
      var request = ProbeRequest(
        id: ProbeID(endpointIndex: 0, source: 0, serial: UInt64(index)), address: address,
        path: path,
        kind: kind, timeout: timeout, contentBytesMax: Self.pageBytesMax)
      request.host = host
      var fetch = fetch(request)
      if let path = exchange.redirectPath(of: request) {
        request.path = path
        fetch = self.fetch(request, isRedirected: true)
      }
      if case .failed(let failure) = fetch.outcome,
        failure.kind == .refused || failure.kind == .unreachable
      {
        last = last ?? fetch
        continue
      }
      return fetch
    }
    return last
      ?? PageFetch(path: path, .failed(ProbeFailure(.unreachable, "there is no address")))
  }

  /// Waits until then.
  package mutating func pause(until end: Nanoseconds) {
    while Clock.now < end {
      io.wait(until: end)
      while io.next().kind != .none {}
    }
  }

  private mutating func fetch(
    _ request: ProbeRequest, isRedirected: Bool = false
  ) -> PageFetch {
    exchange.begin(request, userAgent: userAgent)
    let sentAt = Clock.now
    let id: ConnectionID
    do throws(IOError) {
      id = try io.connect(to: KernelAddress(request.address), tag: 0)
    } catch {
      let failure =
        error.isLocalShortage
        ? ProbeFailure(.local, error.description)
        : ClientDriver.failure(error.code, isConnected: false)
      return PageFetch(path: request.path, sentAt: sentAt, .failed(failure))
    }
    io.setDeadline(id, sentAt + request.timeout)
    _ = exchange.requestBytes.withUnsafeBytes { io.send(id, $0) }
    var isConnected = false
    var isOver = false
    while !isOver {
      io.wait()
      while !isOver {
        let event = io.next()
        if event.kind == .none { break }
        guard event.id == id else { continue }
        switch event.kind {
        case .connected: isConnected = true
        case .received:
          isOver = exchange.receive(UnsafeRawBufferPointer(io.received), &parser)
        case .eof:
          exchange.end()
          isOver = true
        case .failed:
          exchange.fail(
            ClientDriver.failure(
              Int32(truncatingIfNeeded: event.value), isConnected: isConnected))
          isOver = true
        case .timeout:
          let seconds = NumberWords.fixed(request.timeout.seconds, 1)
          let progress = isConnected ? exchange.progress : "no connection"
          exchange.fail(ProbeFailure(.timeout, "\(progress) within \(seconds) s"))
          isOver = true
        case .none, .accepted, .moved, .drained, .hangup, .woken: break
        }
      }
    }
    io.close(id)
    if isRedirected || exchange.redirectPath(of: request) == nil { exchange.refuseRedirect() }
    let outcome: PageFetch.Outcome = exchange.withOutcome {
      switch $0 {
      case .answered(let status, let content): .answered(status: status, content: Array(content))
      case .failed(let failure): .failed(failure)
      case .connected: .failed(ProbeFailure(.local, "nothing was asked"))
      }
    }
    return PageFetch(
      path: request.path, sentAt: sentAt, duration: Clock.now - sentAt, outcome,
      firstBytes: exchange.firstBytes)
  }
}
