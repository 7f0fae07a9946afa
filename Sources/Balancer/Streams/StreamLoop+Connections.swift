// The loop's operations, on connections and on streams alike: those on a connection are passed on.
// Invariant: the worker sends nothing on a connection of HTTP/2 itself.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Fleet
import HTTP
import IO
import Primitives

extension StreamLoop where Base: ~Copyable {
  // MARK: The turn and the listeners

  var now: Nanoseconds { @inline(__always) get { base.now } }
  var lastTurnLength: Nanoseconds? { base.lastTurnLength }
  var lastPause: Nanoseconds { base.lastPause }
  var acceptRoom: Int {
    get { base.acceptRoom }
    set { base.acceptRoom = newValue }
  }
  var isFull: Bool { base.isFull }
  var shortageCount: UInt64 { base.shortageCount }
  var acceptedPeer: (address: IPAddress, port: UInt16) { base.acceptedPeer }
  mutating func listen(_ socket: consuming ListenSocket, tag: UInt32) throws(IOError) {
    try base.listen(socket, tag: tag)
  }
  mutating func keepListeners(where isWanted: (UInt32) -> Bool) {
    base.keepListeners(where: isWanted)
  }
  mutating func resumeAccepting() { base.resumeAccepting() }

  // MARK: Identifiers

  /// The number of indexes: those of connections, then those of streams.
  var capacity: Int { connectionCapacity + slab.capacity }
  var connectionCount: Int { base.connectionCount }
  var freeConnectionCount: Int { base.freeConnectionCount }
  /// Memory that holds queued bytes, in whole blocks.
  var queuedByteCount: Int {
    @inline(__always) get {
      isInUse ? base.queuedByteCount + queuedByteCountOfStreams : base.queuedByteCount
    }
  }

  private var queuedByteCountOfStreams: Int {
    queues.usedCount.pointee * IOLoop.outputBlockBytes + rooms.usedByteCount
  }

  /// Whether the identifier is that of a stream.
  @inline(__always)
  func isStream(_ id: ConnectionID) -> Bool { Int(id.index) >= connectionCapacity }

  /// Whether the connection speaks HTTP/2.
  func hasSession(_ id: ConnectionID) -> Bool { !isStream(id) && isSession[Int(id.index)] }

  /// The state of a stream.
  @inline(__always)
  func stream(_ id: ConnectionID) -> UnsafeMutablePointer<Stream> {
    slab.streams + (Int(id.index) - connectionCapacity)
  }

  /// The connection that carries the stream, or the connection itself; it may be closed already.
  @inline(__always)
  func carrier(_ id: ConnectionID) -> ConnectionID {
    isStream(id) ? stream(id).pointee.connection : id
  }

  func isOpen(_ id: ConnectionID) -> Bool {
    isStream(id) ? stream(id).pointee.generation == id.generation : base.isOpen(id)
  }

  func openID(at index: Int32) -> ConnectionID? {
    guard Int(index) >= connectionCapacity else { return base.openID(at: index) }
    let generation = slab.streams[Int(index) - connectionCapacity].generation
    return generation & 1 == 1 ? ConnectionID(index: index, generation: generation) : nil
  }

  @inline(__always)
  func tag(_ id: ConnectionID) -> UInt32 {
    isStream(id) ? stream(id).pointee.tag : base.tag(id)
  }

  func localAddress(_ id: ConnectionID) -> (address: IPAddress, port: UInt16)? {
    base.localAddress(carrier(id))
  }

  // MARK: TLS

  mutating func startTLS(
    _ id: ConnectionID, _ context: ServerContext, received: UnsafeRawBufferPointer
  ) {
    base.startTLS(id, context, received: received)
  }
  mutating func startTLS(_ id: ConnectionID, _ peer: TLSPeer) { base.startTLS(id, peer) }
  mutating func leaveTLS(_ id: ConnectionID) { base.leaveTLS(id) }
  @inline(__always)
  func isSecure(_ id: ConnectionID) -> Bool {
    isStream(id) ? stream(id).pointee.isSecure : base.isSecure(id)
  }
  func isHandshaking(_ id: ConnectionID) -> Bool { !isStream(id) && base.isHandshaking(id) }
  func isHTTP2(_ id: ConnectionID) -> Bool { base.isHTTP2(id) }
  func hasPeer(_ id: ConnectionID, like peer: TLSPeer?) -> Bool { base.hasPeer(id, like: peer) }
  func isResumed(_ id: ConnectionID) -> Bool { base.isResumed(id) }
  func tlsFailure(_ id: ConnectionID) -> TLSFailure? {
    guard isStream(id) else { return base.tlsFailure(id) }
    if case .tls(let failure) = stream(id).pointee.end { return failure }
    return nil
  }
  func servesHost(_ id: ConnectionID, _ host: UnsafeRawBufferPointer) -> Bool {
    base.servesHost(carrier(id), host)
  }
  func clientCertificate(
    _ id: ConnectionID
  ) -> (subject: UnsafeRawBufferPointer, names: UnsafeRawBufferPointer)? {
    base.clientCertificate(carrier(id))
  }

