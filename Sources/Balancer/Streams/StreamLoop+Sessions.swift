// Connections of HTTP/2: their beginning, their deadlines and their end. A connection ends in two
// steps, so that no stream of the peer is lost: GOAWAY with the highest number, then, a round trip
// later, GOAWAY with the last stream that is processed (RFC 9113 §6.8).
// Invariant: a session's connection is closed by the worker alone, which is told of its end once
// all its streams have failed or are closed.
// HOT PATH: no allocation, no lock, no existential, no clock.
import HTTP
import IO
import Primitives

extension StreamLoop where Base: ~Copyable {
  /// The time for the peer to answer the first GOAWAY, and to read the last.
  private static var goodbyeTime: Nanoseconds { .seconds(1) }

  /// Makes a connection one of HTTP/2. `received`: bytes of the peer that were already read.
  /// Returns false if memory is short.
  mutating func beginSession(
    _ id: ConnectionID, isClient: Bool, limits: SessionLimits, received: UnsafeRawBufferPointer
  ) -> Bool {
    guard let coder = HeadCoder(memory) else { return false }
    let index = Int(id.index)
    let window = (limits.streamsMax + 8) * Self.streamWindow
    (sessions + index).initialize(
      to: Session(
        id, coder: coder, isClient: isClient, limits: limits, receiveWindow: window,
        now: base.now))
    isSession[index] = true
    isInUse = true
    sessionCount += 1
    if !isClient { clientSessionCount += 1 }
    metrics.countConnection(worker: workerIndex, isClient ? .endpoint : .client)
    let session = sessions + index
    session.pointee.isSecure = base.isSecure(id)
    session.pointee.isConnecting = isClient
    base.setReadLimit(id, IOLoop.readMax)
    base.setPaused(id, false)
    base.setDeadline(id, nil)
    if isClient {
      writePreface(index)
    } else {
      session.pointee.prefaceLeft = UInt8(ConnectionPreface.byteCount)
    }
    writeSettings(index)
    var word = UInt32(truncatingIfNeeded: window - Self.streamWindow).bigEndian
    withUnsafeBytes(of: &word) {
      _ = write(index, FrameHeader(length: 4, type: .windowUpdate), $0)
    }
    schedule(index)
    if let source = received.baseAddress, !received.isEmpty {
      let start = early + IOLoop.headroom
      start.copyMemory(from: source, byteCount: received.count)
      parsing = index
      cursor = start
      cursorEnd = start + received.count
      isBusy = true
    }
    return true
  }

  private mutating func writePreface(_ index: Int) {
    let room = takeRoom()
    room.copyMemory(
      from: ConnectionPreface.text.utf8Start, byteCount: ConnectionPreface.byteCount)
    sessions[index].output = HeldBytes(block: room, end: ConnectionPreface.byteCount)
  }

  private mutating func writeSettings(_ index: Int) {
    let session = sessions + index
    withUnsafeTemporaryAllocation(byteCount: 12, alignment: 4) { room in
      guard let base = room.baseAddress else { return }
      func set(_ slot: Int, _ setting: Setting, _ value: Int) {
        base.storeBytes(
          of: setting.rawValue.bigEndian, toByteOffset: slot * 6, as: UInt16.self)
        base.storeBytes(
          of: UInt32(truncatingIfNeeded: value).bigEndian, toByteOffset: slot * 6 + 2,
          as: UInt32.self)
      }
      if session.pointee.isClient {
        set(0, .enablePush, 0)
      } else {
        set(0, .concurrentStreamsMax, session.pointee.limits.streamsMax)
      }
      set(1, .headerListSizeMax, Self.fieldListMax)
      write(index, FrameHeader(length: 12, type: .settings), UnsafeRawBufferPointer(room))
    }
  }

  // MARK: Events of the connection

  mutating func sessionEvent(_ index: Int, _ event: IOEvent) -> IOEvent? {
    let session = sessions + index
    switch event.kind {
    case .received:
      if session.pointee.isClosing { return nil }
      session.pointee.receivedAt = base.now
      parsing = index
      let bytes = base.received
      guard let start = bytes.baseAddress else { return nil }
      cursor = start
      cursorEnd = start + bytes.count
      isBusy = true
      return parse()
    case .connected:
      session.pointee.isConnecting = false
      session.pointee.startedAt = base.now
      forEachStream(index) {
        $0.slab.streams[$1].isConnectedDue = true; $0.enqueue($1)
      }
      schedule(index)
      return event
    case .drained:
      session.pointee.isBlocked = false
      if session.pointee.isHeldBack {
        session.pointee.isHeldBack = false
        session.pointee.readDueAt = .distantFuture
        base.setPaused(session.pointee.connection, false)
      }
      pump(index)
      return nil
    case .timeout: return timedOut(index, event)
    case .eof, .hangup, .failed:
      failStreams(
        index, errno: event.kind == .failed ? event.value : 0,
        base.tlsFailure(session.pointee.connection).map { .tls($0) } ?? .cut)
      session.pointee.isClosing = true
      return IOEvent(.eof, event.id, tag: event.tag, value: event.value)
    case .none, .accepted, .moved, .timer, .woken: return nil
    }
  }

