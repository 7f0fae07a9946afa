// What a peer sends on streams: heads, which become text, content, and trailers. Content whose
// length is not known becomes chunks in place: the chunk's first line is written over the frame's
// header, and what is overwritten behind it is put back. Invariant: a window grows only once the
// other side has taken the bytes.
// HOT PATH: no allocation, no lock, no existential, no clock.
import HTTP
import IO
import Primitives

extension StreamLoop where Base: ~Copyable {
  // MARK: Heads

  /// Handles a complete header block: a request, an answer, or trailers.
  mutating func headReceived(
    _ index: Int, _ number: Int32, _ flags: UInt8, _ block: UnsafeRawBufferPointer
  ) -> IOEvent? {
    let isEnd = flags & FrameFlag.endStream != 0
    let found = find(index, number)
    if sessions[index].isClient {
      if found < 0, isIdle(index, number) {
        endSession(index, .badStreamNumber)
        return nil
      }
    } else if found < 0, isIdle(index, number) {
      guard number & 1 == 1 else {
        endSession(index, .badStreamNumber)
        return nil
      }
      return requestReceived(index, number, isEnd, block)
    }
    guard found >= 0, slab.streams[found].failure == 0 else {
      skipBlock(index, number, block)
      return nil
    }
    if slab.streams[found].hasInputEnded {
      failStream(found, .streamClosed)
      skipBlock(index, number, block)
      return nil
    }
    if slab.streams[found].hasInputHead { return trailersReceived(index, found, isEnd, block) }
    return answerReceived(index, found, isEnd, block)
  }

  /// Decodes a block whose stream is gone, because the table of fields depends on it.
  private mutating func skipBlock(_ index: Int, _ number: Int32, _ block: UnsafeRawBufferPointer) {
    var writer = textWriter()
    switch sessions[index].coder.decodeTrailers(block, into: &writer) {
    case .broken: endSession(index, .compression)
    case .bomb: endSession(index, .headerBomb)
    case .head, .malformed, .tooLarge:
      // An endpoint that stood still may answer late what was given up long ago: its other requests
      // are not to suffer.
      if find(index, number) < 0, !sessions[index].isClient, !mayBeLate(index) {
        endSession(index, .closedStream)
      }
    }
  }

  private func textWriter() -> ByteWriter {
    ByteWriter(UnsafeMutableRawBufferPointer(start: text + IOLoop.headroom, count: Self.textMax))
  }

  private mutating func requestReceived(
    _ index: Int, _ number: Int32, _ isEnd: Bool, _ block: UnsafeRawBufferPointer
  ) -> IOEvent? {
    let session = sessions + index
    session.pointee.lastPeerNumber = number
    session.pointee.requestCount += 1
    var writer = textWriter()
    let decoded = session.pointee.coder.decodeRequest(block, isEnd: isEnd, into: &writer)
    guard case .head(let facts) = decoded else {
      switch decoded {
      case .broken: endSession(index, .compression)
      case .bomb: endSession(index, .headerBomb)
      case .tooLarge: refuse(index, number, .headTooLarge)
      case .malformed, .head: refuse(index, number, .malformedHead)
      }
      return nil
    }
    // After the second GOAWAY the client knows that later streams are not processed.
    if session.pointee.ending == .final {
      resetStream(index, number, .refusedStream)
      return nil
    }
    guard Int(session.pointee.openCount) < session.pointee.limits.streamsMax,
      let opened = slab.open()
    else {
      refuse(index, number, .tooManyStreams)
      return nil
    }
    let stream = slab.streams + opened
    stream.pointee.tag = base.tag(session.pointee.connection)
    stream.pointee.connection = session.pointee.connection
    stream.pointee.number = number
    stream.pointee.isSecure = session.pointee.isSecure
    stream.pointee.sendWindow = session.pointee.peerInitialWindow
    stream.pointee.receiveWindow = Int32(Self.streamWindow)
    stream.pointee.hasInputHead = true
    stream.pointee.method = writer.written.starts(with: "HEAD ".utf8) ? .head : .other
    note(facts.framing, isEnd, stream)
    attach(opened, index)
    countStream(index)
    renewIfOld(index)
    self.opened = opened
    openedTextCount = writer.count
    deliveredGeneration = stream.pointee.generation
    isBusy = true
    return report(.accepted, opened)
  }

