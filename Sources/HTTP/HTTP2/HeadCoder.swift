// Heads of HTTP/2 as text of HTTP/1.1, and back (RFC 9113 §8, RFC 7541). Blocks are decoded by
// libnghttp2; the fields' rules are here. Blocks that are written use no table and no Huffman
// codes. Invariant: the text holds one head, no CR, LF or NUL of the peer's, and ends with it.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CNghttp2

/// What decoding a block of fields gave.
public enum DecodedHead: Sendable, Equatable {
  case head(HeadFacts)
  /// The stream is to be reset; the next block can be decoded.
  case malformed(HeadFault)
  /// There are too many fields or bytes; the next block can be decoded.
  case tooLarge
  /// The fields are more than `HeadCoder.listBytesMax`: the connection is to be ended.
  case bomb
  /// The block cannot be decoded, or there is no memory: the connection is to be ended.
  case broken
}

/// What is known of a decoded head beside its text.
public struct HeadFacts: Sendable, Equatable {
  /// The content's framing in the text: none, a length, or chunks.
  public var framing = Framing.none
  /// The declared length of the content, bytes; −1: none. With gRPC it is not in the text.
  public var contentLength = -1
  /// The status; 0: of a request or trailers.
  public var status = 0
  public var isInterim = false
  /// `grpc-status`: 0...16; 17: another one; −1: none.
  public var grpcStatus: Int16 = -1
  /// The content is gRPC, and not gRPC-Web.
  public var isGRPC = false
  public init() {}
}

/// The HPACK state of one connection, both ways. Invalid after `free`.
public struct HeadCoder: BitwiseCopyable {
  /// The most bytes of fields in one block, by RFC 9113 §6.5.2: 32 more than name and value each.
  public static let listBytesMax = 262_144
  /// The size of the decoder's dynamic table that every peer may expect (RFC 9113 §6.5.2), bytes.
  public static let tableBytes = 4_096
  /// A room of so many bytes is enough for the block of any head: a field's line has as many bytes
  /// beside name and value as the block, unless they are long.
  public static let blockBytesMax = HeadParser.byteCountMax + 512

  /// Whether the peer is to be told that blocks use no table.
  enum TableNotice: UInt8 { case needless, due, given }

  let store: UnsafeMutablePointer<FieldStore>
  let inflater: OpaquePointer
  var tableNotice = TableNotice.needless

  /// nil: out of memory. Requires: `memory` outlives the coder, which stays on its thread.
  public init?(_ memory: FieldMemory) {
    var inflater: OpaquePointer?
    guard nghttp2_hd_inflate_new2(&inflater, memory.store.pointee.callbacks) == 0, let inflater
    else { return nil }
    store = memory.store
    self.inflater = inflater
  }

  /// Gives the memory back. Requires: it was not called before.
  public func free() { nghttp2_hd_inflate_del(inflater) }

  /// The peer's SETTINGS_HEADER_TABLE_SIZE, bytes.
  public mutating func setPeerTableSize(_ byteCount: Int) {
    if byteCount < Self.tableBytes, tableNotice == .needless { tableNotice = .due }
  }
}
