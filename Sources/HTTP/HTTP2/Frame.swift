// The frames of HTTP/2 (RFC 9113 §4, §6): their header, types, flags, and the numbers of settings
// and errors.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// What a client begins a connection with (RFC 9113 §3.4).
public enum ConnectionPreface {
  public static let text: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
  public static let byteCount = 24
}

/// The types of frames. Frames of other types are ignored (RFC 9113 §4.1).
public enum FrameType: UInt8, Sendable, CaseIterable {
  case data, headers, priority, resetStream, settings, pushPromise, ping, goAway, windowUpdate
  case continuation
}

/// The flags of frames. Their meaning depends on the frame's type.
public enum FrameFlag {
  public static let endStream: UInt8 = 0x01
  /// Of SETTINGS and PING.
  public static let ack: UInt8 = 0x01
  public static let endHeaders: UInt8 = 0x04
  public static let padded: UInt8 = 0x08
  public static let priority: UInt8 = 0x20
}

/// The nine bytes before a frame's payload (RFC 9113 §4.1).
@frozen public struct FrameHeader: Sendable, Equatable {
  public static let byteCount = 9
  /// The length of the payload, bytes. Range 0...2^24 − 1.
  public var length: Int
  public var type: UInt8
  public var flags: UInt8
  /// The stream; 0: the connection.
  public var stream: Int32

  @inlinable public init(length: Int, type: FrameType, flags: UInt8 = 0, stream: Int32 = 0) {
    self.length = length
    self.type = type.rawValue
    self.flags = flags
    self.stream = stream
  }

  /// Reads a header. Requires: nine bytes at `source`. The reserved bit is ignored.
  @inlinable public init(at source: UnsafeRawPointer) {
    let word = UInt32(bigEndian: source.loadUnaligned(as: UInt32.self))
    length = Int(word >> 8)
    type = UInt8(truncatingIfNeeded: word)
    flags = source.load(fromByteOffset: 4, as: UInt8.self)
    let number = UInt32(bigEndian: source.loadUnaligned(fromByteOffset: 5, as: UInt32.self))
    stream = Int32(truncatingIfNeeded: number & 0x7FFF_FFFF)
  }

  /// Writes the header. Requires: room for nine bytes at `target`.
  @inlinable public func write(to target: UnsafeMutableRawPointer) {
    let word = UInt32(truncatingIfNeeded: length) << 8 | UInt32(type)
    target.storeBytes(of: word.bigEndian, as: UInt32.self)
    target.storeBytes(of: flags, toByteOffset: 4, as: UInt8.self)
    target.storeBytes(of: stream.bigEndian, toByteOffset: 5, as: Int32.self)
  }
}

/// The parameters of SETTINGS that are read or sent (RFC 9113 §6.5.2). Others are ignored.
public enum Setting: UInt16, Sendable {
  case headerTableSize = 1
  case enablePush, concurrentStreamsMax, initialWindowSize, frameSizeMax, headerListSizeMax
}

/// The error codes of RST_STREAM and GOAWAY (RFC 9113 §7).
public enum HTTP2Error: UInt32, Sendable, CaseIterable {
  case noError, protocolError, internalError, flowControlError, settingsTimeout, streamClosed
  case frameSizeError, refusedStream, cancel, compressionError, connectError, enhanceYourCalm
  case inadequateSecurity, http11Required
}
