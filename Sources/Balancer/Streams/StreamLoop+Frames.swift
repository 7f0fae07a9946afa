// Reads the frames of a connection of HTTP/2 (RFC 9113 §4, §6), one at a time: a frame that gives
// the worker an event is handled before the next one is read. Invariant: a frame is checked before
// anything is done; what violates the protocol ends the stream or the connection.
// HOT PATH: no allocation, no lock, no existential, no clock.
import HTTP
import IO
import Primitives

extension StreamLoop where Base: ~Copyable {
  /// Reads the frames that were received. Returns the first event; nil: all were read.
  mutating func parse() -> IOEvent? {
    let index = parsing
    while parsing >= 0 {
      guard isSession[index], !sessions[index].isClosing else {
        parsing = -1
        break
      }
      if let event = step(index) { return event }
    }
    // All updates of windows that came together are used together, for longer frames.
    if isSession[index], sessions[index].isPumpDue {
      sessions[index].isPumpDue = false
      pump(index)
    }
    return nil
  }

  /// The bytes that were received and not read yet.
  private var rest: Int { cursorEnd - cursor }

  /// Reads a part of the received bytes. Sets `parsing` to −1 if nothing is left.
  private mutating func step(_ index: Int) -> IOEvent? {
    let session = sessions + index
    if session.pointee.contentLeft > 0 { return rest > 0 ? takeContent(index) : stop(index) }
    if session.pointee.paddingLeft > 0 {
      guard rest > 0 else { return stop(index) }
      let count = min(rest, session.pointee.paddingLeft)
      cursor += count
      session.pointee.paddingLeft -= count
      return nil
    }
    guard rest > 0 else { return stop(index) }
    if session.pointee.prefaceLeft > 0 {
      takePreface(index)
      return nil
    }
    if !session.pointee.partial.isEmpty { return takePartial(index) }
    guard rest >= FrameHeader.byteCount else { return keepPartial(index) }
    let header = FrameHeader(at: cursor)
    if let fault = check(header, session) {
      endSession(index, fault)
      return nil
    }
    let needed = neededCount(header)
    guard rest >= needed else { return keepPartial(index) }
    let payload = UnsafeRawBufferPointer(
      start: cursor + FrameHeader.byteCount, count: needed - FrameHeader.byteCount)
    cursor += needed
    return handle(index, header, payload)
  }

  /// Ends the reading of received bytes; nothing more is there.
  private mutating func stop(_ index: Int) -> IOEvent? {
    parsing = -1
    return nil
  }

  /// The bytes of a frame that have to be there before it is handled: all of it, but of DATA only
  /// what comes before the content.
  private func neededCount(_ header: FrameHeader) -> Int {
    if header.type == FrameType.data.rawValue {
      return FrameHeader.byteCount
        + (header.flags & FrameFlag.padded != 0 && header.length > 0 ? 1 : 0)
    }
    return FrameHeader.byteCount + header.length
  }

  private mutating func keepPartial(_ index: Int) -> IOEvent? {
    parsing = -1
    let session = sessions + index
    let room = takeRoom()
    room.copyMemory(from: cursor, byteCount: rest)
    session.pointee.partial = HeldBytes(block: room, end: rest)
    setHeadDeadline(index)
    return nil
  }

  /// Adds bytes to a frame of which a part was received, and handles it once it is complete.
  private mutating func takePartial(_ index: Int) -> IOEvent? {
    let session = sessions + index
    guard let room = session.pointee.partial.block else { return nil }
    func add(upTo wanted: Int) {
      let count = min(wanted - session.pointee.partial.end, rest)
      guard count > 0 else { return }
      (room + session.pointee.partial.end).copyMemory(from: cursor, byteCount: count)
      session.pointee.partial.end += count
      cursor += count
    }
    add(upTo: FrameHeader.byteCount)
    guard session.pointee.partial.end >= FrameHeader.byteCount else { return stop(index) }
    let header = FrameHeader(at: room)
    if let fault = check(header, session) {
      endSession(index, fault)
      return nil
    }
    let needed = neededCount(header)
    add(upTo: needed)
    guard session.pointee.partial.end >= needed else { return stop(index) }
    session.pointee.partial = HeldBytes()
    clearHeadDeadline(index)
    let payload = UnsafeRawBufferPointer(
      start: room + FrameHeader.byteCount, count: needed - FrameHeader.byteCount)
    let event = handle(index, header, payload)
    rooms.give(room)
    return event
  }

  /// The client's first bytes (RFC 9113 §3.4).
  private mutating func takePreface(_ index: Int) {
    let session = sessions + index
    let count = min(Int(session.pointee.prefaceLeft), rest)
    let expected =
      ConnectionPreface.text.utf8Start + ConnectionPreface.byteCount
      - Int(session.pointee.prefaceLeft)
    for offset in 0..<count
    where (cursor + offset).load(as: UInt8.self) != expected[offset] {
      endSession(index, .badPreface)
      return
    }
    cursor += count
    session.pointee.prefaceLeft -= UInt8(count)
  }

