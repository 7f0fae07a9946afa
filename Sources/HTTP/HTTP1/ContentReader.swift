// Finds the content in a message's bytes and its end (RFC 9112 §6, §7.1). For a relay it says what
// is passed on; for an endpoint it gives the content alone.
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
    case size, sizeSpace, sizeLF, data, dataCR, dataLF
    // Chunk extensions: before a name, in it, after it, before a value, in it, after it.
    case extensionStart, extensionName, extensionNameSpace, extensionValueStart, extensionValue
    case extensionValueSpace, extensionQuoted, extensionEscape, extensionQuotedEnd
    case trailerStart, trailerName, trailerLongName, trailerValue, trailerLF, endLF
  }

  /// What becomes of a byte between chunks' data where the message is passed on.
  private enum Fate {
    case kept, dropped
    /// A byte of a trailer field's name: kept or dropped with the field.
    case held
    /// Kept, behind the name that was held.
    case released
    case refused(HeadError)
  }

  /// A chunk size line's extensions, bytes (they mean nothing to us).
  static let extensionMax = 256
  /// All trailer fields, bytes.
  static let trailerMax = 8_192

  @usableFromInline var state: State
  /// The trailer field that is being read may not be one.
  @usableFromInline var dropsField = false
  /// Of the length or of the chunk.
  @usableFromInline var remaining: Int
  /// Digits of the size, or bytes of extension or trailer so far.
  @usableFromInline var used = 0
  /// Of the trailer field that is being read, as long as its fate is open.
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

  /// The bytes of the trailer section that were read, its last line end included without its LF; 0
  /// before the section.
  @inlinable public var trailerByteCount: Int {
    switch state {
    case .trailerStart, .trailerName, .trailerLongName, .trailerValue, .trailerLF, .endLF, .done:
      used
    default: 0
    }
  }

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
    while true {
      switch state {
      case .done: return .complete
      case .endless, .counted, .data:
        let count = takeContent(buffer.count - offset)
        offset += count
        return count > 0 ? .content(count) : .more
      default:
        if offset == buffer.count { return .more }
        if case .refused(let error) = step(buffer[offset]) { return .malformed(error) }
        offset += 1
      }
    }
  }

  /// What of some bytes is passed on.
  @frozen public struct Relayed: Sendable {
    /// Where that begins: 0, or before the bytes, where a name that was held came back.
    public var start = 0
    public var end = 0
    /// How many of the bytes belong to the message.
    public var consumedCount = 0
    /// How many of those are content.
    public var contentCount = 0
    public var error: HeadError?
    @inlinable public init() {}
  }

  /// Reads all of `bytes` that belongs to the message, and moves what is passed on together in
  /// their place: without chunk extensions (RFC 9112 §7.1.1: who does not know them ignores them)
  /// and without trailer fields that may not be any (RFC 9110 §6.5.1). With `contentOnly` it is the
  /// content alone. What is malformed is not passed on, nor what comes after it.
  /// Requires: after an earlier call, `TrailerName.byteCountMax` bytes may be written before
  /// `bytes`.
  public mutating func relay(
    _ bytes: UnsafeMutableRawBufferPointer, contentOnly: Bool = false
  ) -> Relayed {
    var result = Relayed()
    guard let base = bytes.baseAddress else { return result }
    if !contentOnly { result.start = -name.count }
    result.end = result.start
    var offset = 0
    loop: while offset < bytes.count {
      switch state {
      case .done: break loop
      case .endless, .counted, .data:
        let count = takeContent(bytes.count - offset)
        if result.end != offset {
          (base + result.end).copyMemory(from: base + offset, byteCount: count)
        }
        offset += count
        result.end += count
        result.contentCount += count
      default:
        let byte = bytes[offset]
        switch step(byte) {
        case .refused(let error):
          result.error = error
          break loop
        case .dropped, .held: break
        case .kept where contentOnly: break
        case .released where contentOnly: name = TrailerName()
        case .kept:
          base.storeBytes(of: byte, toByteOffset: result.end, as: UInt8.self)
          result.end += 1
        case .released:
          result.end += name.move(to: base + result.end)
          base.storeBytes(of: byte, toByteOffset: result.end, as: UInt8.self)
          result.end += 1
        }
        offset += 1
      }
    }
    result.consumedCount = offset
    return result
  }

  /// Takes content, as much as there is of it. Requires: the state is one of content.
  private mutating func takeContent(_ available: Int) -> Int {
    if state == .endless { return available }
    let count = min(remaining, available)
    remaining -= count
    if remaining == 0 { state = state == .data ? .dataCR : .done }
    return count
  }

  /// The bytes between chunks' data, one at a time.
  private mutating func step(_ byte: UInt8) -> Fate {
    switch state {
    case .size: return stepSize(byte)
    case .sizeLF:
      guard byte == 0x0A else { return .refused(.badChunkSize) }
      state = remaining > 0 ? .data : .trailerStart
      used = 0
    case .dataCR:
      guard byte == 0x0D else { return .refused(.badChunkEnd) }
      state = .dataLF
    case .dataLF:
      guard byte == 0x0A else { return .refused(.badChunkEnd) }
      state = .size
      used = 0
    case .endLF:
      guard byte == 0x0A else { return .refused(.badTrailer) }
      state = .done
    case .trailerStart, .trailerName, .trailerLongName, .trailerValue, .trailerLF:
      return stepTrailer(byte)
    default: return stepExtension(byte)
    }
    return .kept
  }

  /// 1*HEXDIG, at most 15 of them (RFC 9112 §7.1: overflow has to be guarded against).
  private mutating func stepSize(_ byte: UInt8) -> Fate {
    let digit: Int
    switch byte {
    case 0x30...0x39: digit = Int(byte - 0x30)
    case 0x41...0x46: digit = Int(byte - 0x41) + 10
    case 0x61...0x66: digit = Int(byte - 0x61) + 10
    default: return endSize(byte)
    }
    if used == 15 { return .refused(.badChunkSize) }
    remaining = used == 0 ? digit : remaining * 16 + digit
    used += 1
    return .kept
  }

  /// After the size: CRLF, or extensions, which may have white space before them.
  private mutating func endSize(_ byte: UInt8) -> Fate {
    if used == 0 { return .refused(.badChunkSize) }
    used = 0
    switch byte {
    case 0x0D:
      state = .sizeLF
      return .kept
    case 0x20, 0x09: state = .sizeSpace
    case 0x3B: state = .extensionStart
    default: return .refused(.badChunkSize)
    }
    return .dropped
  }

  /// `*( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )` (RFC 9112 §7.1.1).
  private mutating func stepExtension(_ byte: UInt8) -> Fate {
    used += 1
    if used > Self.extensionMax { return .refused(.badChunkExtension) }
    let isToken = ByteClasses.isToken(byte)
    let isSpace = byte == 0x20 || byte == 0x09
    switch (state, byte) {
    case (.sizeSpace, 0x20), (.sizeSpace, 0x09), (.extensionStart, 0x20), (.extensionStart, 0x09),
      (.extensionNameSpace, 0x20), (.extensionNameSpace, 0x09), (.extensionValueStart, 0x20),
      (.extensionValueStart, 0x09), (.extensionValueSpace, 0x20), (.extensionValueSpace, 0x09):
      break
    case (.sizeSpace, 0x3B), (.extensionName, 0x3B), (.extensionNameSpace, 0x3B),
      (.extensionValue, 0x3B), (.extensionValueSpace, 0x3B), (.extensionQuotedEnd, 0x3B):
      state = .extensionStart
    case (.sizeSpace, _): return .refused(.badChunkSize)
    case (.extensionName, 0x0D), (.extensionValue, 0x0D), (.extensionQuotedEnd, 0x0D):
      state = .sizeLF
      return .kept
    case (.extensionName, 0x3D), (.extensionNameSpace, 0x3D): state = .extensionValueStart
    case (.extensionValueStart, 0x22): state = .extensionQuoted
    case (.extensionStart, _) where isToken: state = .extensionName
    case (.extensionName, _) where isToken: break
    case (.extensionName, _) where isSpace: state = .extensionNameSpace
    case (.extensionValueStart, _) where isToken: state = .extensionValue
    case (.extensionValue, _) where isToken: break
    case (.extensionValue, _) where isSpace, (.extensionQuotedEnd, _) where isSpace:
      state = .extensionValueSpace
    case (.extensionQuoted, 0x22): state = .extensionQuotedEnd
    case (.extensionQuoted, 0x5C): state = .extensionEscape
    case (.extensionQuoted, _) where isSpace || byte > 0x20 && byte != 0x7F: break
    case (.extensionEscape, _) where isSpace || byte > 0x20 && byte != 0x7F:
      state = .extensionQuoted
    default: return .refused(.badChunkExtension)
    }
    return .dropped
  }

  /// Trailer fields are checked as bytes: names of token characters, values without controls.
  private mutating func stepTrailer(_ byte: UInt8) -> Fate {
    used += 1
    if used > Self.trailerMax { return .refused(.badTrailer) }
    let isToken = ByteClasses.isToken(byte)
    switch state {
    case .trailerStart:
      dropsField = false
      if byte == 0x0D {
        state = .endLF
        return .kept
      }
      guard isToken else { return .refused(.badTrailer) }
      state = .trailerName
      name = TrailerName()
      name.take(byte)
      return .held
    case .trailerName:
      if byte == 0x3A {
        state = .trailerValue
        guard name.isForbidden else { return .released }
        dropsField = true
        name = TrailerName()
        return .dropped
      }
      guard isToken else { return .refused(.badTrailer) }
      if name.take(byte) { return .held }
      // Longer than any name that is looked for.
      state = .trailerLongName
      return .released
    case .trailerLongName:
      if byte == 0x3A {
        state = .trailerValue
      } else if !isToken {
        return .refused(.badTrailer)
      }
    case .trailerValue:
      if byte == 0x0D {
        state = .trailerLF
      } else if byte < 0x20 && byte != 0x09 || byte == 0x7F {
        return .refused(.badTrailer)
      }
    default:
      guard byte == 0x0A else { return .refused(.badTrailer) }
      state = .trailerStart
    }
    return dropsField ? .dropped : .kept
  }
}