  /// Notes how the end of the content is known.
  private func note(
    _ framing: Framing, _ isEnd: Bool, _ stream: UnsafeMutablePointer<Stream>
  ) {
    switch framing {
    case .none: stream.pointee.expectedCount = 0
    case .length(let count): stream.pointee.expectedCount = count
    case .chunked, .untilClose: stream.pointee.isChunked = true
    }
    stream.pointee.hasInputEnded = isEnd
  }

  private mutating func answerReceived(
    _ index: Int, _ found: Int, _ isEnd: Bool, _ block: UnsafeRawBufferPointer
  ) -> IOEvent? {
    let stream = slab.streams + found
    var writer = textWriter()
    let decoded = sessions[index].coder.decodeResponse(
      block, isEnd: isEnd, isHeadRequest: stream.pointee.method == .head, into: &writer)
    switch decoded {
    case .broken: endSession(index, .compression)
    case .bomb: endSession(index, .headerBomb)
    case .tooLarge: failStream(found, .headTooLarge)
    case .malformed: failStream(found, .malformedHead)
    case .head(let facts):
      if !facts.isInterim {
        stream.pointee.hasInputHead = true
        stream.pointee.grpcStatus = facts.grpcStatus
        note(facts.framing, isEnd, stream)
      }
      return deliverText(found, writer.count)
    }
    return nil
  }

  private mutating func trailersReceived(
    _ index: Int, _ found: Int, _ isEnd: Bool, _ block: UnsafeRawBufferPointer
  ) -> IOEvent? {
    let stream = slab.streams + found
    var writer = textWriter()
    writer.append("0\r\n")
    switch sessions[index].coder.decodeTrailers(block, into: &writer) {
    case .broken: endSession(index, .compression)
    case .bomb: endSession(index, .headerBomb)
    case .tooLarge: failStream(found, .headTooLarge)
    case .malformed: failStream(found, .malformedHead)
    case .head(let facts):
      // Trailers end the stream (RFC 9113 §8.1).
      guard isEnd else {
        failStream(found, .malformedHead)
        return nil
      }
      guard stream.pointee.expectedCount <= 0 else {
        failStream(found, .contentLength)
        return nil
      }
      if facts.grpcStatus >= 0 { stream.pointee.grpcStatus = facts.grpcStatus }
      stream.pointee.hasInputEnded = true
      // Content with a length has no place for them in HTTP/1.1.
      guard stream.pointee.isChunked else { return nil }
      writer.append("\r\n")
      guard !writer.hasOverflowed else {
        failStream(found, .headTooLarge)
        return nil
      }
      return deliverText(found, writer.count)
    }
    return nil
  }

  // MARK: Content

  mutating func beginData(
    _ index: Int, _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
  ) -> IOEvent? {
    let session = sessions + index
    guard header.stream != 0, !isIdle(index, header.stream) else {
      endSession(index, .badStreamNumber)
      return nil
    }
    var padding = 0
    var content = header.length
    if header.flags & FrameFlag.padded != 0 {
      guard let first = payload.first, Int(first) < header.length else {
        endSession(index, header.length == 0 ? .badFrameSize : .badFrame)
        return nil
      }
      padding = Int(first)
      content -= padding + 1
    }
    session.pointee.receiveWindow -= header.length
    if session.pointee.receiveWindow < 0 {
      endSession(index, .connectionWindow)
      return nil
    }
    session.pointee.contentNumber = header.stream
    session.pointee.contentLeft = content
    session.pointee.paddingLeft = padding
    session.pointee.contentEnds = header.flags & FrameFlag.endStream != 0
    // Padding counts in both windows, and nobody has to take it.
    creditConnection(index, header.length - content)
    let found = find(index, header.stream)
    guard found >= 0, slab.streams[found].failure == 0 else {
      if found < 0, !sessions[index].isClient, !mayBeLate(index) {
        refuse(index, header.stream, .streamClosed)
      }
      return nil
    }
    let stream = slab.streams + found
    stream.pointee.receiveWindow -= Int32(header.length)
    stream.pointee.dueCredit += Int32(header.length - content)
    if stream.pointee.hasInputEnded {
      failStream(found, .streamClosed)
    } else if !stream.pointee.hasInputHead {
      failStream(found, .malformedHead)
    } else if stream.pointee.receiveWindow < 0 {
      failStream(found, .streamWindow)
    } else if stream.pointee.expectedCount >= 0, content > stream.pointee.expectedCount {
      failStream(found, .contentLength)
    } else if content == 0 {
      if session.pointee.contentEnds { return endInput(found) }
      if let fault = take(.emptyData, index) { endSession(index, fault) }
    }
    return nil
  }