  /// The fault of a frame that its header tells.
  private func check(
    _ header: FrameHeader, _ session: UnsafeMutablePointer<Session>
  ) -> StreamFault? {
    if header.length > Self.frameMax { return .badFrameSize }
    if session.pointee.blockNumber != 0,
      header.type != FrameType.continuation.rawValue
        || header.stream != session.pointee.blockNumber
    {
      return .headersInterrupted
    }
    // The first frame of both sides is SETTINGS (RFC 9113 §3.4).
    if !session.pointee.hasSettings,
      header.type != FrameType.settings.rawValue || header.flags & FrameFlag.ack != 0
    {
      return .badPreface
    }
    return nil
  }

  private mutating func handle(
    _ index: Int, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
  ) -> IOEvent? {
    let fault: StreamFault?
    switch FrameType(rawValue: header.type) {
    case .data: return beginData(index, header, payload)
    case .headers: return headersReceived(index, header, payload)
    case .continuation: return continuationReceived(index, header, payload)
    case .priority: fault = priorityReceived(index, header)
    case .resetStream: fault = resetReceived(index, header, payload)
    case .settings: fault = settingsReceived(index, header, payload)
    // Pushes are refused by our SETTINGS, and clients must not push (RFC 9113 §8.4).
    case .pushPromise: fault = .badFrame
    case .ping: fault = pingReceived(index, header, payload)
    case .goAway: fault = goAwayReceived(index, header, payload)
    case .windowUpdate: fault = windowUpdateReceived(index, header, payload)
    case nil: fault = take(.priority, index)
    }
    if let fault { endSession(index, fault) }
    return nil
  }

  /// Takes a token of the gauge. Returns the fault of a peer that floods.
  mutating func take(_ kind: FloodGauge.Kind, _ index: Int) -> StreamFault? {
    sessions[index].floods.take(kind, now: base.now) ? nil : kind.fault
  }

  // MARK: Heads

  private mutating func headersReceived(
    _ index: Int, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
  ) -> IOEvent? {
    guard header.stream != 0 else {
      endSession(index, .badStreamNumber)
      return nil
    }
    var start = 0
    var end = payload.count
    if header.flags & FrameFlag.padded != 0 {
      guard end >= 1, Int(payload[0]) < end else {
        endSession(index, end == 0 ? .badFrameSize : .badFrame)
        return nil
      }
      end -= Int(payload[0])
      start = 1
    }
    if header.flags & FrameFlag.priority != 0 { start += 5 }
    guard start <= end else {
      endSession(index, .badFrameSize)
      return nil
    }
    let part = UnsafeRawBufferPointer(rebasing: payload[start..<end])
    if header.flags & FrameFlag.endHeaders != 0 {
      return headReceived(index, header.stream, header.flags, part)
    }
    let session = sessions + index
    session.pointee.blockNumber = header.stream
    session.pointee.blockFlags = header.flags
    session.pointee.blockParts = 0
    _ = addToBlock(index, part)
    return nil
  }

  private mutating func continuationReceived(
    _ index: Int, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
  ) -> IOEvent? {
    let session = sessions + index
    guard session.pointee.blockNumber != 0 else {
      endSession(index, .badFrame)
      return nil
    }
    guard addToBlock(index, payload), header.flags & FrameFlag.endHeaders != 0 else { return nil }
    let block = session.pointee.block
    let number = session.pointee.blockNumber
    session.pointee.block = HeldBytes()
    session.pointee.blockNumber = 0
    clearHeadDeadline(index)
    let event = headReceived(index, number, session.pointee.blockFlags, block.bytes)
    if let room = block.block { rooms.give(room) }
    return event
  }

  /// Adds a part to the header block. Returns false if the connection was ended: the block is too
  /// long, or comes in too many frames (CVE-2024-27316 and others).
  private mutating func addToBlock(_ index: Int, _ part: UnsafeRawBufferPointer) -> Bool {
    let session = sessions + index
    session.pointee.blockParts += 1
    if session.pointee.block.block == nil {
      session.pointee.block = HeldBytes(block: takeRoom())
      setHeadDeadline(index)
    }
    let end = session.pointee.block.end
    guard let room = session.pointee.block.block, end + part.count <= Self.blockMax,
      session.pointee.blockParts <= 32
    else {
      endSession(index, .continuationFlood)
      return false
    }
    if let source = part.baseAddress {
      (room + end).copyMemory(from: source, byteCount: part.count)
    }
    session.pointee.block.end += part.count
    return true
  }

  // MARK: Control frames

  private mutating func priorityReceived(_ index: Int, _ header: FrameHeader) -> StreamFault? {
    if header.stream == 0 { return .badStreamNumber }
    if header.length != 5 {
      // A stream error (RFC 9113 §6.3), also of a stream that does not exist.
      resetStream(index, header.stream, .frameSizeError)
    }
    return take(.priority, index)
  }

