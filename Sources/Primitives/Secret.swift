// A token that clients have to know. A comparison takes the same time whatever is compared, and the
// token's text does not get into logs.

/// A bearer token: 16 to 4096 bytes of visible ASCII.
public struct Secret: Sendable, CustomStringConvertible, CustomReflectable {
  /// The allowed length of a token, in bytes.
  public static let byteCountRange = 16...4_096

  /// The token, padded with zeros to the longest length.
  private let padded: [UInt8]
  private let byteCount: Int

  /// nil for bytes that are not visible ASCII, and for too few or too many.
  public init?(_ bytes: some Collection<UInt8>) {
    guard Self.byteCountRange.contains(bytes.count), bytes.allSatisfy(Self.isVisible) else {
      return nil
    }
    byteCount = bytes.count
    padded = Self.padded(bytes)
  }

  /// Whether `bytes` equal the token. The time depends only on the number of `bytes`, not on the
  /// token or on the length of a common prefix.
  @inline(never)
  public func matches(_ bytes: some Collection<UInt8>) -> Bool {
    let other = Self.padded(bytes)
    var difference = UInt(bitPattern: bytes.count ^ byteCount)
    for index in 0..<Self.byteCountRange.upperBound {
      difference |= UInt(padded[index] ^ other[index])
    }
    return difference == 0
  }

  /// Whether this is the same token as another.
  public func matches(_ other: Secret) -> Bool {
    matches(other.padded.prefix(other.byteCount))
  }

  /// The token itself, to be sent.
  public var text: String { String(decoding: padded.prefix(byteCount), as: UTF8.self) }

  /// Never the token.
  public var description: String { "(secret)" }
  public var customMirror: Mirror { Mirror(self, children: []) }

  private static func padded(_ bytes: some Collection<UInt8>) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: byteCountRange.upperBound)
    for (index, byte) in bytes.prefix(byteCountRange.upperBound).enumerated() {
      result[index] = byte
    }
    return result
  }

  /// Visible ASCII, without the space.
  public static func isVisible(_ byte: UInt8) -> Bool { (0x21...0x7E).contains(byte) }
}
