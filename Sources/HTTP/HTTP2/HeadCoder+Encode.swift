// From text to blocks. A block refers to no earlier one and changes no table, so that one that is
// not sent after all does no harm.
// HOT PATH: no allocation, no lock, no existential, no clock.

extension HeadCoder {
  /// Writes the block of a request head. `head` and `fields`: as `HeadParser` gave them. Returns
  /// the bytes written; nil: there is no room. `blockBytesMax` bytes are room enough.
  public mutating func encodeRequest(
    _ head: RequestHead, _ fields: FieldTable, isSecure: Bool,
    into room: UnsafeMutableRawBufferPointer
  ) -> Int? {
    guard let bytes = fields.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
      var block = begin(room)
    else { return nil }
    switch head.method {
    case .get: block.write(0x82)
    case .post: block.write(0x83)
    default: block.write(2, bytes + head.start, head.methodEnd - head.start)
    }
    block.write(isSecure ? 0x87 : 0x86)
    if head.authorityEnd > head.authorityStart {
      block.write(1, bytes + head.authorityStart, head.authorityEnd - head.authorityStart)
    }
    writePath(head, bytes, to: &block)
    for index in 0..<fields.count where fields[index].name != .host {
      write(fields[index], of: bytes, to: &block)
    }
    if block.isGRPC { writeTE(to: &block) }
    return end(block)
  }

  /// Writes the block of a response head; otherwise as `encodeRequest`.
  public mutating func encodeResponse(
    _ head: ResponseHead, _ fields: FieldTable, into room: UnsafeMutableRawBufferPointer
  ) -> Int? {
    guard let bytes = fields.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
      var block = begin(room)
    else { return nil }
    switch head.status {
    case 200: block.write(0x88)
    case 204: block.write(0x89)
    case 206: block.write(0x8A)
    case 304: block.write(0x8B)
    case 400: block.write(0x8C)
    case 404: block.write(0x8D)
    case 500: block.write(0x8E)
    // The three digits of "HTTP/1.1 503".
    default: block.write(8, bytes + 9, 3)
    }
    for index in 0..<fields.count { write(fields[index], of: bytes, to: &block) }
    // An answer of trailers alone has no content that could have a length.
    if block.isGRPC { block.removeZeroLength() }
    return end(block)
  }

  /// Writes the block of a trailer section. `lines`: lines `name: value` with CRLF, as content in
  /// chunks has them. Lines that are none are left out. Otherwise as `encodeRequest`.
  public mutating func encodeTrailers(
    _ lines: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer
  ) -> Int? {
    guard let bytes = lines.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return 0 }
    guard var block = begin(room) else { return nil }
    var start = 0
    while start < lines.count {
      let nameEnd = store.pointee.classes.skipName(bytes, start, lines.count)
      var end = nameEnd
      while end < lines.count, bytes[end] != 0x0A { end &+= 1 }
      if nameEnd > start, nameEnd < end, bytes[nameEnd] == 0x3A {
        writeLine(bytes, start, nameEnd, end, to: &block)
      }
      start = end &+ 1
    }
    return end(block)
  }

  /// A peer whose table is smaller than RFC 7541 begins with has to be told that ours is: it is
  /// empty, once for all (§4.2).
  @inline(__always)
  private func begin(_ room: UnsafeMutableRawBufferPointer) -> BlockWriter? {
    guard var block = BlockWriter(room) else { return nil }
    if tableNotice == .due { block.write(0x20) }
    return block
  }

  @inline(__always) private mutating func end(_ block: BlockWriter) -> Int? {
    guard !block.isOver else { return nil }
    if tableNotice == .due { tableNotice = .given }
    return block.count
  }

  @inline(__always)
  private func writePath(
    _ head: RequestHead, _ bytes: UnsafePointer<UInt8>, to block: inout BlockWriter
  ) {
    let (start, count) = (head.targetStart, head.targetEnd - head.targetStart)
    if count > 0, bytes[start] != 0x3F {
      block.write(4, bytes + start, count)
    } else if count == 0 {
      // An absolute form without a path (RFC 9113 §8.3.1).
      head.method == .options ? block.write(4, "*") : block.write(0x84)
    } else {
      writeRootPath(bytes + start, count, to: &block)
    }
  }

  /// Writes a path to which the slash was missing: a query alone.
  @inline(never)
  private func writeRootPath(
    _ query: UnsafePointer<UInt8>, _ count: Int, to block: inout BlockWriter
  ) {
    let path = store.pointee.scratch
    path[0] = 0x2F
    let fitting = min(count, FieldStore.scratchBytes - 1)
    (path + 1).update(from: query, count: fitting)
    block.write(4, path, fitting + 1)
  }

  private func writeTE(to block: inout BlockWriter) {
    let (name, value) = ("te" as StaticString, "trailers" as StaticString)
    // As a field of HTTP/1, `te` is left out.
    block.write(
      .other, name.utf8Start, name.utf8CodeUnitCount, value.utf8Start, value.utf8CodeUnitCount)
  }

  @inline(__always)
  private func write(
    _ field: Field, of bytes: UnsafePointer<UInt8>, to block: inout BlockWriter
  ) {
    let (start, valueStart) = (Int(field.start), Int(field.valueStart))
    block.write(
      field.name, bytes + start, Int(field.nameEnd) &- start, bytes + valueStart,
      Int(field.valueEnd) &- valueStart)
  }

  /// Writes the line that ends before the LF at `end`, without white space around the value.
  private func writeLine(
    _ bytes: UnsafePointer<UInt8>, _ start: Int, _ nameEnd: Int, _ end: Int,
    to block: inout BlockWriter
  ) {
    var (valueStart, valueEnd) = (nameEnd &+ 1, end)
    if valueEnd > valueStart, bytes[valueEnd &- 1] == 0x0D { valueEnd &-= 1 }
    while valueStart < valueEnd, Words.isBlank(bytes[valueStart]) { valueStart &+= 1 }
    while valueEnd > valueStart, Words.isBlank(bytes[valueEnd &- 1]) { valueEnd &-= 1 }
    let (nameCount, valueCount) = (nameEnd &- start, valueEnd &- valueStart)
    guard store.pointee.classes.skipValue(bytes, valueStart, valueEnd) == valueEnd,
      max(nameCount, valueCount) <= HeadParser.byteCountMax
    else { return }
    block.write(
      FieldName.match(bytes + start, nameCount), bytes + start, nameCount, bytes + valueStart,
      valueCount)
  }
}
