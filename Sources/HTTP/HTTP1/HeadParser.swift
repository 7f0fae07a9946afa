// Parses request and response heads in place (RFC 9112 §2 to §6), strictly: what two parties could
// read in two ways is rejected. Gives offsets, copies nothing; a head is at most 16 KB.
// Invariant: the same bytes give the same verdict however they were split over reads.
// HOT PATH: no allocation, no lock, no existential, no clock.

public struct HeadParser: ~Copyable {
  /// The end of what a head may be, whatever the configuration says: offsets are 16 bits.
  public static let byteCountMax = 16_384
  /// The longest request line that is not answered with 414.
  public static let requestLineMax = 8_192

  private let byteLimit: Int
  private let fieldLimit: Int
  private let takesTrace: Bool
  let classes = ByteClasses()
  /// The fields of the last head, in order; `fieldCount` of them are valid.
  public let fields: UnsafeMutablePointer<Field>
  public private(set) var fieldCount = 0
  /// The bits of `present`: no more names can be told apart than this.
  package static let fieldNamesMax = UInt64.bitWidth
  /// Which names are among them.
  private var present: UInt64 = 0

  /// Requires: 1...byteCountMax bytes and 1...1_000 fields. `takesTrace` is for servers that pass
  /// nothing on: they know best how to refuse TRACE.
  public init(headBytesMax: Int = byteCountMax, fieldsMax: Int = 100, takesTrace: Bool = false) {
    precondition(headBytesMax <= Self.byteCountMax && fieldsMax <= 1_000)
    byteLimit = headBytesMax
    fieldLimit = fieldsMax
    self.takesTrace = takesTrace
    fields = .allocate(capacity: fieldsMax)
  }

  deinit { fields.deallocate() }

  /// Parses the request head at the start of `buffer`. On `.complete` `head` and `fields` are
  /// valid as long as the bytes are.
  public mutating func parse(
    _ buffer: UnsafeRawBufferPointer, into head: inout RequestHead
  ) -> HeadVerdict {
    head = RequestHead()
    guard let base = buffer.baseAddress else { return .incomplete }
    let bytes = base.assumingMemoryBound(to: UInt8.self)
    let count = min(buffer.count, byteLimit)
    do throws(HeadError) {
      // One empty line before a request line is ignored (RFC 9112 §2.2).
      if count >= 1, bytes[0] == 0x0D {
        if count == 1 { return .incomplete }
        guard bytes[1] == 0x0A else { throw .badLineEnd }
        head.start = 2
      }
      guard let line = try requestLine(bytes, count, &head) else {
        return try unfinished(buffer.count)
      }
      guard let end = try parseFields(bytes, line, count) else {
        return try unfinished(buffer.count)
      }
      head.end = end
      try interpret(bytes, &head)
      return .complete
    } catch {
      return .rejected(error)
    }
  }

  /// Parses the response head at the start of `buffer`, of the answer to a request with `method`
  /// (which decides the framing, RFC 9112 §6.3). The same guarantees.
  public mutating func parse(
    _ buffer: UnsafeRawBufferPointer, answering method: Method, into head: inout ResponseHead
  ) -> HeadVerdict {
    head = ResponseHead()
    guard let base = buffer.baseAddress else { return .incomplete }
    let bytes = base.assumingMemoryBound(to: UInt8.self)
    let count = min(buffer.count, byteLimit)
    do throws(HeadError) {
      guard let line = try statusLine(bytes, count, &head),
        let end = try parseFields(bytes, line, count)
      else { return try unfinished(buffer.count) }
      head.end = end
      try interpret(bytes, answering: method, &head)
      return .complete
    } catch {
      return .rejected(error)
    }
  }

  /// The fields of the last head, which was parsed from `bytes`.
  public func table(in bytes: UnsafeRawBufferPointer) -> FieldTable {
    FieldTable(bytes, fields: fields, count: fieldCount, present: present)
  }

  /// Whether the last head has a field of the name.
  @inline(__always)
  func has(_ name: FieldName) -> Bool { present & 1 << UInt64(name.rawValue) != 0 }

  private func unfinished(_ count: Int) throws(HeadError) -> HeadVerdict {
    if count >= byteLimit { throw .headTooLarge }
    return .incomplete
  }

