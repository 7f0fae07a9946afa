// Finds the content in a message's bytes and its end (RFC 9112 §6, §7.1). For a relay it validates
// what is passed on unchanged; for an endpoint it gives the content alone.
// Invariant: the same pieces, joined, for every way of splitting the bytes.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// The state of reading one message's content.
@frozen public struct ContentReader: Sendable {
  /// One step of `next`.
  public enum Piece: Sendable, Equatable {
    /// Content: this many bytes, which end at the new offset.
    case content(Int)
    /// The bytes are used up, the message goes on.
    case more
    /// The message ends at the offset.
    case complete
    case malformed(HeadError)
  }

  @usableFromInline enum State: UInt8, Sendable {
    case counted, endless, done
    case size, sizeEnd, `extension`, sizeLF, data, dataCR, dataLF
    case trailerStart, trailerName, trailerValue, trailerLF, endLF
  }

  /// A chunk size line's extensions, bytes (they mean nothing to us).
  static let extensionMax = 256
  /// All trailer fields, bytes.
  static let trailerMax = 8_192

  @usableFromInline var state: State
  /// Of the length or of the chunk.
  @usableFromInline var remaining: Int
  /// Digits of the size, or bytes of extension or trailer so far.
  @usableFromInline var used = 0
  /// Of the trailer field that is being read.
  @usableFromInline var name = TrailerName()

  @inlinable public init(_ framing: Framing) {
    switch framing {
    case .none: (state, remaining) = (.done, 0)
    case .length(let count): (state, remaining) = (count > 0 ? .counted : .done, count)
    case .chunked: (state, remaining) = (.size, 0)
    case .untilClose: (state, remaining) = (.endless, 0)
    }
  }

  @inlinable public var isComplete: Bool { state == .done }
  /// Content that only the connection's end completes.
  @inlinable public var isUntilClose: Bool { state == .endless }
  /// How many bytes the message still has, where that is known.
  @inlinable public var remainingCount: Int? { state == .counted ? remaining : nil }

  /// Passes over content that was not looked at. Requires: count ≤ remainingCount.
  public mutating func skip(_ count: Int) {
    precondition(state == .counted && count <= remaining)
    remaining -= count
    if remaining == 0 { state = .done }
  }

  /// The next piece of `buffer` from `offset` on; moves `offset` past it.
  public mutating func next(
    _ buffer: UnsafeRawBufferPointer, _ offset: inout Int
  ) -> Piece {
    switch state {
    case .done: return .complete
    case .endless:
      let count = buffer.count - offset
      offset = buffer.count
      return count > 0 ? .content(count) : .more
    case .counted, .data:
      let count = min(remaining, buffer.count - offset)
      if count == 0 { return .more }
      offset += count
      remaining -= count
      if remaining == 0 { state = state == .data ? .dataCR : .done }
      return .content(count)
    default:
      return frame(buffer, &offset)
    }
  }

  /// The bytes between chunks' data, one at a time.
  private mutating func frame(
    _ buffer: UnsafeRawBufferPointer, _ offset: inout Int
  ) -> Piece {
    while offset < buffer.count {
      if let error = step(buffer[offset]) { return .malformed(error) }
      offset += 1
      if state == .done { return .complete }
      if state == .data { return next(buffer, &offset) }
    }
    return .more
  }

  private mutating func step(_ byte: UInt8) -> HeadError? {
    switch state {
    case .size: return stepSize(byte)
    case .sizeEnd, .extension: return stepExtension(byte)
    case .sizeLF:
      guard byte == 0x0A else { return .badChunkSize }
      state = remaining > 0 ? .data : .trailerStart
      used = 0
    case .dataCR:
      guard byte == 0x0D else { return .badChunkEnd }
      state = .dataLF
    case .dataLF:
      guard byte == 0x0A else { return .badChunkEnd }
      state = .size
      used = 0
    case .endLF:
      guard byte == 0x0A else { return .badTrailer }
      state = .done
    default: return stepTrailer(byte)
    }
    return nil
  }

  /// 1*HEXDIG, at most 15 of them (RFC 9112 §7.1: overflow has to be guarded against).
  private mutating func stepSize(_ byte: UInt8) -> HeadError? {
    let digit: Int
    switch byte {
    case 0x30...0x39: digit = Int(byte - 0x30)
    case 0x41...0x46: digit = Int(byte - 0x41) + 10
    case 0x61...0x66: digit = Int(byte - 0x61) + 10
    default:
      if used == 0 { return .badChunkSize }
      used = 0
      state = .sizeEnd
      return stepExtension(byte)
    }
    if used == 15 { return .badChunkSize }
    remaining = used == 0 ? digit : remaining * 16 + digit
    used += 1
    return nil
  }

  /// After the size: CRLF, or ";" and extensions. White space before ";" is BAD white space.
  private mutating func stepExtension(_ byte: UInt8) -> HeadError? {
    if byte == 0x0D {
      state = .sizeLF
      return nil
    }
    if state == .sizeEnd {
      guard byte == 0x3B else { return .badChunkSize }
      state = .extension
    }
    used += 1
    let isText = byte >= 0x20 && byte != 0x7F || byte == 0x09
    return isText && used <= Self.extensionMax ? nil : .badChunkExtension
  }

  /// Trailer fields are checked as bytes: names of token characters that may stand there, values
  /// without controls.
  private mutating func stepTrailer(_ byte: UInt8) -> HeadError? {
    used += 1
    if used > Self.trailerMax { return .badTrailer }
    switch state {
    case .trailerStart:
      if byte == 0x0D {
        state = .endLF
        return nil
      }
      guard ByteClasses.classes(of: byte) & ByteClasses.token != 0 else { return .badTrailer }
      state = .trailerName
      name = TrailerName()
      name.take(byte)
    case .trailerName:
      if byte == 0x3A {
        if name.isForbidden { return .badTrailer }
        state = .trailerValue
        return nil
      }
      guard ByteClasses.classes(of: byte) & ByteClasses.token != 0 else { return .badTrailer }
      name.take(byte)
    case .trailerValue:
      if byte == 0x0D {
        state = .trailerLF
        return nil
      }
      guard byte >= 0x20 && byte != 0x7F || byte == 0x09 else { return .badTrailer }
    default:
      guard byte == 0x0A else { return .badTrailer }
      state = .trailerStart
    }
    return nil
  }
}
