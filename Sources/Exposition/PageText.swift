// A name or a label value on the page: borrowed bytes that still contain escapes. Escapes are `\\`,
// `\"` and `\n`; a backslash before any other byte stands for itself, as in Prometheus.
import CSystem

/// The bytes between quotes, or a bare name. Valid as long as the page's memory is.
public struct PageText {
  /// The bytes as written, without the quotes.
  public let bytes: UnsafeRawBufferPointer
  /// Whether there is a backslash, so that `bytes` differ from the unescaped text.
  public let hasEscapes: Bool

  @inlinable public init(bytes: UnsafeRawBufferPointer, hasEscapes: Bool) {
    self.bytes = bytes
    self.hasEscapes = hasEscapes
  }

  /// Whether the unescaped text equals `other`. Does not allocate for a native string.
  @inlinable public func equals(_ other: String) -> Bool {
    let count = other.utf8.count
    guard hasEscapes ? count <= bytes.count : count == bytes.count else { return false }
    return other.utf8.withContiguousStorageIfAvailable { equals(UnsafeRawBufferPointer($0)) }
      ?? unescapedEquals(other.utf8)
  }

  /// Whether the unescaped text is `other`, byte for byte. Does not allocate.
  public func equals(_ other: UnsafeRawBufferPointer) -> Bool {
    if hasEscapes { return unescapedEquals(other) }
    guard other.count == bytes.count else { return false }
    guard let a = bytes.baseAddress, let b = other.baseAddress else { return true }
    return memcmp(a, b, bytes.count) == 0
  }

  @usableFromInline func unescapedEquals(_ other: some Sequence<UInt8>) -> Bool {
    var mine = UnescapedBytes(bytes)
    for byte in other {
      guard mine.next() == byte else { return false }
    }
    return mine.next() == nil
  }

  /// Appends the unescaped text.
  public func append(to out: inout [UInt8]) {
    guard hasEscapes else { return out.append(contentsOf: bytes) }
    var iterator = UnescapedBytes(bytes)
    while let byte = iterator.next() { out.append(byte) }
  }

  /// The unescaped text as a string. Allocates beyond 15 bytes.
  public var string: String {
    guard hasEscapes else { return String(decoding: bytes, as: UTF8.self) }
    var unescaped: [UInt8] = []
    append(to: &unescaped)
    return String(decoding: unescaped, as: UTF8.self)
  }
}

/// The bytes of a quoted text with its escapes resolved.
struct UnescapedBytes: IteratorProtocol {
  private let bytes: UnsafeRawBufferPointer
  private var index = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  mutating func next() -> UInt8? {
    guard index < bytes.count else { return nil }
    let byte = bytes[index]
    index += 1
    guard byte == ByteClass.backslash, index < bytes.count else { return byte }
    switch bytes[index] {
    case UInt8(ascii: "n"):
      index += 1
      return UInt8(ascii: "\n")
    case ByteClass.quote, ByteClass.backslash:
      index += 1
      return bytes[index - 1]
    default:
      return byte
    }
  }
}