  // MARK: Reading

  @inline(__always)
  mutating func setPaused(_ id: ConnectionID, _ isPaused: Bool) {
    if isStream(id) { pauseStream(id, isPaused) } else { base.setPaused(id, isPaused) }
  }

  private mutating func pauseStream(_ id: ConnectionID, _ isPaused: Bool) {
    let index = Int(id.index) - connectionCapacity
    let stream = slab.streams + index
    guard stream.pointee.isPaused != isPaused else { return }
    stream.pointee.isPaused = isPaused
    // Bytes that are being handled are credited once they are (`settle`).
    if isPaused || delivered == index { return }
    if stream.pointee.input.byteCount == 0 { creditHeld(index) }
    if stream.pointee.input.byteCount > 0 || stream.pointee.failure != 0 { enqueue(index) }
  }

  @inline(__always)
  mutating func setReadLimit(_ id: ConnectionID, _ byteCount: Int) {
    if isStream(id) {
      stream(id).pointee.readLimit = Int32(max(1, min(byteCount, IOLoop.readMax)))
    } else {
      base.setReadLimit(id, byteCount)
    }
  }

  mutating func hasInput(_ id: ConnectionID) -> Bool {
    isStream(id) ? stream(id).pointee.input.byteCount > 0 : base.hasInput(id)
  }
  func hasUnread(_ id: ConnectionID) -> Bool { isStream(id) || base.hasUnread(id) }

  // MARK: Sending

  var canMoveContent: Bool { base.canMoveContent }

  @inline(__always) @discardableResult
  mutating func send(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer) -> Bool {
    isStream(id)
      ? sendOnStream(Int(id.index) - connectionCapacity, bytes) : base.send(id, bytes)
  }

  /// Streams have no descriptor between which the kernel could move: their bytes come as usual.
  @inline(__always)
  mutating func move(_ id: ConnectionID, to target: ConnectionID, byteCount: Int) {
    if isStream(id) || isStream(target) { return }
    base.move(id, to: target, byteCount: byteCount)
  }

  @inline(__always)
  func unsentByteCount(_ id: ConnectionID) -> Int {
    isStream(id) ? stream(id).pointee.queue.byteCount : base.unsentByteCount(id)
  }

  /// Of a stream, the bytes that its window or its connection has no room for.
  func untakenByteCount(_ id: ConnectionID) -> Int {
    isStream(id) ? stream(id).pointee.queue.byteCount : base.untakenByteCount(id)
  }

  func hasFailed(_ id: ConnectionID) -> Bool {
    isStream(id) ? stream(id).pointee.failure != 0 : base.hasFailed(id)
  }
  func wasEndedFirst(_ id: ConnectionID) -> Bool { !isStream(id) && base.wasEndedFirst(id) }

  /// Why the stream failed; nil: it is a connection. Requires: it has failed.
  func streamEnd(_ id: ConnectionID) -> StreamEnd? { isStream(id) ? stream(id).pointee.end : nil }
  /// The `grpc-status` of a stream's answer; −1: it has none, 17: it is not known.
  func grpcStatus(_ id: ConnectionID) -> Int {
    isStream(id) ? Int(stream(id).pointee.grpcStatus) : -1
  }

  // MARK: Timeouts

  func deadline(_ id: ConnectionID) -> Nanoseconds {
    isStream(id) ? stream(id).pointee.deadline : base.deadline(id)
  }

  @inline(__always)
  mutating func setDeadline(_ id: ConnectionID, _ deadline: Nanoseconds?) {
    guard isStream(id) else {
      base.setDeadline(id, deadline)
      return
    }
    setStreamDeadline(id, deadline)
  }

  private mutating func setStreamDeadline(_ id: ConnectionID, _ deadline: Nanoseconds?) {
    let stream = stream(id)
    if deadline == nil, stream.pointee.deadline == .distantFuture { return }
    stream.pointee.deadline = deadline ?? .distantFuture
    base.setTimer(timerStart + Int(id.index) - connectionCapacity, deadline)
  }

  @inline(__always)
  mutating func setTimer(_ index: Int, _ deadline: Nanoseconds?) {
    base.setTimer(index, deadline)
  }

  // MARK: Opening and closing

  mutating func connect(to address: KernelAddress, tag: UInt32) throws(IOError) -> ConnectionID {
    try base.connect(to: address, tag: tag)
  }

  /// The number of open streams of the connection. Requires: it speaks HTTP/2.
  func streamCount(_ id: ConnectionID) -> Int { Int(sessions[Int(id.index)].openCount) }

