// A client of a simulated worker. It sends its requests one after the other or all at once, may
// stop reading, may leave, and notes the result of each request.
import Primitives

/// A request and the way in which it is sent.
struct ClientRequestPlan {
  var name: String
  var method = "GET"
  var contentCount = 0
  var isChunked = false
  var expectsContinue = false
  var version = "1.1"
  var fields = ""

  var head: [UInt8] {
    var text = "\(method) /\(name) HTTP/\(version)\r\nHost: a\r\n\(fields)"
    if expectsContinue { text += "Expect: 100-continue\r\n" }
    if isChunked {
      text += "Transfer-Encoding: chunked\r\n"
    } else if contentCount > 0 {
      text += "Content-Length: \(contentCount)\r\n"
    }
    return Array((text + "\r\n").utf8)
  }

  var content: [UInt8] {
    let content = PlainMessage.content(name, contentCount)
    return isChunked ? PlainMessage.chunks(content, of: 700) : content
  }
}

/// The result of a request.
enum ClientResult: Equatable {
  case answered(status: Int, by: String?)
  /// Steelyard's own answer, with its reason.
  case refused(status: Int, reason: String)
  /// The connection ended before the answer was complete.
  case cut
}

final class SimulatedClient: SimulatedPeer {
  let plans: [ClientRequestPlan]
  var isPipelining = false
  /// The size of the pieces that the client sends, bytes, with a pause after each.
  var pieceCount = Int.max
  var piecePause = Nanoseconds.zero
  /// The time between connecting and leaving; nil: the client stays.
  var leavesAfter: Nanoseconds?
  var leavesByReset = false
  /// The time for which the client stops reading after its first bytes.
  var readPause = Nanoseconds.zero
  private(set) var results: [ClientResult] = []
  /// Received bytes that answer no request.
  private(set) var faults: [String] = []
  private(set) var isDone = false
  private(set) var doneAt = Nanoseconds.zero
  var done: () -> Void = {}
  private var input: [UInt8] = []
  private var output: [UInt8] = []
  private var sentCount = 0
  private var hasContinued = false
  private var hasPaused = false

  init(_ plans: [ClientRequestPlan]) { self.plans = plans }

  func opened(_ wire: Wire) {
    if let leavesAfter {
      wire.network.after(leavesAfter) { self.leave(wire) }
    }
    for _ in 0..<(isPipelining ? plans.count : 1) { sendNext(wire) }
  }

  private func leave(_ wire: Wire) {
    guard !isDone else { return }
    if leavesByReset { wire.reset() } else { wire.close() }
    end(wire)
  }

  private func sendNext(_ wire: Wire) {
    guard sentCount < plans.count else { return }
    let plan = plans[sentCount]
    sentCount += 1
    hasContinued = false
    if plan.expectsContinue {
      send(plan.head, on: wire)
      // A client must not wait forever for "100 Continue" (RFC 9110 §10.1.1), so the content is
      // sent after 800 ms.
      let number = sentCount
      wire.network.after(.milliseconds(800)) {
        if self.results.count < number { self.sendContent(plan, wire) }
      }
    } else {
      send(plan.head + plan.content, on: wire)
    }
  }

  private func sendContent(_ plan: ClientRequestPlan, _ wire: Wire) {
    guard !hasContinued, !isDone else { return }
    hasContinued = true
    send(plan.content, on: wire)
  }

  private func send(_ bytes: [UInt8], on wire: Wire) {
    let isSending = !output.isEmpty
    output += bytes
    if !isSending { sendPiece(wire) }
  }

  private func sendPiece(_ wire: Wire) {
    guard !isDone, !output.isEmpty else { return }
    let piece = Array(output.prefix(pieceCount))
    wire.send(piece)
    wire.network.after(piecePause) {
      self.output.removeFirst(piece.count)
      self.sendPiece(wire)
    }
  }

  func received(_ bytes: [UInt8], on wire: Wire) {
    guard !isDone else { return }
    input += bytes
    if readPause > .zero, !hasPaused {
      hasPaused = true
      wire.setReading(false)
      wire.network.after(readPause) { if !self.isDone { wire.setReading(true) } }
    }
    while !isDone, results.count < sentCount, take(wire, isEnded: false) {}
    if results.count >= sentCount, !input.isEmpty {
      faults.append("nobody asked for \(String(decoding: input.prefix(60), as: UTF8.self))")
    }
  }

  func ended(_ wire: Wire) {
    guard !isDone else { return }
    _ = take(wire, isEnded: true)
    wire.close()
    end(wire)
  }

  func failed(_ wire: Wire) { end(wire) }

  /// Takes the next answer if it is complete.
  private func take(_ wire: Wire, isEnded: Bool) -> Bool {
    guard results.count < sentCount else { return false }
    let plan = plans[results.count]
    switch PlainMessage.read(input, answers: plan.method) {
    case .incomplete: return false
    case .wrong(let what):
      faults.append(what)
      input = []
      return false
    case .head(let message):
      guard isEnded, message.isOpenEnded else { return false }
      return take(message, plan, wire)
    case .whole(let message): return take(message, plan, wire)
    }
  }

  private func take(_ message: PlainMessage, _ plan: ClientRequestPlan, _ wire: Wire) -> Bool {
    input.removeFirst(message.count)
    if message.status < 200 {
      if message.status == 100, plan.expectsContinue { sendContent(plan, wire) }
      return true
    }
    wire.network.note(UInt64(message.status))
    if let name = message.fields["x-request"] {
      if name != plan.name { faults.append("the answer to \(name) for \(plan.name)") }
      let expected =
        plan.method == "HEAD" ? [] : PlainMessage.content(name, Int(message.fields["x-size"]!)!)
      if message.content != expected { faults.append("wrong content for \(plan.name)") }
      results.append(.answered(status: message.status, by: message.fields["x-by"]))
    } else {
      let reason = String(decoding: message.content, as: UTF8.self)
        .split(separator: "\"").drop { $0 != "type" }.dropFirst(2).first
      results.append(.refused(status: message.status, reason: reason.map(String.init) ?? "none"))
    }
    if results.count == plans.count || message.fields["connection"] == "close" {
      wire.close()
      end(wire)
    } else if !isPipelining {
      sendNext(wire)
    }
    return true
  }

  private func end(_ wire: Wire) {
    guard !isDone else { return }
    isDone = true
    doneAt = wire.network.now
    while results.count < plans.count { results.append(.cut) }
    done()
  }
}
