// From blocks to text. A block is decoded to its end whatever is wrong with its fields, because the
// next one depends on the table that it leaves.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CNghttp2

extension HeadCoder {
  /// Appends the text of a request head. `block`: the whole block, of HEADERS and CONTINUATIONs.
  /// `isEnd`: no content follows. Nothing is appended unless the result is `.head`.
  public func decodeRequest(
    _ block: UnsafeRawBufferPointer, isEnd: Bool, into writer: inout ByteWriter
  ) -> DecodedHead {
    var text = HeadText(.request, isEnd: isEnd, store)
    return decode(block, &text, &writer)
  }

  /// Appends the text of a response head; otherwise as `decodeRequest`.
  public func decodeResponse(
    _ block: UnsafeRawBufferPointer, isEnd: Bool, isHeadRequest: Bool,
    into writer: inout ByteWriter
  ) -> DecodedHead {
    var text = HeadText(.response, isEnd: isEnd, store)
    text.isHeadRequest = isHeadRequest
    return decode(block, &text, &writer)
  }

  /// Appends field lines, without an empty line; otherwise as `decodeRequest`.
  public func decodeTrailers(
    _ block: UnsafeRawBufferPointer, into writer: inout ByteWriter
  ) -> DecodedHead {
    var text = HeadText(.trailers, isEnd: true, store)
    return decode(block, &text, &writer)
  }

  @inline(__always)
  private func decode(
    _ block: UnsafeRawBufferPointer, _ text: inout HeadText, _ writer: inout ByteWriter
  ) -> DecodedHead {
    let start = writer.end
    let failure = inflate(block, &text, &writer)
    if failure == nil, !text.hasFailed { text.finish(&writer) }
    if failure == nil, !text.hasFailed, !writer.isOver { return .head(text.facts) }
    writer.end = start
    let isTooLarge = writer.isOver || text.isTooLarge
    writer.isOver = false
    if let failure { return failure }
    if let fault = text.fault { return .malformed(fault) }
    assert(isTooLarge)
    return .tooLarge
  }

  /// Reads all fields of the block. nil: to its end.
  @inline(__always)
  private func inflate(
    _ block: UnsafeRawBufferPointer, _ text: inout HeadText, _ writer: inout ByteWriter
  ) -> DecodedHead? {
    guard var next = block.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return nil }
    var rest = block.count
    var listBytes = 0
    var fieldCount = 0
    while rest > 0 {
      var field = nghttp2_nv()
      var flags: Int32 = 0
      let taken = nghttp2_hd_inflate_hd2(inflater, &field, &flags, next, rest, 1)
      guard taken >= 0 else { return .broken }
      next += taken
      rest &-= taken
      guard flags & Int32(NGHTTP2_HD_INFLATE_EMIT.rawValue) != 0 else { continue }
      listBytes &+= field.namelen &+ field.valuelen &+ 32
      if listBytes > Self.listBytesMax { return .bomb }
      fieldCount &+= 1
      if fieldCount > FieldStore.fieldsMax { text.isTooLarge = true }
      if text.hasFailed || writer.isOver { continue }
      text.take(
        FieldBytes(name: field.name, field.namelen, value: field.value, field.valuelen), &writer)
    }
    nghttp2_hd_inflate_end_headers(inflater)
    return nil
  }
}