  /// The number of streams that may still be opened on the connection to an endpoint.
  func streamRoom(_ id: ConnectionID) -> Int {
    let session = sessions + Int(id.index)
    return session.pointee.isClosing ? 0 : session.pointee.streamRoom
  }

  /// The streams that the endpoint allows on the connection; nil: it has not said yet.
  func peerStreamsMax(_ id: ConnectionID) -> Int? {
    let session = sessions + Int(id.index)
    return session.pointee.hasSettings ? session.pointee.peerStreamsMax : nil
  }

  /// Whether the connection to an endpoint is still being opened.
  func isConnecting(_ id: ConnectionID) -> Bool { sessions[Int(id.index)].isConnecting }

  /// Opens a stream on a connection to an endpoint; its number is that of its head. nil: no stream
  /// is free. Requires: `streamRoom` > 0.
  mutating func openStream(on connection: ConnectionID, tag: UInt32) -> ConnectionID? {
    guard let index = slab.open() else { return nil }
    let session = Int(connection.index)
    let stream = slab.streams + index
    stream.pointee.isOfEndpoint = true
    stream.pointee.connection = connection
    stream.pointee.tag = tag
    stream.pointee.sendWindow = sessions[session].peerInitialWindow
    stream.pointee.receiveWindow = Int32(Self.streamWindow)
    stream.pointee.readLimit = Int32(IOLoop.readMax)
    stream.pointee.isSecure = sessions[session].isSecure
    sessions[session].openCount += 1
    sessions[session].requestCount += 1
    if sessions[session].openCount == 1 { schedule(session) }
    countStream(session)
    renewIfOld(session)
    return id(index)
  }

  /// Of a stream, its end is its message's own. `.eof` follows once the peer has ended it too.
  mutating func finish(_ id: ConnectionID) {
    guard isStream(id) else { return base.finish(id) }
    stream(id).pointee.isFinishing = true
    enqueue(Int(id.index) - connectionCapacity)
  }

  mutating func resetOnClose(_ id: ConnectionID) {
    if isStream(id) { stream(id).pointee.resetsOnClose = true } else { base.resetOnClose(id) }
  }

  @inline(__always)
  mutating func close(_ id: ConnectionID) {
    if isStream(id) {
      closeStream(Int(id.index) - connectionCapacity)
    } else {
      if sessionCount > 0, isSession[Int(id.index)] { closeSession(Int(id.index)) }
      base.close(id)
    }
  }

  /// Closes a stream: a message that is not complete is reset, so that nobody takes it for whole.
  private mutating func closeStream(_ index: Int) {
    let stream = slab.streams + index
    setStreamDeadline(id(index), nil)
    if let session = session(of: stream) {
      if stream.pointee.number > 0, stream.pointee.failure == 0 {
        endStream(index, session)
      }
      // Bytes that nobody will take are given back to the connection at once.
      let credit = Int(stream.pointee.heldCredit)
      stream.pointee.heldCredit = 0
      dropQueue(index)
      detach(index, session)
      if isSession[session] { creditConnection(session, credit) }
    } else {
      dropQueue(index)
    }
    queues.clear(&stream.pointee.input)
    slab.close(index)
  }

  private mutating func endStream(_ index: Int, _ session: Int) {
    let stream = slab.streams + index
    let number = stream.pointee.number
    if !stream.pointee.hasOutputEnded, stream.pointee.isUntilClose,
      stream.pointee.output == .content, !stream.pointee.resetsOnClose,
      stream.pointee.queue.byteCount == 0
    {
      stream.pointee.hasOutputEnded = true
      write(
        session, FrameHeader(length: 0, type: .data, flags: FrameFlag.endStream, stream: number),
        UnsafeRawBufferPointer(start: nil, count: 0))
    }
    if !stream.pointee.hasOutputEnded || !stream.pointee.hasInputEnded {
      countReset(session, .canceled)
    }
    if !stream.pointee.hasOutputEnded {
      resetStream(session, number, stream.pointee.isOfEndpoint ? .cancel : .internalError)
    } else if !stream.pointee.hasInputEnded {
      resetStream(session, number, stream.pointee.isOfEndpoint ? .cancel : .noError)
    }
  }

  /// Ends the session of a connection that is about to be closed.
  private mutating func closeSession(_ index: Int) {
    let session = sessions + index
    if !session.pointee.isClosing { writeGoAway(index, .noError) }
    flush(index)
    failStreams(index, errno: 0)
    if let block = session.pointee.output.block { rooms.give(block) }
    if let block = session.pointee.partial.block { rooms.give(block) }
    if let block = session.pointee.block.block { rooms.give(block) }
    session.pointee.coder.free()
    metrics.countEnd(worker: workerIndex, side(index), session.pointee.end)
    isSession[index] = false
    sessionCount -= 1
    if !session.pointee.isClient { clientSessionCount -= 1 }
    if parsing == index { parsing = -1 }
  }
}
