// An endpoint of a simulated worker. It answers every request with content that names the request,
// or fails in one of the ways in which endpoints fail.
import Primitives

/// What an endpoint does with a request.
enum EndpointAct: CaseIterable {
  case answer, answerInChunks, answerUntilClose, answerAndClose
  /// Closes shortly after the answer without announcing it.
  case answerThenCloseIdle
  case interims
  case unavailable, failure
  case silent
  case closeBeforeHead, resetBeforeHead, closeInHead, resetInHead
  case closeInContent, resetInContent
  case malformed
  /// Sends bytes after the answer.
  case surplus
  /// Answers after the head of a request whose content has not come, and closes.
  case early

  /// Whether nothing fails.
  var isWell: Bool {
    switch self {
    case .answer, .answerInChunks, .answerUntilClose, .answerAndClose, .interims: true
    default: false
    }
  }
}

/// What an endpoint does with a connection.
enum ConnectAct: CaseIterable { case accept, refuse, silent, shortage }

final class SimulatedEndpoint {
  let name: String
  let network: SimulatedNetwork
  var act: (PlainMessage) -> EndpointAct = { _ in .answer }
  var connectAct: () -> ConnectAct = { .accept }
  var delay: () -> Nanoseconds = { .milliseconds(5) }
  var size: () -> Int = { 100 }
  /// How long after an answer its surplus bytes are sent. Bytes that come when the next request is
  /// already sent cannot be told from its answer.
  var surplusPause: () -> Nanoseconds = { .zero }
  /// The number of complete requests by name.
  private(set) var executions: [String: Int] = [:]
  private(set) var faults: [String] = []
  private(set) var connectionCount = 0

  init(_ name: String, _ network: SimulatedNetwork) {
    self.name = name
    self.network = network
  }

  func receive() -> Reception {
    switch connectAct() {
    case .accept:
      connectionCount += 1
      return .accepted(EndpointConnection(self))
    case .refuse: return .refused
    case .silent: return .silent
    case .shortage: return .shortage
    }
  }

  fileprivate func execute(_ request: PlainMessage) {
    let name = String(request.target.dropFirst())
    executions[name, default: 0] += 1
    let wanted = PlainMessage.content(name, request.content.count)
    if let at = request.content.indices.first(where: { request.content[$0] != wanted[$0] }) {
      faults.append("content of \(name) is wrong at \(at) of \(wanted.count), \(request.fields)")
    }
  }

  fileprivate func fault(_ text: String) { faults.append(text) }
}

/// A connection to an endpoint. Requests come one at a time.
private final class EndpointConnection: SimulatedPeer {
  private let endpoint: SimulatedEndpoint
  private var input: [UInt8] = []
  private var isBusy = false
  private var servedCount = 0
  /// The answer was sent early, and the rest of the request is discarded.
  private var isRefusing = false
  /// The head of the incomplete request was examined.
  private var hasLooked = false
  private var isClosed = false

  init(_ endpoint: SimulatedEndpoint) { self.endpoint = endpoint }

  func received(_ bytes: [UInt8], on wire: Wire) {
    guard !isClosed, !isRefusing else { return }
    input += bytes
    switch PlainMessage.read(input, answers: nil) {
    case .incomplete: return
    case .wrong(let what): endpoint.fault(what)
    case .head(let request):
      guard !isBusy, !hasLooked else { return }
      hasLooked = true
      if endpoint.act(request) == .early {
        isRefusing = true
        answer(request, 413, on: wire, closes: true)
      } else if request.fields["expect"] != nil {
        wire.send(Array("HTTP/1.1 100 Continue\r\n\r\n".utf8))
      }
    case .whole(let request):
      if isBusy { endpoint.fault("a request before the answer to the last one") }
      input.removeFirst(request.count)
      if !input.isEmpty { endpoint.fault("bytes after a request") }
      isBusy = true
      servedCount += 1
      hasLooked = false
      endpoint.execute(request)
      let act = endpoint.act(request)
      endpoint.network.after(endpoint.delay()) {
        if !self.isClosed { self.perform(act, request, wire) }
      }
    }
  }

