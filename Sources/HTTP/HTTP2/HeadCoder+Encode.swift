// From text to blocks. Room is checked before anything is encoded: after a block that was not sent
// the peer's table would differ from ours.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CNghttp2

extension HeadCoder {
  /// Writes the block of a request head. `head` and `fields`: as `HeadParser` gave them. Returns
  /// the bytes written; nil: there is no room, or the head has too many fields, or there is no
  /// memory. `blockBytesMax` bytes are room enough.
  public func encodeRequest(
    _ head: RequestHead, _ fields: FieldTable, isSecure: Bool,
    into room: UnsafeMutableRawBufferPointer
  ) -> Int? {
    guard let bytes = fields.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
      return nil
    }
    var list = FieldList(store)
    list.add(":method", bytes + head.start, head.methodEnd - head.start)
    isSecure ? list.add(":scheme", "https") : list.add(":scheme", "http")
    if head.authorityEnd > head.authorityStart {
      let count = head.authorityEnd - head.authorityStart
      list.add(":authority", bytes + head.authorityStart, count)
    }
    if head.targetEnd > head.targetStart, bytes[head.targetStart] != 0x3F {
      list.add(":path", bytes + head.targetStart, head.targetEnd - head.targetStart)
    } else if head.targetEnd == head.targetStart {
      // An absolute form without a path (RFC 9113 §8.3.1).
      head.method == .options ? list.add(":path", "*") : list.add(":path", "/")
    } else {
      list.addRootPath(bytes + head.targetStart, head.targetEnd - head.targetStart)
    }
    for index in 0..<fields.count where fields[index].name != .host {
      list.add(fields[index], of: bytes)
    }
    if list.isGRPC { list.add("te", "trailers") }
    return encode(list, into: room)
  }

  /// Writes the block of a response head; otherwise as `encodeRequest`.
  public func encodeResponse(
    _ head: ResponseHead, _ fields: FieldTable, into room: UnsafeMutableRawBufferPointer
  ) -> Int? {
    guard let bytes = fields.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else {
      return nil
    }
    var list = FieldList(store)
    // The three digits of "HTTP/1.1 200".
    list.add(":status", bytes + 9, 3)
    for index in 0..<fields.count { list.add(fields[index], of: bytes) }
    // An answer of trailers alone has no content that could have a length.
    if list.isGRPC { list.removeZeroLength() }
    return encode(list, into: room)
  }

  /// Writes the block of a trailer section. `lines`: lines `name: value` with CRLF, as content in
  /// chunks has them. Lines that are none are left out. Otherwise as `encodeRequest`.
  public func encodeTrailers(
    _ lines: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer
  ) -> Int? {
    var list = FieldList(store)
    guard let bytes = lines.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return 0 }
    var start = 0
    while start < lines.count {
      let nameEnd = store.pointee.classes.skipName(bytes, start, lines.count)
      var end = nameEnd
      while end < lines.count, bytes[end] != 0x0A { end &+= 1 }
      if nameEnd > start, nameEnd < end, bytes[nameEnd] == 0x3A {
        list.addLine(bytes, start, nameEnd, end)
      }
      start = end &+ 1
    }
    return encode(list, into: room)
  }

  private func encode(_ list: FieldList, into room: UnsafeMutableRawBufferPointer) -> Int? {
    guard !list.isOver, list.byteCountMax <= room.count,
      let target = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
    else { return nil }
    let count = nghttp2_hd_deflate_hd(
      deflater, target, room.count, store.pointee.entries, list.count)
    return count >= 0 ? count : nil
  }
}

/// The fields of a block, in the table that nghttp2 reads; their names in the scratch, in lower
/// case.
private struct FieldList {
  private let entries: UnsafeMutablePointer<nghttp2_nv>
  private let scratch: UnsafeMutablePointer<UInt8>
  private let store: UnsafeMutablePointer<FieldStore>
  private(set) var count = 0
  private(set) var isOver = false
  private(set) var isGRPC = false
  /// The most bytes of the block. As `nghttp2_hd_deflate_bound` has it: two changes of the table's
  /// size, and of each field the name's and the value's length.
  private(set) var byteCountMax = 12
  private var scratchEnd = 0
  /// The entry of `content-length: 0`; −1: none.
  private var zeroLength = -1

  init(_ store: UnsafeMutablePointer<FieldStore>) {
    self.store = store
    entries = store.pointee.entries
    scratch = store.pointee.scratch
  }

  // MARK: Names that are known

  @inline(__always)
  mutating func add(_ name: StaticString, _ value: UnsafePointer<UInt8>, _ valueCount: Int) {
    add(name.utf8Start, name.utf8CodeUnitCount, value, valueCount, NGHTTP2_NV_FLAG_NONE)
  }