  /// Takes content of the DATA frame that is being received.
  mutating func takeContent(_ index: Int) -> IOEvent? {
    let session = sessions + index
    var count = min(session.pointee.contentLeft, cursorEnd - cursor)
    let found = find(index, session.pointee.contentNumber)
    guard found >= 0, slab.streams[found].failure == 0 else {
      cursor += count
      session.pointee.contentLeft -= count
      creditConnection(index, count)
      return nil
    }
    let stream = slab.streams + found
    let room = Int(stream.pointee.readLimit) - (stream.pointee.isChunked ? Self.chunkMax : 0)
    let isDirect = !stream.pointee.isPaused && stream.pointee.input.byteCount == 0 && room > 0
    if isDirect { count = min(count, room) }
    let start = cursor
    cursor += count
    session.pointee.contentLeft -= count
    stream.pointee.heldCredit += Int32(count)
    if stream.pointee.expectedCount >= 0 { stream.pointee.expectedCount -= count }
    let isLast = session.pointee.contentLeft == 0 && session.pointee.contentEnds
    if isLast {
      if stream.pointee.expectedCount > 0 {
        failStream(found, .contentLength)
        return nil
      }
      stream.pointee.hasInputEnded = true
    }
    let content = UnsafeMutableRawBufferPointer(start: start, count: count)
    if !isDirect {
      queue(found, content, isLast: isLast)
      return nil
    }
    guard stream.pointee.isChunked else { return reportReceived(found, content) }
    return reportReceived(found, chunk(content, isLast: isLast))
  }

  /// The most bytes that are put around the content of a chunk.
  private static var chunkMax: Int { 16 }

  /// Makes content a chunk in place, and the end of the content too if it is the last.
  private mutating func chunk(
    _ content: UnsafeMutableRawBufferPointer, isLast: Bool
  ) -> UnsafeMutableRawBufferPointer {
    guard let base = content.baseAddress else { return content }
    var start = base - 2
    start.storeBytes(of: 0x0A0D, as: UInt16.self)
    var left = content.count
    repeat {
      start -= 1
      let digit = UInt8(left & 15)
      start.storeBytes(of: digit < 10 ? 0x30 + digit : 0x57 + digit, as: UInt8.self)
      left >>= 4
    } while left > 0
    let end = base + content.count
    savedAt = end
    saved = end.loadUnaligned(as: UInt64.self)
    end.storeBytes(of: 0x0A0D, as: UInt16.self)
    if isLast {
      // "0\r\n\r\n"
      (end + 2).storeBytes(of: 0x30, as: UInt8.self)
      (end + 3).storeBytes(of: 0x0A0D_0A0D, as: UInt32.self)
    }
    return UnsafeMutableRawBufferPointer(start: start, count: end - start + (isLast ? 7 : 2))
  }