  func ended(_ wire: Wire) {
    isClosed = true
    wire.close()
  }

  func failed(_ wire: Wire) { isClosed = true }

  private func perform(_ act: EndpointAct, _ request: PlainMessage, _ wire: Wire) {
    switch act {
    case .answer: answer(request, 200, on: wire)
    case .answerThenCloseIdle:
      answer(request, 200, on: wire) {
        let pause = self.endpoint.network.between(.zero, .milliseconds(20))
        let served = self.servedCount
        self.endpoint.network.after(pause) { if self.servedCount == served { self.close(wire) } }
      }
    case .answerInChunks: answer(request, 200, on: wire, chunked: true)
    case .answerUntilClose: answer(request, 200, on: wire, length: false, closes: true)
    case .answerAndClose, .early: answer(request, 200, on: wire, closes: true)
    case .interims:
      wire.send(Array("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n".utf8))
      answer(request, 200, on: wire)
    case .unavailable: answer(request, 503, on: wire)
    case .failure: answer(request, 500, on: wire)
    case .silent: break
    case .closeBeforeHead: close(wire)
    case .resetBeforeHead: reset(wire)
    case .closeInHead, .resetInHead:
      wire.send(Array("HTTP/1.1 200 OK\r\nConte".utf8))
      act == .closeInHead ? close(wire) : reset(wire)
    case .closeInContent, .resetInContent:
      wire.send(Array(head(request, 200, size: 500, "Content-Length: 500\r\n").utf8))
      wire.send(PlainMessage.content(String(request.target.dropFirst()), 120))
      act == .closeInContent ? close(wire) : reset(wire)
    case .malformed: wire.send(Array("HTTP/1.1 abc\r\nContent-Length: x\r\n\r\n".utf8))
    case .surplus:
      answer(request, 200, on: wire) {
        let pause = self.endpoint.surplusPause()
        self.endpoint.network.after(pause) {
          wire.send(Array("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad".utf8))
        }
      }
    }
  }

  private func close(_ wire: Wire) {
    isClosed = true
    wire.close()
  }

  private func reset(_ wire: Wire) {
    isClosed = true
    wire.reset()
  }

  private func head(
    _ request: PlainMessage, _ status: Int, size: Int, _ framing: String
  ) -> String {
    "HTTP/1.1 \(status) X\r\nX-Request: \(request.target.dropFirst())\r\nX-Size: \(size)\r\n"
      + "X-By: \(endpoint.name)\r\n\(framing)\r\n"
  }

  private func answer(
    _ request: PlainMessage, _ status: Int, on wire: Wire, chunked: Bool = false,
    length: Bool = true, closes: Bool = false, then: @escaping () -> Void = {}
  ) {
    let size = endpoint.size()
    let content = PlainMessage.content(String(request.target.dropFirst()), size)
    var framing =
      chunked ? "Transfer-Encoding: chunked\r\n" : length ? "Content-Length: \(size)\r\n" : ""
    if closes { framing += "Connection: close\r\n" }
    var bytes = Array(head(request, status, size: size, framing).utf8)
    if request.method != "HEAD" {
      bytes += chunked ? PlainMessage.chunks(content, of: 900) : content
    }
    let piece = endpoint.network.one(of: bytes.count < 600 ? [3, 50, 1_000] : [1_000, 100_000])
    send(bytes[...], of: piece, on: wire) {
      if closes { self.close(wire) }
      then()
    }
  }

  /// Sends the bytes in pieces of this size, with pauses.
  private func send(
    _ bytes: ArraySlice<UInt8>, of piece: Int, on wire: Wire, then: @escaping () -> Void
  ) {
    guard !isClosed else { return }
    let rest = bytes.dropFirst(piece)
    if rest.isEmpty { isBusy = false }
    wire.send(Array(bytes.prefix(piece)))
    if rest.isEmpty {
      then()
      return
    }
    endpoint.network.after(endpoint.network.between(.zero, .milliseconds(2))) {
      self.send(rest, of: piece, on: wire, then: then)
    }
  }
}