  @inline(__always)
  mutating func add(_ name: StaticString, _ value: StaticString) {
    add(name, value.utf8Start, value.utf8CodeUnitCount)
  }

  /// Adds a `:path` to which the slash was missing: a query alone.
  mutating func addRootPath(_ query: UnsafePointer<UInt8>, _ queryCount: Int) {
    guard queryCount < FieldStore.scratchBytes &- scratchEnd else {
      isOver = true
      return
    }
    let path = scratch + scratchEnd
    path[0] = 0x2F
    (path + 1).update(from: query, count: queryCount)
    scratchEnd &+= queryCount &+ 1
    add(":path", path, queryCount &+ 1)
  }

  // MARK: Fields of the text

  @inline(__always)
  mutating func add(_ field: Field, of bytes: UnsafePointer<UInt8>) {
    let (start, valueStart) = (Int(field.start), Int(field.valueStart))
    add(
      field.name, bytes + start, Int(field.nameEnd) &- start, bytes + valueStart,
      Int(field.valueEnd) &- valueStart)
  }

  /// Adds the line that ends before the LF at `end`, without white space around the value.
  mutating func addLine(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ nameEnd: Int, _ end: Int) {
    var (valueStart, valueEnd) = (nameEnd &+ 1, end)
    if valueEnd > valueStart, bytes[valueEnd &- 1] == 0x0D { valueEnd &-= 1 }
    while valueStart < valueEnd, Words.isBlank(bytes[valueStart]) { valueStart &+= 1 }
    while valueEnd > valueStart, Words.isBlank(bytes[valueEnd &- 1]) { valueEnd &-= 1 }
    guard store.pointee.classes.skipValue(bytes, valueStart, valueEnd) == valueEnd else { return }
    add(
      FieldName.match(bytes + start, nameEnd &- start), bytes + start, nameEnd &- start,
      bytes + valueStart, valueEnd &- valueStart)
  }

  @inline(__always)
  private mutating func add(
    _ known: FieldName, _ name: UnsafePointer<UInt8>, _ nameCount: Int,
    _ value: UnsafePointer<UInt8>, _ valueCount: Int
  ) {
    if known.isHopByHop { return }
    guard nameCount <= FieldStore.scratchBytes &- scratchEnd else {
      isOver = true
      return
    }
    let lower = scratch + scratchEnd
    Words.copyLower(name, nameCount, to: lower)
    scratchEnd &+= nameCount
    var flags = NGHTTP2_NV_FLAG_NONE
    switch known {
    // Of no use to the next head.
    case .date, .xRequestID, .traceparent: flags = NGHTTP2_NV_FLAG_NO_INDEX
    case .contentLength: if valueCount == 1, value[0] == 0x30 { zeroLength = count }
    case .other:
      if isSecret(lower, nameCount) {
        flags = NGHTTP2_NV_FLAG_NO_INDEX
      } else if isWord(lower, 0, nameCount, "content-type") {
        isGRPC = isGRPCType(UnsafeRawBufferPointer(start: value, count: valueCount))
      } else if isWord(lower, 0, nameCount, "grpc-timeout") {
        flags = NGHTTP2_NV_FLAG_NO_INDEX
      }
    default: break
    }
    add(lower, nameCount, value, valueCount, flags)
  }

  /// Fields whose values nobody may guess by what they are compressed to (RFC 7541 §7.1.3).
  @inline(__always)
  private func isSecret(_ name: UnsafePointer<UInt8>, _ count: Int) -> Bool {
    switch count {
    case 6: isWord(name, 0, count, "cookie")
    case 10: isWord(name, 0, count, "set-cookie")
    case 13: isWord(name, 0, count, "authorization")
    case 19: isWord(name, 0, count, "proxy-authorization")
    default: false
    }
  }

  @inline(__always)
  private mutating func add(
    _ name: UnsafePointer<UInt8>, _ nameCount: Int, _ value: UnsafePointer<UInt8>,
    _ valueCount: Int, _ flags: nghttp2_nv_flag
  ) {
    guard count < FieldStore.fieldsMax else {
      isOver = true
      return
    }
    entries[count] = nghttp2_nv(
      name: UnsafeMutablePointer(mutating: name), value: UnsafeMutablePointer(mutating: value),
      namelen: nameCount, valuelen: valueCount, flags: UInt8(truncatingIfNeeded: flags.rawValue))
    count &+= 1
    byteCountMax &+= nameCount &+ valueCount &+ 12
  }

  /// Takes `content-length: 0` out. The order of fields with different names has no meaning.
  mutating func removeZeroLength() {
    guard zeroLength >= 0 else { return }
    count &-= 1
    for index in zeroLength..<count { entries[index] = entries[index &+ 1] }
    zeroLength = -1
  }
}
