// The order `stream`: tokens on many connections at once, and how long each token took from the
// endpoint's send to the client's read. Endpoint's part and client's part.
import CSystem
import IO
import Primitives

extension LoadLoop {
  // MARK: Endpoint

  mutating func sendStreamHead(_ fd: Int32, fields: Bool) {
    let peer = peers + Int(fd)
    var head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
    head += fields ? Fields.answer : ""
    head += "Content-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
    if !peer.pointee.request.isPersistent { head += "Connection: close\r\n" }
    sendTokenBytes(fd, Array((head + "\r\n").utf8), dueAt: now)
  }

  mutating func sendToken(_ fd: Int32, dueAt: Int64) {
    let peer = peers + Int(fd)
    guard peer.pointee.tokensLeft > 0 else { return }
    if peer.pointee.outCount > 0 {
      // The other side reads too slowly: the token is stamped when it can go.
      dues.insert(Due(at: now + 1_000_000, fd: fd, use: peer.pointee.use))
      return
    }
    sendTokenBytes(fd, [], dueAt: dueAt)
  }

  private mutating func sendTokenBytes(_ fd: Int32, _ head: [UInt8], dueAt: Int64) {
    let peer = peers + Int(fd)
    guard case .stream(_, let interval, _) = peer.pointee.request.answer else { return }
    peer.pointee.tokensLeft -= 1
    endpoints.countToken(peer.pointee.number)
    let isLast = peer.pointee.tokensLeft == 0
    let chunk = endpoints.tokens.chunk(sentAt: sy_monotonic())
    if head.isEmpty, !isLast {
      let sent = sy_send(fd, chunk.baseAddress, chunk.count)
      if sent < 0, sent != -Int(EAGAIN) { return drop(fd) }
      if sent < chunk.count {
        sendOwned(fd, UnsafeRawBufferPointer(rebasing: chunk[max(0, sent)...]))
      }
    } else {
      var bytes = head
      bytes.append(contentsOf: chunk)
      if isLast { bytes.append(contentsOf: TokenText.last) }
      bytes.withUnsafeBytes { sendOwned(fd, $0) }
      let use = peer.pointee.use
      flushAnswer(fd)
      if peer.pointee.use != use { return }
    }
    if isLast { return }
    let next = dueAt + Int64(interval) * 1_000_000
    dues.insert(Due(at: next, fd: fd, use: peer.pointee.use))
  }

  // MARK: Client

  /// Runs it. Prints when all streams run, and what was measured.
  mutating func run(_ order: StreamOrder) {
    streams.begin(order)
    clients.aim(
      order.to, path: "/stream/\(order.tokens)/\(order.intervalMilliseconds)",
      fields: order.fields, upload: 0, isPersistent: true)
    let begun = sy_monotonic()
    let gap = order.rampSeconds * 1e9 / Double(order.streams)
    let length = Int64(order.tokens) * Int64(order.intervalMilliseconds) * 1_000_000
    let end = begun + Int64(order.rampSeconds * 1e9) + length + 10_000_000_000
    let cpu = Report.cpuSeconds()
    while streams.endedCount < order.streams, now < end {
      var next = end
      if streams.startedCount < order.streams {
        next = begun + Int64(Double(streams.startedCount) * gap)
      }
      turn(until: next)
      startStreams(begun: begun, gap: gap)
    }
    let cutOff = dropAll(.stream)
    for _ in 0..<cutOff { clients.errors.add(.short) }
    say(Report.stream(streams, clients.errors, cpuSeconds: Report.cpuSeconds() - cpu))
  }

  private mutating func startStreams(begun: Int64, gap: Double) {
    while streams.startedCount < streams.order.streams,
      begun + Int64(Double(streams.startedCount) * gap) <= now
    {
      streams.startedCount += 1
      if !openClient(.stream, startedAt: sy_monotonic()) { streamFailed(.connect) }
    }
  }

  /// Content of a stream, which may hold parts of events. False where it holds others.
  mutating func takeTokens(_ fd: Int32, _ content: UnsafeRawBufferPointer) -> Bool {
    let peer = peers + Int(fd)
    let instant = sy_monotonic()
    var bytes = content
    if peer.pointee.stashCount > 0 {
      guard stash(fd, content) else { return false }
      bytes = UnsafeRawBufferPointer(start: peer.pointee.stash, count: peer.pointee.stashCount)
    }
    var offset = 0
    while offset < bytes.count, let event = TokenReader.next(bytes, &offset) {
      switch event {
      case .malformed: return false
      case .done: break
      case .token(let sentAt): countToken(peer, sentAt: sentAt, at: instant)
      }
    }
    return keepRemainder(fd, bytes, offset)
  }

  private mutating func countToken(
    _ peer: UnsafeMutablePointer<Peer>, sentAt: Int64, at instant: Int64
  ) {
    streams.tokensAll += 1
    peer.pointee.tokensLeft += 1
    if streams.isMeasuring { streams.delays.record(instant - sentAt) }
    guard peer.pointee.tokensLeft == 1 else { return }
    streams.firstTokens.record(instant - peer.pointee.startedAt)
    streams.runningCount += 1
    if streams.runningCount == streams.order.streams, streams.endedCount == 0 {
      streams.isMeasuring = true
      streams.measuredFrom = instant
      say(Report.measuring)
    }
  }

  /// Keeps what comes after the last whole event.
  private mutating func keepRemainder(
    _ fd: Int32, _ bytes: UnsafeRawBufferPointer, _ offset: Int
  ) -> Bool {
    let peer = peers + Int(fd)
    let count = bytes.count - offset
    if peer.pointee.stashCount == 0 {
      return count == 0 || stash(fd, UnsafeRawBufferPointer(rebasing: bytes[offset...]))
    }
    if count == 0 {
      unstash(fd)
    } else if let base = bytes.baseAddress, let stash = peer.pointee.stash {
      memmove(stash, base + offset, count)
      peer.pointee.stashCount = count
    }
    return true
  }

  mutating func streamCompleted(_ fd: Int32) {
    let peer = peers[Int(fd)]
    drop(fd)
    if peer.answer.status != 200 {
      clients.errors.add(status: peer.answer.status)
    } else if peer.tokensLeft != streams.order.tokens {
      clients.errors.add(.short)
    }
    endStream()
  }

  mutating func streamFailed(_ kind: ErrorTally.Kind) {
    clients.errors.add(kind)
    endStream()
  }

  private mutating func endStream() {
    streams.endedCount += 1
    guard streams.isMeasuring else { return }
    streams.isMeasuring = false
    streams.measuredTo = now
  }
}