  private mutating func timedOut(_ index: Int, _ event: IOEvent) -> IOEvent? {
    let session = sessions + index
    let now = base.now
    if session.pointee.isClosing || session.pointee.isConnecting {
      guard session.pointee.dueAt <= now else {
        schedule(index)
        return nil
      }
      failStreams(index, errno: 0)
      session.pointee.isClosing = true
      return IOEvent(.eof, event.id, tag: event.tag)
    }
    if session.pointee.fragmentDueAt <= now {
      session.pointee.fragmentDueAt = .distantFuture
      session.pointee.mayFragment = true
      pump(index)
      session.pointee.mayFragment = false
    }
    if session.pointee.settingsDueAt <= now {
      endSession(index, .settingsTimeout)
    } else if session.pointee.headDueAt <= now {
      endSession(index, .headTimeout)
    } else if session.pointee.readDueAt <= now {
      endSession(index, .unreadFlood)
    } else if session.pointee.ending == .announced, session.pointee.endsAt <= now {
      finishAnnounced(index)
    } else if session.pointee.pingDueAt <= now {
      endSession(index, .pingTimeout)
    } else if session.pointee.idleDueAt <= now {
      endIdle(index)
    } else if session.pointee.silenceDueAt <= now {
      // If the client is gone, its endpoints can stop working for it.
      askPeer(index)
    }
    schedule(index)
    return nil
  }

  private mutating func endIdle(_ index: Int) {
    if sessions[index].ending == .none {
      sessions[index].end = .idle
      writeGoAway(index, .noError)
    }
    close(sessionAt: index)
  }

  /// Asks the peer to answer in time, or the connection is ended.
  private mutating func askPeer(_ index: Int) {
    sessions[index].pingedAt = base.now
    writePing(index)
    schedule(index)
  }

  private mutating func writePing(_ index: Int) {
    var payload: UInt64 = 0
    withUnsafeBytes(of: &payload) {
      _ = write(index, FrameHeader(length: 8, type: .ping), $0)
    }
  }

  /// Asks an endpoint that has said nothing on the connection since a request was sent that was not
  /// answered in time: other requests should not meet a dead connection.
  mutating func ask(_ id: ConnectionID, silentSince: Nanoseconds) {
    guard isStream(id), let index = session(of: stream(id)),
      sessions[index].receivedAt <= silentSince, !sessions[index].isPingOpen
    else { return }
    askPeer(index)
  }

  /// Makes the connection's deadline sooner if something is due before it. One that is too soon
  /// does no harm: what is due is computed when it passes.
  mutating func schedule(_ index: Int) {
    let due = sessions[index].dueAt
    let connection = sessions[index].connection
    if due < base.deadline(connection) { base.setDeadline(connection, due) }
  }

  /// A frame or a head is incomplete: the rest has to come in time.
  mutating func setHeadDeadline(_ index: Int) {
    guard sessions[index].headDueAt == .distantFuture else { return }
    sessions[index].headDueAt = base.now + sessions[index].limits.head
    schedule(index)
  }

  mutating func clearHeadDeadline(_ index: Int) {
    if sessions[index].blockNumber == 0 { sessions[index].headDueAt = .distantFuture }
  }

  // MARK: The end

  /// Asks the peer to open no more streams on the connection, and ends it after those that it has.
  mutating func drainSession(_ id: ConnectionID, _ reason: StreamMetrics.End) {
    let index = Int(id.index)
    guard isSession[index], sessions[index].ending == .none, !sessions[index].isClosing else {
      return
    }
    sessions[index].end = reason
    if sessions[index].isClient {
      sessions[index].ending = .final
      if sessions[index].openCount == 0 { close(sessionAt: index) }
      return
    }
    sessions[index].ending = .announced
    sessions[index].endsAt = base.now + Self.goodbyeTime
    writeGoAway(index, .noError, last: Int32.max)
    writePing(index)
    schedule(index)
  }