  private mutating func resetReceived(
    _ index: Int, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
  ) -> StreamFault? {
    if header.length != 4 { return .badFrameSize }
    if header.stream == 0 || isIdle(index, header.stream) { return .badStreamNumber }
    let code = UInt32(bigEndian: payload.loadUnaligned(as: UInt32.self))
    let found = find(index, header.stream)
    guard found >= 0 else { return take(.reset, index) }
    let stream = slab.streams + found
    if code == HTTP2Error.refusedStream.rawValue { stream.pointee.end = .refused }
    // An endpoint that has answered may not want the rest of the request (RFC 9113 §8.1).
    let isAnswered =
      stream.pointee.isOfEndpoint && stream.pointee.hasInputEnded
      && code == HTTP2Error.noError.rawValue
    stream.pointee.output = .ended
    stream.pointee.hasOutputEnded = true
    stream.pointee.hasInputEnded = true
    dropQueue(found)
    if !isAnswered { fail(found) }
    countReset(index, .peer)
    return sessions[index].isClient ? nil : take(.reset, index)
  }

  private mutating func pingReceived(
    _ index: Int, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
  ) -> StreamFault? {
    if header.stream != 0 { return .badStreamNumber }
    if header.length != 8 { return .badFrameSize }
    if header.flags & FrameFlag.ack != 0 {
      pingAnswered(index)
      return nil
    }
    if let fault = take(.ping, index) { return fault }
    let frame = FrameHeader(length: 8, type: .ping, flags: FrameFlag.ack)
    if let source = payload.baseAddress {
      write(index, frame, UnsafeRawBufferPointer(start: source, count: 8))
    }
    return nil
  }

  private mutating func windowUpdateReceived(
    _ index: Int, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
  ) -> StreamFault? {
    if header.length != 4 { return .badFrameSize }
    if let fault = take(.window, index) { return fault }
    let word = UInt32(bigEndian: payload.loadUnaligned(as: UInt32.self))
    let increment = Int(word & 0x7FFF_FFFF)
    let session = sessions + index
    if header.stream == 0 {
      if increment == 0 { return .badFrame }
      session.pointee.sendWindow += increment
      if session.pointee.sendWindow > Int(Int32.max) { return .connectionWindow }
      session.pointee.isPumpDue = true
      return nil
    }
    if isIdle(index, header.stream) { return .badStreamNumber }
    let found = find(index, header.stream)
    guard found >= 0, slab.streams[found].failure == 0 else { return nil }
    slab.streams[found].sendWindow += increment
    if increment == 0 || slab.streams[found].sendWindow > Int(Int32.max) {
      failStream(found, increment == 0 ? .malformedHead : .streamWindow)
    } else if slab.streams[found].isSender {
      session.pointee.isPumpDue = true
    }
    return nil
  }

  private mutating func settingsReceived(
    _ index: Int, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
  ) -> StreamFault? {
    if header.stream != 0 { return .badStreamNumber }
    if header.flags & FrameFlag.ack != 0 { return header.length == 0 ? nil : .badFrameSize }
    if header.length % 6 != 0 { return .badFrameSize }
    if let fault = take(.settings, index) { return fault }
    for offset in stride(from: 0, to: payload.count, by: 6) {
      let number = UInt16(
        bigEndian: payload.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
      let value = UInt32(
        bigEndian: payload.loadUnaligned(fromByteOffset: offset + 2, as: UInt32.self))
      guard let setting = Setting(rawValue: number) else { continue }
      if let fault = apply(setting, Int(value), index) { return fault }
    }
    let isFirst = !sessions[index].hasSettings
    sessions[index].hasSettings = true
    write(
      index, FrameHeader(length: 0, type: .settings, flags: FrameFlag.ack),
      UnsafeRawBufferPointer(start: nil, count: 0))
    if isFirst { schedule(index) }
    sessions[index].isPumpDue = true
    return nil
  }

  /// Applies a parameter of the peer (RFC 9113 §6.5.2).
  private mutating func apply(_ setting: Setting, _ value: Int, _ index: Int) -> StreamFault? {
    let session = sessions + index
    switch setting {
    case .headerTableSize: session.pointee.coder.setPeerTableSize(value)
    // A server must not say that it takes pushes.
    case .enablePush: if value > (session.pointee.isClient ? 0 : 1) { return .badSettings }
    case .concurrentStreamsMax: session.pointee.peerStreamsMax = value
    case .initialWindowSize:
      if value > Int(Int32.max) { return .connectionWindow }
      let change = value - session.pointee.peerInitialWindow
      session.pointee.peerInitialWindow = value
      for bucket in 0..<Session.bucketCount {
        var link = session.pointee.head(ofBucket: bucket)
        while link > 0 {
          let stream = slab.streams + Int(link) - 1
          stream.pointee.sendWindow += change
          if stream.pointee.sendWindow > Int(Int32.max) { return .connectionWindow }
          link = stream.pointee.next
        }
      }
    case .frameSizeMax:
      if value < 16_384 || value > 16_777_215 { return .badSettings }
    case .headerListSizeMax: break
    }
    return nil
  }
}
