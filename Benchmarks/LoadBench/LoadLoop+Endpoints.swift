// The endpoints' side: requests in, answers out, one after another on a connection. A request that
// comes before the last one is answered waits in the kernel; pipelining is refused.
// HOT PATH: no lock, no existential; heads are parsed only where they differ from the last one.
import CSystem
import HTTP

extension LoadLoop {
  mutating func accept(_ listener: Int32) {
    for _ in 0..<64 {
      let fd = Sockets.accept(listener)
      guard fd >= 0 else { return }
      guard admit(fd, .endpoint, .head) else { continue }
      peers[Int(fd)].number = peers[Int(listener)].number
    }
  }

  mutating func readRequest(_ fd: Int32) {
    let peer = peers + Int(fd)
    for _ in 0..<Self.readsMax {
      if peer.pointee.phase == .answering {
        // Whoever asked is gone.
        if peer.pointee.hasHangup { return drop(fd) }
        peer.pointee.isUnread = true
        return
      }
      let isLong = peer.pointee.phase == .counted && peer.pointee.left > Self.scratchCount
      let wanted = isLong ? peer.pointee.left : Self.scratchCount
      let count = isLong ? Sockets.discard(fd, wanted) : sy_recv(fd, scratch, wanted)
      guard count > 0 else {
        if count != -Int(EAGAIN) { drop(fd) }
        return
      }
      if isLong {
        peer.pointee.left -= count
        if peer.pointee.left == 0 { answer(fd) }
      } else if !takeRequest(fd, UnsafeRawBufferPointer(start: scratch, count: count)) {
        return drop(fd)
      }
      guard peer.pointee.kind == .endpoint else { return }
      if count < wanted, !peer.pointee.hasHangup { return }
    }
    poller.again(fd)
  }

  /// Takes bytes of requests. False where they are none.
  private mutating func takeRequest(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) -> Bool {
    let peer = peers + Int(fd)
    var offset = 0
    while offset < bytes.count {
      let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
      switch peer.pointee.phase {
      case .head:
        guard let used = takeRequestHead(fd, rest) else { return false }
        offset += used
      case .counted:
        let count = min(peer.pointee.left, rest.count)
        offset += count
        peer.pointee.left -= count
        if peer.pointee.left == 0 { answer(fd) }
      case .chunked:
        switch peer.pointee.content.next(bytes, &offset) {
        case .complete: answer(fd)
        case .malformed: return false
        case .content, .more: break
        }
      default: return false
      }
      guard peer.pointee.kind == .endpoint else { return true }
    }
    return true
  }

  /// How many of the bytes belong to the head; nil where they cannot.
  private mutating func takeRequestHead(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) -> Int? {
    let peer = peers + Int(fd)
    if peer.pointee.stashCount == 0 {
      let known = endpoints.known.match(bytes)
      if known > 0 {
        beginRequest(fd, endpoints.known.plan)
        return known
      }
    }
    let before = peer.pointee.stashCount
    guard let all = gathered(fd, bytes) else { return nil }
    var head = RequestHead()
    switch endpoints.parser.parse(all, into: &head) {
    case .incomplete:
      if before == 0, !stash(fd, bytes) { return nil }
      return bytes.count
    case .rejected: return nil
    case .complete: break
    }
    let plan = endpoints.plan(head, all)
    if plan.rendered != nil {
      endpoints.known.learn(UnsafeRawBufferPointer(rebasing: all[..<head.end]), plan)
    }
    let used = head.end - before
    unstash(fd)
    beginRequest(fd, plan)
    return used
  }

  private mutating func beginRequest(_ fd: Int32, _ plan: RequestPlan) {
    let peer = peers + Int(fd)
    peer.pointee.request = plan
    peer.pointee.startedAt = now
    // A scrape or a probe is no load.
    if plan.answer != .metrics, plan.answer != .health {
      peer.pointee.isRunning = true
      endpoints.begin(peer.pointee.number)
    }
    switch plan.framing {
    case .none, .untilClose: answer(fd)
    case .length(let count):
      peer.pointee.phase = .counted
      peer.pointee.left = count
    case .chunked:
      peer.pointee.phase = .chunked
      peer.pointee.content = ContentReader(.chunked)
    }
  }

  /// The request is complete.
  private mutating func answer(_ fd: Int32) {
    let peer = peers + Int(fd)
    peer.pointee.phase = .answering
    if let rendered = peer.pointee.request.rendered {
      let isHead = peer.pointee.request.isHead
      peer.pointee.out = rendered.start
      peer.pointee.outCount = isHead ? rendered.headCount : rendered.count
      peer.pointee.fill = isHead ? 0 : rendered.fill
      flushAnswer(fd)
      return
    }
    switch peer.pointee.request.answer {
    case .stream(let tokens, _, let fields):
      peer.pointee.tokensLeft = tokens
      sendStreamHead(fd, fields: fields)
    default:
      let page = endpoints.metricsPage(
        peer.pointee.number, isPersistent: peer.pointee.request.isPersistent)
      page.withUnsafeBytes { sendOwned(fd, $0) }
      flushAnswer(fd)
    }
  }

  /// Makes a copy of the bytes what is to be sent next. Nothing else may wait.
  mutating func sendOwned(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) {
    let peer = peers + Int(fd)
    guard let base = bytes.baseAddress, let copy = malloc(bytes.count) else { return }
    copy.copyMemory(from: base, byteCount: bytes.count)
    peer.pointee.owned = copy
    peer.pointee.out = UnsafeRawPointer(copy)
    peer.pointee.outCount = bytes.count
  }

  /// Sends what the kernel takes; what is left goes when it takes more.
  mutating func flushAnswer(_ fd: Int32) {
    switch push(fd) {
    case .waits: return
    case .failed: drop(fd)
    case .sent: if peers[Int(fd)].tokensLeft == 0 { finishAnswer(fd) }
    }
  }

  private mutating func finishAnswer(_ fd: Int32) {
    let peer = peers + Int(fd)
    guard peer.pointee.request.isPersistent else { return drop(fd) }
    if peer.pointee.isRunning { endpoints.end(peer.pointee, at: now) }
    peer.pointee.isRunning = false
    peer.pointee.phase = .head
    if peer.pointee.isUnread || peer.pointee.hasHangup {
      peer.pointee.isUnread = false
      poller.again(fd)
    }
  }
}
