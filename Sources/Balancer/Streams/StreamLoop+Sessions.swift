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
    if isClient {
      writePreface(index)
    } else {
      session.pointee.prefaceLeft = 24
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
    let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    let session = sessions + index
    guard let room = rooms.take() else { return }
    room.copyMemory(from: preface.utf8Start, byteCount: preface.utf8CodeUnitCount)
    session.pointee.output = HeldBytes(block: room, end: preface.utf8CodeUnitCount)
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
      forEachStream(index) {
        $0.slab.streams[$1].isConnectedDue = true; $0.enqueue($1)
      }
      schedule(index)
      return event
    case .drained:
      session.pointee.isBlocked = false
      if session.pointee.isHeldBack {
        session.pointee.isHeldBack = false
        base.setPaused(session.pointee.connection, false)
      }
      pump(index)
      return nil
    case .timeout: return timedOut(index, event)
    case .eof, .hangup, .failed:
      failStreams(index, errno: event.kind == .failed ? event.value : 0)
      session.pointee.isClosing = true
      return IOEvent(.eof, event.id, tag: event.tag, value: event.value)
    case .none, .accepted, .moved, .timer, .woken: return nil
    }
  }

  private mutating func timedOut(_ index: Int, _ event: IOEvent) -> IOEvent? {
    let session = sessions + index
    if session.pointee.isClosing || session.pointee.isConnecting {
      failStreams(index, errno: 0)
      session.pointee.isClosing = true
      return IOEvent(.eof, event.id, tag: event.tag)
    }
    if session.pointee.isFragmentDue {
      session.pointee.isFragmentDue = false
      session.pointee.mayFragment = true
      pump(index)
      session.pointee.mayFragment = false
      schedule(index)
    } else if !session.pointee.hasSettings {
      endSession(index, .settingsTimeout)
    } else if session.pointee.hasHeadDeadline {
      endSession(index, .headTimeout)
    } else if session.pointee.ending == .announced {
      finishAnnounced(index)
    } else if session.pointee.pingedAt != .zero {
      if session.pointee.receivedAt < session.pointee.pingedAt {
        endSession(index, .pingTimeout)
      } else {
        session.pointee.pingedAt = .zero
        schedule(index)
      }
    } else if session.pointee.openCount == 0 {
      if session.pointee.ending == .none {
        session.pointee.end = .idle
        writeGoAway(index, .noError)
      }
      session.pointee.ending = .final
      close(sessionAt: index)
    } else {
      askSilent(index)
    }
    return nil
  }

  /// The silence of a client with open streams after which it is asked whether it is there.
  private static var pingInterval: Nanoseconds { .seconds(30) }
  /// The time for the answer to a PING.
  private static var pingTimeout: Nanoseconds { .seconds(5) }

  /// Asks a client that is silent while its requests run: if it is gone, its endpoints can stop
  /// working for it.
  private mutating func askSilent(_ index: Int) {
    if sessions[index].receivedAt + Self.pingInterval > base.now {
      schedule(index)
    } else {
      askPeer(index)
    }
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
      sessions[index].receivedAt <= silentSince, sessions[index].pingedAt == .zero
    else { return }
    askPeer(index)
  }

  /// The time for which the last bytes of a window are left for frames of more bytes.
  private static var fragmentTime: Nanoseconds { .milliseconds(50) }

  /// Sets the connection's deadline by its state.
  mutating func schedule(_ index: Int) {
    let session = sessions + index
    let deadline: Nanoseconds?
    if session.pointee.isClosing || session.pointee.ending == .announced {
      deadline = session.pointee.endsAt
    } else if !session.pointee.hasSettings {
      deadline = base.now + session.pointee.limits.head
    } else if session.pointee.pingedAt != .zero {
      deadline = session.pointee.pingedAt + Self.pingTimeout
    } else if session.pointee.openCount == 0 {
      deadline = base.now + session.pointee.limits.idle
    } else if session.pointee.isClient {
      // Servers of gRPC take offence at a PING that no data explains.
      deadline = nil
    } else {
      deadline = session.pointee.receivedAt + Self.pingInterval
    }
    session.pointee.hasHeadDeadline = false
    let soon =
      session.pointee.isFragmentDue
      ? min(deadline ?? .distantFuture, base.now + Self.fragmentTime) : deadline
    base.setDeadline(session.pointee.connection, soon)
  }

  /// A frame or a head is incomplete: the rest has to come in time.
  mutating func setHeadDeadline(_ index: Int) {
    let session = sessions + index
    guard session.pointee.hasSettings, !session.pointee.hasHeadDeadline,
      session.pointee.ending != .announced
    else { return }
    session.pointee.hasHeadDeadline = true
    base.setDeadline(session.pointee.connection, base.now + session.pointee.limits.head)
  }

  mutating func clearHeadDeadline(_ index: Int) {
    guard sessions[index].hasHeadDeadline, sessions[index].blockNumber == 0 else { return }
    schedule(index)
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
    writeGoAway(index, .noError)
    if sessions[index].openCount == 0 { close(sessionAt: index) } else { schedule(index) }
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
      loop.slab.streams[found].isUnprocessed = true
      loop.slab.streams[found].hasOutputEnded = true
      loop.slab.streams[found].hasInputEnded = true
      loop.fail(found)
    }
    if session.pointee.openCount == 0 { close(sessionAt: index) }
    return nil
  }

  /// Ends the connection because of a violation: its streams fail, and the peer is told why.
  mutating func endSession(_ index: Int, _ fault: StreamFault) {
    guard !sessions[index].isClosing else { return }
    sessions[index].end = .fault(fault)
    writeGoAway(index, fault.code)
    failStreams(index, errno: 0)
    close(sessionAt: index)
  }

  private mutating func writeGoAway(_ index: Int, _ code: HTTP2Error, last: Int32? = nil) {
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
  mutating func failStreams(_ index: Int, errno: Int) {
    forEachStream(index) { loop, found in
      loop.slab.streams[found].hasOutputEnded = true
      loop.slab.streams[found].hasInputEnded = true
      loop.fail(found, errno: errno)
    }
  }

  /// Lets all streams fail as not processed: the endpoint has chosen another protocol.
  mutating func abandonSession(_ id: ConnectionID) {
    let index = Int(id.index)
    forEachStream(index) { loop, found in
      loop.slab.streams[found].isUnprocessed = true
      loop.fail(found)
    }
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