  /// Returns the offset after the request line, or nil when it is not complete.
  private func requestLine(
    _ bytes: UnsafePointer<UInt8>, _ count: Int, _ head: inout RequestHead
  ) throws(HeadError) -> Int? {
    let start = head.start
    head.methodEnd = classes.skip(bytes, start, count, ByteClasses.token)
    if head.methodEnd == count {
      if count - start > 32 { throw .badMethod }
      return nil
    }
    guard head.methodEnd > start, head.methodEnd - start <= 32, bytes[head.methodEnd] == 0x20
    else { throw .badMethod }
    head.targetStart = head.methodEnd + 1
    head.targetEnd = classes.skip(bytes, head.targetStart, count, ByteClasses.target)
    if head.targetEnd - start > Self.requestLineMax { throw .targetTooLong }
    if head.targetEnd == count { return nil }
    guard head.targetEnd > head.targetStart, bytes[head.targetEnd] == 0x20 else { throw .badTarget }
    guard let version = try version(bytes, head.targetEnd + 1, count) else { return nil }
    let end = head.targetEnd + 9
    guard end + 1 < count else {
      if end < count, bytes[end] != 0x0D { throw bytes[end] == 0x0A ? .bareLF : .badVersion }
      return nil
    }
    guard bytes[end] == 0x0D, bytes[end + 1] == 0x0A else {
      throw bytes[end] == 0x0A ? .bareLF : .badVersion
    }
    head.minorVersion = version
    head.method = method(bytes, start, head.methodEnd)
    try splitTarget(bytes, &head)
    return end + 2
  }

  /// `HTTP/1.x` → x, at most 1; nil when there are too few bytes.
  private func version(
    _ bytes: UnsafePointer<UInt8>, _ start: Int, _ count: Int
  ) throws(HeadError) -> UInt8? {
    // "HTTP/1." as a word: what nearly everybody sends.
    let word: UInt64 = 0x002E_312F_5054_5448
    if count - start >= 8 {
      let read = UInt64(
        littleEndian: UnsafeRawPointer(bytes + start).loadUnaligned(as: UInt64.self))
      let minor = UInt8(truncatingIfNeeded: read >> 56)
      if read << 8 == word << 8, minor >= 0x30, minor <= 0x39 { return min(minor - 0x30, 1) }
    }
    let name: StaticString = "HTTP/"
    for index in 0..<min(5, count - start)
    where bytes[start + index] != name.utf8Start[index] {
      throw .badVersion
    }
    guard count - start >= 8 else { return nil }
    let (major, dot, minor) = (bytes[start + 5], bytes[start + 6], bytes[start + 7])
    guard dot == 0x2E, major >= 0x30, major <= 0x39, minor >= 0x30, minor <= 0x39 else {
      throw .badVersion
    }
    if major != 0x31 { throw .unsupportedVersion }
    return min(minor - 0x30, 1)
  }