  /// Handles the end of a stream in a frame without content.
  private mutating func endInput(_ found: Int) -> IOEvent? {
    let stream = slab.streams + found
    guard stream.pointee.expectedCount <= 0 else {
      failStream(found, .contentLength)
      return nil
    }
    stream.pointee.hasInputEnded = true
    guard stream.pointee.isChunked else {
      if stream.pointee.isFinishing { enqueue(found) }
      return nil
    }
    var writer = textWriter()
    writer.append("0\r\n\r\n")
    return deliverText(found, writer.count)
  }

  // MARK: To the worker

  /// Gives the worker the written text, or keeps it until the stream is read.
  mutating func deliverText(_ found: Int, _ count: Int) -> IOEvent? {
    let stream = slab.streams + found
    let bytes = UnsafeMutableRawBufferPointer(start: text + IOLoop.headroom, count: count)
    guard !stream.pointee.isPaused, stream.pointee.input.byteCount == 0,
      count <= Int(stream.pointee.readLimit)
    else {
      append(UnsafeRawBufferPointer(bytes), found)
      return nil
    }
    return reportReceived(found, bytes)
  }

  /// Gives the worker as much of the queued input as it reads at once.
  mutating func deliverQueued(_ found: Int) -> IOEvent? {
    let stream = slab.streams + found
    let room = text + IOLoop.headroom
    var count = 0
    while count < min(Int(stream.pointee.readLimit), Self.textMax) {
      let front = queues.front(stream.pointee.input)
      guard let source = front.baseAddress, !front.isEmpty else { break }
      let part = min(front.count, min(Int(stream.pointee.readLimit), Self.textMax) - count)
      (room + count).copyMemory(from: source, byteCount: part)
      queues.drop(part, of: &stream.pointee.input)
      count += part
    }
    return reportReceived(found, UnsafeMutableRawBufferPointer(start: room, count: count))
  }

  private mutating func queue(
    _ found: Int, _ content: UnsafeMutableRawBufferPointer, isLast: Bool
  ) {
    guard slab.streams[found].isChunked else {
      append(UnsafeRawBufferPointer(content), found)
      return
    }
    // The bytes before the content were read, and those after it are put back.
    append(UnsafeRawBufferPointer(chunk(content, isLast: isLast)), found)
    if let place = savedAt {
      place.storeBytes(of: saved, as: UInt64.self)
      savedAt = nil
    }
  }

  private mutating func append(_ bytes: UnsafeRawBufferPointer, _ found: Int) {
    if !queues.append(bytes, to: &slab.streams[found].input) {
      failStream(found, .unsent)
      return
    }
    if !slab.streams[found].isPaused { enqueue(found) }
  }

  // MARK: Windows

  /// The bytes that the worker has taken are given back to both windows.
  mutating func creditHeld(_ found: Int) {
    let stream = slab.streams + found
    let count = stream.pointee.heldCredit
    guard count > 0 || stream.pointee.dueCredit > 0 else { return }
    stream.pointee.heldCredit = 0
    guard let index = session(of: stream) else { return }
    creditConnection(index, Int(count))
    stream.pointee.dueCredit += count
    guard stream.pointee.dueCredit >= Int32(Self.streamWindow / 4),
      !stream.pointee.hasInputEnded, stream.pointee.failure == 0
    else { return }
    writeWindow(index, stream.pointee.number, Int(stream.pointee.dueCredit))
    stream.pointee.receiveWindow += stream.pointee.dueCredit
    stream.pointee.dueCredit = 0
  }

  mutating func creditConnection(_ index: Int, _ count: Int) {
    let session = sessions + index
    session.pointee.dueCredit += count
    guard session.pointee.dueCredit >= 4 * Self.streamWindow else { return }
    writeWindow(index, 0, session.pointee.dueCredit)
    session.pointee.receiveWindow += session.pointee.dueCredit
    session.pointee.dueCredit = 0
  }

  private mutating func writeWindow(_ index: Int, _ number: Int32, _ count: Int) {
    var word = UInt32(truncatingIfNeeded: count).bigEndian
    withUnsafeBytes(of: &word) {
      _ = write(index, FrameHeader(length: 4, type: .windowUpdate, stream: number), $0)
    }
  }
}
