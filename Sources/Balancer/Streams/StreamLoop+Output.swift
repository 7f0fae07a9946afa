// What the worker sends on streams: heads become HEADERS frames, content becomes DATA as far as
// both windows and the connection allow, the rest waits in the stream's own queue. Invariant: a
// stream whose peer does not read keeps no other stream of the connection from sending.
// HOT PATH: no allocation, no lock, no existential, no clock.
import HTTP
import IO
import Primitives

extension StreamLoop where Base: ~Copyable {
  /// Sends a part of a message. Returns true if nothing waits.
  @inline(never)
  mutating func sendOnStream(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
    let stream = slab.streams + index
    var offset = 0
    while stream.pointee.output == .head, offset < bytes.count {
      let count = sendHead(index, UnsafeRawBufferPointer(rebasing: bytes[offset...]))
      if count == 0 { return true }
      offset += count
    }
    if stream.pointee.output == .content, offset < bytes.count {
      sendContent(index, UnsafeRawBufferPointer(rebasing: bytes[offset...]))
    }
    return stream.pointee.queue.byteCount == 0
  }

  // MARK: Heads

  /// Sends the head that `bytes` begin with. Returns its length; 0: it cannot be sent, and the
  /// stream has failed. Requires: the head is complete.
  private mutating func sendHead(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Int {
    let stream = slab.streams + index
    guard stream.pointee.failure == 0, let session = session(of: stream) else { return 0 }
    return stream.pointee.isOfEndpoint
      ? sendRequest(index, session, bytes) : sendAnswer(index, session, bytes)
  }

  private mutating func sendAnswer(
    _ index: Int, _ session: Int, _ bytes: UnsafeRawBufferPointer
  ) -> Int {
    let stream = slab.streams + index
    var head = ResponseHead()
    guard
      responses.parse(bytes, answering: stream.pointee.method, into: &head) == .complete,
      head.status != 101,
      let count = sessions[session].coder.encodeResponse(
        head, responses.table(in: bytes), into: blockRoom)
    else {
      failStream(index, .unsent)
      return 0
    }
    if head.isInterim {
      writeHeaders(session, stream.pointee.number, count, ends: false)
      return head.end
    }
    beginContent(index, session, head.framing, blockCount: count)
    return head.end
  }

  private mutating func sendRequest(
    _ index: Int, _ session: Int, _ bytes: UnsafeRawBufferPointer
  ) -> Int {
    let stream = slab.streams + index
    var head = RequestHead()
    guard requests.parse(bytes, into: &head) == .complete,
      let count = sessions[session].coder.encodeRequest(
        head, requests.table(in: bytes), isSecure: sessions[session].isSecure, into: blockRoom)
    else {
      failStream(index, .unsent)
      return 0
    }
    stream.pointee.method = head.method
    // Numbers grow with the order of the heads (RFC 9113 §5.1.1).
    stream.pointee.number = sessions[session].nextNumber
    sessions[session].nextNumber += 2
    attach(index, session)
    beginContent(index, session, head.framing, blockCount: count)
    return head.end
  }

  /// Sends the written header block of a message, and its end if it has no content.
  private mutating func beginContent(
    _ index: Int, _ session: Int, _ framing: Framing, blockCount: Int
  ) {
    let stream = slab.streams + index
    stream.pointee.content = ContentReader(framing)
    stream.pointee.isUntilClose = framing == .untilClose
    let ends = stream.pointee.content.isComplete
    writeHeaders(session, stream.pointee.number, blockCount, ends: ends)
    stream.pointee.output = ends ? .ended : .content
    stream.pointee.hasOutputEnded = ends
  }

  /// Writes `blockRoom` as HEADERS and, if it is longer than a frame, CONTINUATION.
  private mutating func writeHeaders(_ index: Int, _ number: Int32, _ count: Int, ends: Bool) {
    var offset = 0
    repeat {
      let part = min(count - offset, Self.frameMax)
      var flags: UInt8 = offset + part == count ? FrameFlag.endHeaders : 0
      if offset == 0, ends { flags |= FrameFlag.endStream }
      write(
        index,
        FrameHeader(
          length: part, type: offset == 0 ? .headers : .continuation, flags: flags,
          stream: number),
        UnsafeRawBufferPointer(rebasing: blockRoom[offset..<offset + part]))
      offset += part
    } while offset < count
  }

  // MARK: Content

  private mutating func sendContent(_ index: Int, _ bytes: UnsafeRawBufferPointer) {
    let stream = slab.streams + index
    var offset = 0
    while true {
      let before = stream.pointee.content.trailerByteCount
      let start = offset
      switch stream.pointee.content.next(bytes, &offset) {
      case .content(let count):
        sendData(index, UnsafeRawBufferPointer(rebasing: bytes[offset - count..<offset]))
        if stream.pointee.failure != 0 { return }
      case .more:
        let count = stream.pointee.content.trailerByteCount - before
        if count > 0 { keepTrailers(index, bytes[max(start, offset - count)..<offset]) }
        return
      case .complete:
        // The last line feed is not counted.
        let count = stream.pointee.content.trailerByteCount - before
        if count > 0, offset - 1 > start {
          keepTrailers(index, bytes[max(start, offset - 1 - count)..<offset - 1])
        }
        endOutput(index)
        return
      case .malformed:
        failStream(index, .unsent)
        return
      }
    }
  }

  private mutating func keepTrailers(_ index: Int, _ bytes: Slice<UnsafeRawBufferPointer>) {
    let stream = slab.streams + index
    if stream.pointee.trailers.block == nil {
      stream.pointee.trailers = HeldBytes(block: takeRoom())
    }
    let end = stream.pointee.trailers.end
    guard let room = stream.pointee.trailers.block, end + bytes.count <= Self.frameMax else {
      failStream(index, .unsent)
      return
    }
    let part = UnsafeRawBufferPointer(rebasing: bytes)
    if let source = part.baseAddress {
      (room + end).copyMemory(from: source, byteCount: part.count)
    }
    stream.pointee.trailers.end += part.count
  }

  /// Sends content as far as possible now, and queues the rest.
  private mutating func sendData(_ index: Int, _ bytes: UnsafeRawBufferPointer) {
    let stream = slab.streams + index
    guard let session = session(of: stream) else { return }
    var rest = bytes
    if stream.pointee.queue.byteCount == 0 {
      while !rest.isEmpty {
        let count = writeData(session, stream, rest)
        if count == 0 { break }
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
      }
    }
    guard !rest.isEmpty else { return }
    guard queues.append(rest, to: &stream.pointee.queue) else {
      failStream(index, .unsent)
      return
    }
    addSender(index, session)
  }

  /// The least content of a frame that the connection's window limits, bytes.
  private static var fragmentMin: Int { 256 }
  /// The time for which the connection's last bytes of window are left for longer frames.
  private static var fragmentTime: Nanoseconds { .milliseconds(50) }

  /// Writes one DATA frame. The last bytes of the connection's window are not used at once for a
  /// part of a frame: frames and windows would become ever smaller (RFC 1122 §4.2.3.4, for TCP).
  /// Returns how many of the bytes it has; 0: nothing may be sent now.
  private mutating func writeData(
    _ index: Int, _ stream: UnsafeMutablePointer<Stream>, _ bytes: UnsafeRawBufferPointer
  ) -> Int {
    let session = sessions + index
    let count = min(
      min(bytes.count, Self.frameMax),
      min(stream.pointee.sendWindow, session.pointee.sendWindow))
    guard count > 0, !session.pointee.isBlocked else { return 0 }
    if session.pointee.sendWindow < Self.fragmentMin, count == session.pointee.sendWindow,
      count < min(bytes.count, stream.pointee.sendWindow), !session.pointee.mayFragment
    {
      if session.pointee.fragmentDueAt == .distantFuture {
        session.pointee.fragmentDueAt = base.now + Self.fragmentTime
        schedule(index)
      }
      return 0
    }
    stream.pointee.sendWindow -= count
    session.pointee.sendWindow -= count
    // Each frame may be answered with an update of both windows.
    session.pointee.floods.allow(.window)
    session.pointee.floods.allow(.window)
    let at = write(
      index, FrameHeader(length: count, type: .data, stream: stream.pointee.number),
      UnsafeRawBufferPointer(rebasing: bytes[0..<count]))
    session.pointee.lastDataAt = Int32(truncatingIfNeeded: at)
    return count
  }

  /// Ends the message after the content that waits.
  private mutating func endOutput(_ index: Int) {
    let stream = slab.streams + index
    stream.pointee.output = .ended
    if stream.pointee.queue.byteCount > 0 {
      stream.pointee.endsAfterQueue = true
    } else {
      writeEnd(index)
    }
  }

  /// Writes the trailers, or the end of the stream.
  private mutating func writeEnd(_ index: Int) {
    let stream = slab.streams + index
    stream.pointee.hasOutputEnded = true
    guard let session = session(of: stream) else { return }
    let number = stream.pointee.number
    var held = stream.pointee.trailers
    stream.pointee.trailers = HeldBytes()
    defer { if let block = held.block { rooms.give(block) } }
    // The line end after the last field.
    if held.end > 0, held.bytes.last == 0x0D { held.end -= 1 }
    if held.end > 0 {
      guard let count = sessions[session].coder.encodeTrailers(held.bytes, into: blockRoom) else {
        resetStream(session, number, .internalError)
        return
      }
      if count > 0 {
        writeHeaders(session, number, count, ends: true)
        return
      }
    }
    // The last frame may be this stream's own.
    let at = Int(sessions[session].lastDataAt)
    if at >= 0, let room = sessions[session].output.block,
      FrameHeader(at: room + at).stream == number
    {
      (room + at).storeBytes(of: FrameFlag.endStream, toByteOffset: 4, as: UInt8.self)
      return
    }
    write(
      session, FrameHeader(length: 0, type: .data, flags: FrameFlag.endStream, stream: number),
      UnsafeRawBufferPointer(start: nil, count: 0))
  }

  // MARK: Streams with bytes to send

  private mutating func addSender(_ index: Int, _ session: Int) {
    let stream = slab.streams + index
    guard !stream.pointee.isSender else { return }
    stream.pointee.isSender = true
    let link = Int32(truncatingIfNeeded: index + 1)
    stream.pointee.previousSender = sessions[session].lastSender
    stream.pointee.nextSender = 0
    if sessions[session].lastSender > 0 {
      slab.streams[Int(sessions[session].lastSender) - 1].nextSender = link
    } else {
      sessions[session].firstSender = link
    }
    sessions[session].lastSender = link
  }

  mutating func removeSender(_ index: Int, _ session: Int) {
    let stream = slab.streams + index
    guard stream.pointee.isSender else { return }
    stream.pointee.isSender = false
    let (previous, next) = (stream.pointee.previousSender, stream.pointee.nextSender)
    if previous > 0 {
      slab.streams[Int(previous) - 1].nextSender = next
    } else {
      sessions[session].firstSender = next
    }
    if next > 0 {
      slab.streams[Int(next) - 1].previousSender = previous
    } else {
      sessions[session].lastSender = previous
    }
  }

  /// Sends what waits, a frame of each stream in turn, until the connection or the windows are
  /// full.
  mutating func pump(_ session: Int) {
    var hasSent = true
    while hasSent, !sessions[session].isBlocked, sessions[session].sendWindow > 0 {
      hasSent = false
      var link = sessions[session].firstSender
      while link > 0, !sessions[session].isBlocked {
        let index = Int(link) - 1
        link = slab.streams[index].nextSender
        if sendQueued(index, session) { hasSent = true }
      }
    }
  }

  /// Sends a frame of the queued bytes. Returns whether it did.
  private mutating func sendQueued(_ index: Int, _ session: Int) -> Bool {
    let stream = slab.streams + index
    let count = writeData(session, stream, queues.front(stream.pointee.queue))
    guard count > 0 else { return false }
    queues.drop(count, of: &stream.pointee.queue)
    guard stream.pointee.queue.byteCount == 0 else { return true }
    removeSender(index, session)
    if stream.pointee.endsAfterQueue { writeEnd(index) }
    stream.pointee.isDrainedDue = true
    enqueue(index)
    return true
  }

  /// Discards what waits to be sent.
  mutating func dropQueue(_ index: Int) {
    let stream = slab.streams + index
    if let session = session(of: stream) { removeSender(index, session) }
    queues.clear(&stream.pointee.queue)
    if let block = stream.pointee.trailers.block { rooms.give(block) }
    stream.pointee.trailers = HeldBytes()
  }

  // MARK: Frames

  /// Adds a frame to those that are sent at the end of the turn. Returns where it begins.
  @discardableResult
  mutating func write(
    _ index: Int, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
  ) -> Int {
    let session = sessions + index
    let count = FrameHeader.byteCount + payload.count
    if session.pointee.output.end + count > Self.outputMax { flush(index) }
    if session.pointee.output.block == nil {
      session.pointee.output = HeldBytes(block: takeRoom())
    }
    guard let room = session.pointee.output.block else { preconditionFailure("a room was taken") }
    if !session.pointee.isDirty {
      session.pointee.isDirty = true
      dirty.append(Int32(truncatingIfNeeded: index))
    }
    let at = session.pointee.output.end
    header.write(to: room + at)
    if let source = payload.baseAddress {
      (room + at + FrameHeader.byteCount).copyMemory(from: source, byteCount: payload.count)
    }
    session.pointee.output.end = at + count
    session.pointee.lastDataAt = -1
    return at
  }

  /// A block. Each session uses at most three at once, and each stream one.
  mutating func takeRoom() -> UnsafeMutableRawPointer {
    guard let room = rooms.take() else { preconditionFailure("a room was not given back") }
    return room
  }

  /// Sends the joined frames.
  mutating func flush(_ index: Int) {
    let session = sessions + index
    let output = session.pointee.output
    guard let room = output.block, !output.isEmpty else { return }
    session.pointee.output = HeldBytes()
    session.pointee.lastDataAt = -1
    let connection = session.pointee.connection
    base.send(connection, output.bytes)
    rooms.give(room)
    let unsent = base.unsentByteCount(connection)
    session.pointee.isBlocked = unsent > 0
    // A peer that sends and does not read gets answers to no more frames (CVE-2019-9517).
    if unsent > Self.unreadMax, !session.pointee.isHeldBack, !session.pointee.isConnecting {
      session.pointee.isHeldBack = true
      session.pointee.readDueAt = base.now + session.pointee.limits.send
      base.setPaused(connection, true)
      schedule(index)
    }
  }

  /// The unsent bytes at which a peer is not read any more.
  private static var unreadMax: Int { 262_144 }

  mutating func flushAll() {
    for index in dirty {
      let index = Int(index)
      guard isSession[index], sessions[index].isDirty else { continue }
      sessions[index].isDirty = false
      flush(index)
    }
    dirty.removeAll(keepingCapacity: true)
  }
}