  /// Method names are case-sensitive (RFC 9110 §9.1).
  private func method(_ bytes: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Method {
    func isName(_ word: StaticString) -> Bool {
      for index in 0..<word.utf8CodeUnitCount where bytes[start + index] != word.utf8Start[index] {
        return false
      }
      return true
    }
    switch end - start {
    case 3: return isName("GET") ? .get : isName("PUT") ? .put : .other
    case 4: return isName("POST") ? .post : isName("HEAD") ? .head : .other
    case 5: return isName("PATCH") ? .patch : .other
    case 6: return isName("DELETE") ? .delete : .other
    case 7: return isName("OPTIONS") ? .options : .other
    default: return .other
    }
  }

  /// RFC 9112 §3.2: origin form, absolute form, `*` for OPTIONS. CONNECT and TRACE are refused.
  private func splitTarget(
    _ bytes: UnsafePointer<UInt8>, _ head: inout RequestHead
  ) throws(HeadError) {
    let (start, end) = (head.targetStart, head.targetEnd)
    if head.method == .other {
      // CONNECT would make us a tunnel, TRACE shows secrets that other fields were given.
      let (methodStart, methodEnd) = (head.start, head.methodEnd)
      if isWord(bytes, methodStart, methodEnd, "connect")
        || !takesTrace && isWord(bytes, methodStart, methodEnd, "trace")
      {
        throw .methodRefused
      }
    }
    if bytes[start] == 0x2A, end == start + 1, head.method == .options {
      head.isAsterisk = true
      head.pathEnd = end
      return
    }
    if bytes[start] != 0x2F {
      guard end - start > 7, isHTTP(bytes + start) else { throw .badTarget }
      let authority = classes.skip(bytes, start + 7, end, ByteClasses.authority)
      let next = authority < end ? bytes[authority] : 0x2F
      guard next == 0x2F || next == 0x3F, isHostAndPort(bytes, start + 7, authority) else {
        throw .badTarget
      }
      head.isAbsoluteForm = true
      (head.authorityStart, head.authorityEnd) = (start + 7, authority)
      head.targetStart = authority
    }
    var path = head.targetStart
    while path < end, bytes[path] != 0x3F { path += 1 }
    head.pathEnd = path
  }

  private func isHTTP(_ bytes: UnsafePointer<UInt8>) -> Bool {
    FieldName.isEqual(bytes, "http") && bytes[4] == 0x3A && bytes[5] == 0x2F && bytes[6] == 0x2F
  }

  /// Returns the offset after the status line, or nil. A missing reason phrase may lack its space
  /// too, as some servers send it.
  private func statusLine(
    _ bytes: UnsafePointer<UInt8>, _ count: Int, _ head: inout ResponseHead
  ) throws(HeadError) -> Int? {
    do throws(HeadError) {
      guard let minor = try version(bytes, 0, count) else { return nil }
      head.minorVersion = minor
    } catch {
      throw .badStatusLine
    }
    guard count > 12 else { return nil }
    guard bytes[8] == 0x20 else { throw .badStatusLine }
    for index in 9..<12 {
      guard bytes[index] >= 0x30, bytes[index] <= 0x39 else { throw .badStatusLine }
      head.status = head.status * 10 + Int(bytes[index] - 0x30)
    }
    guard head.status >= 100 else { throw .badStatusLine }
    guard bytes[12] == 0x20 || bytes[12] == 0x0D else {
      throw bytes[12] == 0x0A ? .bareLF : .badStatusLine
    }
    head.reasonStart = bytes[12] == 0x20 ? 13 : 12
    head.reasonEnd = classes.skipValue(bytes, head.reasonStart, count)
    guard head.reasonEnd + 1 < count else { return nil }
    guard bytes[head.reasonEnd] == 0x0D, bytes[head.reasonEnd + 1] == 0x0A else {
      throw bytes[head.reasonEnd] == 0x0A ? .bareLF : .badLineEnd
    }
    return head.reasonEnd + 2
  }

  /// Parses field lines from `start`; returns the offset after the empty line, or nil.
  mutating func parseFields(
    _ bytes: UnsafePointer<UInt8>, _ start: Int, _ count: Int
  ) throws(HeadError) -> Int? {
    fieldCount = 0
    present = 0
    var offset = start
    // Offsets stay below 2^15, so nothing here overflows.
    while offset < count {
      if bytes[offset] == 0x0D {
        guard offset &+ 1 < count else { return nil }
        guard bytes[offset &+ 1] == 0x0A else { throw .badLineEnd }
        return offset &+ 2
      }
      let nameEnd = classes.skipName(bytes, offset, count)
      if nameEnd == count { return nil }
      if nameEnd == offset || bytes[nameEnd] != 0x3A {
        if bytes[nameEnd] == 0x0A, nameEnd == offset { throw .bareLF }
        throw bytes[offset] == 0x20 || bytes[offset] == 0x09 ? .foldedLine : .badFieldName
      }
      var valueStart = nameEnd &+ 1
      while valueStart < count, bytes[valueStart] == 0x20 || bytes[valueStart] == 0x09 {
        valueStart &+= 1
      }
      let stop = classes.skipValue(bytes, valueStart, count)
      if stop == count { return nil }
      guard bytes[stop] == 0x0D else { throw bytes[stop] == 0x0A ? .bareLF : .badFieldValue }
      guard stop &+ 1 < count else { return nil }
      guard bytes[stop &+ 1] == 0x0A else { throw .badLineEnd }
      guard fieldCount < fieldLimit else { throw .tooManyFields }
      var valueEnd = stop
      while valueEnd > valueStart, bytes[valueEnd &- 1] == 0x20 || bytes[valueEnd &- 1] == 0x09 {
        valueEnd &-= 1
      }
      let name = FieldName.match(bytes + offset, nameEnd &- offset)
      present |= 1 << UInt64(name.rawValue)
      // A head is at most 16 KB.
      fields[fieldCount] = Field(
        start: UInt16(truncatingIfNeeded: offset), nameEnd: UInt16(truncatingIfNeeded: nameEnd),
        valueStart: UInt16(truncatingIfNeeded: valueStart),
        valueEnd: UInt16(truncatingIfNeeded: valueEnd),
        end: UInt16(truncatingIfNeeded: stop &+ 2), name: name)
      fieldCount &+= 1
      offset = stop &+ 2
    }
    return nil
  }
}
