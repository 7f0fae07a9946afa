// The clients' side: connect, ask, read the answer to its end. What follows from that is the
// run's (`+Drive`, `+Stream`, `+Idle`).
// HOT PATH: no allocation, no lock, no existential; heads are parsed only where they differ from
// the last one.
import CSystem
import HTTP

extension LoadLoop {
  /// Begins to connect; the first request follows. False where the kernel refuses.
  mutating func openClient(_ kind: Peer.Kind, startedAt: Int64) -> Bool {
    let fd = Sockets.connect(&clients.target)
    guard fd >= 0 else {
      clients.connectCode = -fd
      return false
    }
    guard admit(fd, kind, .connecting) else {
      clients.connectCode = EMFILE
      return false
    }
    peers[Int(fd)].startedAt = startedAt
    clients.connectingCount += 1
    return true
  }

  mutating func finishConnecting(_ event: Poller.Event) {
    let peer = peers + Int(event.fd)
    if event.isError {
      let code = sy_socket_error(event.fd)
      clients.connectCode = code == 0 ? ECONNREFUSED : code
      return failClient(event.fd, .connect)
    }
    guard event.isWritable else { return }
    clients.connectingCount -= 1
    peer.pointee.phase = .free
    switch peer.pointee.kind {
    case .drive: driveConnected(event.fd)
    default: beginRequest(event.fd, startedAt: peer.pointee.startedAt)
    }
    if event.isReadable, peer.pointee.kind != .none { readAnswer(event.fd) }
  }

  /// Sends a request on a connection without one.
  mutating func beginRequest(_ fd: Int32, startedAt: Int64) {
    let peer = peers + Int(fd)
    peer.pointee.phase = .head
    peer.pointee.startedAt = startedAt
    peer.pointee.out = UnsafeRawPointer(clients.request.baseAddress)
    peer.pointee.outCount = clients.request.count
    peer.pointee.fill = clients.upload
    flushRequest(fd)
  }

  mutating func flushRequest(_ fd: Int32) {
    guard case .failed = push(fd) else { return }
    // An early answer may lie in the kernel.
    peers[Int(fd)].outCount = 0
    peers[Int(fd)].fill = 0
    peers[Int(fd)].hasHangup = true
    poller.again(fd)
  }

  mutating func readAnswer(_ fd: Int32) {
    let peer = peers + Int(fd)
    let use = peer.pointee.use
    for _ in 0..<Self.readsMax {
      let isLong = peer.pointee.phase == .counted && peer.pointee.left > Self.scratchCount
      let wanted = isLong ? peer.pointee.left : Self.scratchCount
      let count = isLong ? Sockets.discard(fd, wanted) : sy_recv(fd, scratch, wanted)
      guard count > 0 else {
        if count != -Int(EAGAIN) { endOfAnswers(fd) }
        return
      }
      if peer.pointee.kind == .drive { clients.bytesDown += count }
      if isLong {
        peer.pointee.left -= count
        if peer.pointee.left == 0 { completeAnswer(fd) }
      } else if !takeAnswer(fd, UnsafeRawBufferPointer(start: scratch, count: count)) {
        return failClient(fd, .malformed)
      }
      guard peer.pointee.use == use else { return }
      if count < wanted, !peer.pointee.hasHangup { return }
    }
    poller.again(fd)
  }

  private mutating func endOfAnswers(_ fd: Int32) {
    if peers[Int(fd)].phase == .untilClose {
      peers[Int(fd)].answer.isPersistent = false
      completeAnswer(fd)
    } else {
      failClient(fd, .cut)
    }
  }

