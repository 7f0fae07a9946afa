// The streams of a connection: found by their numbers, added, removed, and failed. A stream that
// fails is reset at the peer, and the worker is told.
// Invariant: a stream is in its session's table from its head to its end.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem
import HTTP
import IO
import Primitives

extension StreamLoop where Base: ~Copyable {
  /// The stream with the number; −1: none is open.
  func find(_ index: Int, _ number: Int32) -> Int {
    var link = sessions[index][bucket: number]
    while link > 0 {
      let found = Int(link) - 1
      if slab.streams[found].number == number { return found }
      link = slab.streams[found].next
    }
    return -1
  }

  /// Whether no stream of the number was opened yet (RFC 9113 §5.1).
  func isIdle(_ index: Int, _ number: Int32) -> Bool {
    let session = sessions + index
    if session.pointee.isClient {
      return number & 1 == 0 || number >= session.pointee.nextNumber
    }
    return number & 1 == 0 || number > session.pointee.lastPeerNumber
  }

  /// The session of the stream; nil: its connection is gone.
  func session(of stream: UnsafeMutablePointer<Stream>) -> Int? {
    let index = Int(stream.pointee.connection.index)
    guard index >= 0, isSession[index], sessions[index].connection == stream.pointee.connection
    else { return nil }
    return index
  }

  /// Adds the stream, which has a number, to its session.
  mutating func attach(_ found: Int, _ index: Int) {
    let number = slab.streams[found].number
    slab.streams[found].next = sessions[index][bucket: number]
    sessions[index][bucket: number] = Int32(truncatingIfNeeded: found + 1)
    guard !slab.streams[found].isOfEndpoint else { return }
    sessions[index].openCount += 1
    if sessions[index].openCount == 1 { schedule(index) }
  }

  /// Removes the stream from its session.
  mutating func detach(_ found: Int, _ index: Int) {
    let number = slab.streams[found].number
    var previous: Int32 = 0
    var link = number == 0 ? 0 : sessions[index][bucket: number]
    while link > 0, Int(link) - 1 != found {
      previous = link
      link = slab.streams[Int(link) - 1].next
    }
    if link > 0 {
      if previous > 0 {
        slab.streams[Int(previous) - 1].next = slab.streams[found].next
      } else {
        sessions[index][bucket: number] = slab.streams[found].next
      }
    }
    sessions[index].openCount -= 1
    guard sessions[index].openCount == 0, !sessions[index].isClosing else { return }
    if sessions[index].ending == .final {
      close(sessionAt: index)
    } else {
      sessions[index].idleSince = base.now
      // Exactly: the worker reads from it since when the client is idle.
      base.setDeadline(sessions[index].connection, sessions[index].dueAt)
    }
  }

  // MARK: Ends of streams

  /// Resets the stream and lets the worker see it fail.
  mutating func failStream(_ found: Int, _ fault: StreamFault) {
    let stream = slab.streams + found
    guard stream.pointee.failure == 0 else { return }
    if let index = session(of: stream) {
      if stream.pointee.number > 0 { refuse(index, stream.pointee.number, fault) }
    }
    stream.pointee.hasOutputEnded = true
    stream.pointee.hasInputEnded = true
    fail(found)
  }

  /// The worker sees the stream fail, and the peer is told nothing: it knows, or is gone.
  mutating func failUntold(_ found: Int, _ end: StreamEnd, errno: Int = 0) {
    let stream = slab.streams + found
    guard stream.pointee.failure == 0 else { return }
    stream.pointee.end = end
    stream.pointee.hasOutputEnded = true
    stream.pointee.hasInputEnded = true
    fail(found, errno: errno)
  }

  /// The worker sees the stream fail.
  mutating func fail(_ found: Int, errno: Int = 0) {
    let stream = slab.streams + found
    guard stream.pointee.failure == 0 else { return }
    stream.pointee.failure = Int16(truncatingIfNeeded: errno == 0 ? Int(ECONNRESET) : errno)
    stream.pointee.output = .ended
    dropQueue(found)
    enqueue(found)
  }

  /// Resets a stream that the worker does not know, or fails.
  mutating func refuse(_ index: Int, _ number: Int32, _ fault: StreamFault) {
    resetStream(index, number, fault.code)
    countReset(index, .fault(fault))
    if !sessions[index].isClient, let flood = take(.reset, index) { endSession(index, flood) }
  }

  mutating func resetStream(_ index: Int, _ number: Int32, _ code: HTTP2Error) {
    var word = code.rawValue.bigEndian
    withUnsafeBytes(of: &word) {
      _ = write(index, FrameHeader(length: 4, type: .resetStream, stream: number), $0)
    }
    sessions[index].resetAt = base.now
  }

  /// The time for which frames of a stream that steelyard has reset may still come.
  private static var resetMemory: Nanoseconds { .seconds(5) }

  /// Whether frames for a closed stream may have been sent before the peer learnt of its end.
  func mayBeLate(_ index: Int) -> Bool {
    base.now - sessions[index].resetAt < Self.resetMemory
  }
}