  /// A connection that is old, or has had many requests, is renewed, so that the client's streams
  /// spread again over all workers.
  mutating func renewIfOld(_ index: Int) {
    let session = sessions + index
    guard session.pointee.ending == .none else { return }
    let isOld =
      session.pointee.limits.ageMax.map { base.now - session.pointee.startedAt >= $0 } ?? false
    let isUsedUp =
      session.pointee.limits.requestsMax.map { session.pointee.requestCount >= $0 } ?? false
    if isOld || isUsedUp {
      drainSession(session.pointee.connection, isOld ? .maxAge : .maxRequests)
    }
  }

  /// The answer to the PING after the first GOAWAY: streams opened before it have come.
  mutating func pingAnswered(_ index: Int) {
    if sessions[index].ending == .announced { finishAnnounced(index) }
  }

  private mutating func finishAnnounced(_ index: Int) {
    sessions[index].ending = .final
    sessions[index].endsAt = .distantFuture
    writeGoAway(index, .noError)
    if sessions[index].openCount == 0 { close(sessionAt: index) }
  }

  mutating func goAwayReceived(
    _ index: Int, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
  ) -> StreamFault? {
    if header.stream != 0 { return .badStreamNumber }
    if header.length < 8 { return .badFrameSize }
    let last = Int32(
      truncatingIfNeeded: UInt32(bigEndian: payload.loadUnaligned(as: UInt32.self)) & 0x7FFF_FFFF)
    let session = sessions + index
    guard session.pointee.isClient else {
      // A client that goes opens no more streams; those that run are answered.
      return nil
    }
    session.pointee.ending = .final
    forEachStream(index) { loop, found in
      guard loop.slab.streams[found].number > last else { return }
      loop.failUntold(found, .unprocessed)
    }
    if session.pointee.openCount == 0 { close(sessionAt: index) }
    return nil
  }

  /// Ends the connection because of a violation: its streams fail, and the peer is told why.
  mutating func endSession(_ index: Int, _ fault: StreamFault) {
    guard !sessions[index].isClosing else { return }
    sessions[index].end = .fault(fault)
    writeGoAway(index, fault.code)
    // What does not begin with SETTINGS is another protocol.
    let isForeign = sessions[index].isClient && !sessions[index].hasSettings
    failStreams(index, errno: 0, isForeign ? .otherProtocol : .cut)
    close(sessionAt: index)
  }

  mutating func writeGoAway(_ index: Int, _ code: HTTP2Error, last: Int32? = nil) {
    var words = (
      UInt32(bitPattern: last ?? sessions[index].lastPeerNumber).bigEndian,
      code.rawValue.bigEndian
    )
    withUnsafeBytes(of: &words) {
      _ = write(index, FrameHeader(length: 8, type: .goAway), $0)
    }
  }

  /// Closes the connection once the peer has closed its side, or soon. Closing at once might reset
  /// it, and the last frames would be lost.
  mutating func close(sessionAt index: Int) {
    let session = sessions + index
    guard !session.pointee.isClosing else { return }
    session.pointee.isClosing = true
    session.pointee.ending = .final
    flush(index)
    base.setPaused(session.pointee.connection, false)
    base.finish(session.pointee.connection)
    session.pointee.endsAt = session.pointee.isClient ? base.now : base.now + Self.goodbyeTime
    schedule(index)
  }

  /// All streams of the connection fail.
  mutating func failStreams(_ index: Int, errno: Int, _ end: StreamEnd = .cut) {
    forEachStream(index) { loop, found in loop.failUntold(found, end, errno: errno) }
  }

  /// Lets all streams fail: the endpoint has chosen another protocol in the handshake. Nothing is
  /// sent any more.
  mutating func abandonSession(_ id: ConnectionID) {
    let index = Int(id.index)
    failStreams(index, errno: 0, .otherProtocol)
    sessions[index].isClosing = true
    if let block = sessions[index].output.block { rooms.give(block) }
    sessions[index].output = HeldBytes()
  }

  private mutating func forEachStream(
    _ index: Int, _ act: (inout StreamLoop<Base>, Int) -> Void
  ) {
    for bucket in 0..<Session.bucketCount {
      var link = sessions[index].head(ofBucket: bucket)
      while link > 0 {
        let found = Int(link) - 1
        link = slab.streams[found].next
        act(&self, found)
      }
    }
  }

  // MARK: Counts

  func side(_ index: Int) -> ConnectionSide {
    sessions[index].isClient ? .endpoint : .client
  }
  mutating func countStream(_ index: Int) {
    metrics.countStream(worker: workerIndex, side(index))
  }
  mutating func countReset(_ index: Int, _ reset: StreamMetrics.Reset) {
    metrics.countReset(worker: workerIndex, side(index), reset)
  }
}