  /// Takes bytes of an answer. False where they cannot be.
  private mutating func takeAnswer(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) -> Bool {
    let peer = peers + Int(fd)
    let use = peer.pointee.use
    var offset = 0
    while offset < bytes.count {
      switch peer.pointee.phase {
      case .head:
        let rest = UnsafeRawBufferPointer(rebasing: bytes[offset...])
        guard let used = takeAnswerHead(fd, rest) else { return false }
        offset += used
      case .counted:
        let count = min(peer.pointee.left, bytes.count - offset)
        offset += count
        peer.pointee.left -= count
        // One request at a time: nothing can follow its answer.
        if peer.pointee.left == 0, offset < bytes.count { return false }
        if peer.pointee.left == 0 { completeAnswer(fd) }
      case .chunked:
        let start = offset
        switch peer.pointee.content.next(bytes, &offset) {
        case .complete:
          if offset < bytes.count { return false }
          completeAnswer(fd)
        case .malformed: return false
        case .content(let count):
          guard peer.pointee.kind == .stream else { break }
          assert(offset - count >= start)
          let content = UnsafeRawBufferPointer(rebasing: bytes[offset - count..<offset])
          if !takeTokens(fd, content) { return false }
        case .more: break
        }
      case .untilClose: offset = bytes.count
      case .free, .connecting, .answering:
        // What nobody asked for: an error page before the other side closes.
        return peer.pointee.kind == .parting
      }
      guard peer.pointee.use == use else { return true }
    }
    return true
  }

  /// How many of the bytes belong to the head; nil where they cannot.
  private mutating func takeAnswerHead(_ fd: Int32, _ bytes: UnsafeRawBufferPointer) -> Int? {
    let peer = peers + Int(fd)
    if peer.pointee.stashCount == 0 {
      let known = clients.known.match(bytes)
      if known > 0 {
        beginAnswer(fd, clients.known.plan, isAll: known == bytes.count)
        return known
      }
    }
    let before = peer.pointee.stashCount
    guard let all = gathered(fd, bytes) else { return nil }
    var head = ResponseHead()
    switch clients.parser.parse(all, answering: .get, into: &head) {
    case .incomplete:
      if before == 0, !stash(fd, bytes) { return nil }
      return bytes.count
    case .rejected: return nil
    case .complete: break
    }
    let used = head.end - before
    let plan = AnswerPlan(
      status: head.status, framing: head.framing, isPersistent: head.isPersistent)
    if head.status == 200, before == 0 {
      clients.known.learn(UnsafeRawBufferPointer(rebasing: all[..<head.end]), plan)
    }
    unstash(fd)
    // 100 and its like: the answer is still to come.
    if !head.isInterim { beginAnswer(fd, plan, isAll: used == bytes.count) }
    return used
  }

  private mutating func beginAnswer(_ fd: Int32, _ plan: AnswerPlan, isAll: Bool) {
    let peer = peers + Int(fd)
    peer.pointee.answer = plan
    switch plan.framing {
    case .none:
      // Bytes behind an answer without content are found by the caller: nobody asked for them.
      completeAnswer(fd)
    case .length(let count):
      peer.pointee.phase = .counted
      peer.pointee.left = count
    case .chunked:
      peer.pointee.phase = .chunked
      peer.pointee.content = ContentReader(.chunked)
    case .untilClose: peer.pointee.phase = .untilClose
    }
  }

  private mutating func completeAnswer(_ fd: Int32) {
    peers[Int(fd)].phase = .free
    switch peers[Int(fd)].kind {
    case .drive: driveCompleted(fd)
    case .stream: streamCompleted(fd)
    case .idle: idleCompleted(fd)
    default: drop(fd)
    }
  }

  /// A connection is of no use any more.
  mutating func failClient(_ fd: Int32, _ kind: ErrorTally.Kind) {
    let peer = peers[Int(fd)]
    if peer.phase == .connecting { clients.connectingCount -= 1 }
    drop(fd)
    switch peer.kind {
    case .drive: driveFailed(peer, fd, kind)
    case .stream: streamFailed(kind)
    case .idle: idleFailed(peer)
    case .parting: clients.partingCount -= 1
    default: break
    }
  }

  /// Closes all connections of a kind. Running exchanges are given up.
  mutating func dropAll(_ kind: Peer.Kind) -> Int {
    var count = 0
    for fd in 0..<Int32(poller.capacity) where peers[Int(fd)].kind == kind {
      if peers[Int(fd)].phase == .connecting { clients.connectingCount -= 1 }
      if kind == .parting { clients.partingCount -= 1 }
      drop(fd)
      count += 1
    }
    return count
  }
}
