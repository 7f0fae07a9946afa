// Fields of one block, as they are decoded, to text of HTTP/1.1, with the rules of RFC 9113 §8.2
// and §8.3: what is not right is malformed, never repaired.
// HOT PATH: no allocation, no lock, no existential, no clock.

/// Writes the text of one head or trailer section.
struct HeadText {
  enum Kind { case request, response, trailers }

  /// A pseudo-field in the scratch.
  struct Kept {
    var start = 0
    var count = -1
    var isThere: Bool { count >= 0 }
  }

  let kind: Kind
  let isEnd: Bool
  var isHeadRequest = false
  let store: UnsafeMutablePointer<FieldStore>

  var facts = HeadFacts()
  private(set) var fault: HeadFault?
  var isTooLarge = false
  /// The request or status line is written, so that no pseudo-field may follow.
  var hasLine = false
  var hasScheme = false
  var method = Kept()
  var path = Kept()
  var authority = Kept()
  /// The cookies, joined; they are the last in the scratch.
  var cookie = Kept()
  private var scratchEnd = 0

  @inline(__always)
  init(_ kind: Kind, isEnd: Bool, _ store: UnsafeMutablePointer<FieldStore>) {
    self.kind = kind
    self.isEnd = isEnd
    self.store = store
    hasLine = kind == .trailers
  }

  @inline(__always) var hasFailed: Bool { fault != nil || isTooLarge }

  mutating func fail(_ fault: HeadFault) {
    if self.fault == nil { self.fault = fault }
  }

  /// Takes the next field. Requires: nothing failed.
  mutating func take(_ field: FieldBytes, _ writer: inout ByteWriter) {
    guard field.isValueRight else { return fail(.badValue) }
    if field.nameCount > 0, field.name[0] == 0x3A {
      if hasLine { return fail(kind == .trailers ? .unknownPseudoField : .latePseudoField) }
      return kind == .request ? takePseudo(field) : takeStatus(field)
    }
    guard field.isNameRight else { return fail(.badName) }
    if !hasLine {
      beginLine(&writer)
      guard fault == nil else { return }
    }
    takeField(field, &writer)
  }

  // MARK: Pseudo-fields

  private mutating func takePseudo(_ field: FieldBytes) {
    switch field.nameCount {
    case 5 where isExactly(field, ":path"):
      guard isTarget(field) else { return fail(.badPath) }
      path = kept(field, path)
    case 7 where isExactly(field, ":method"):
      guard isMethod(field) else { return fail(.badMethod) }
      method = kept(field, method)
    case 7 where isExactly(field, ":scheme"):
      guard isScheme(field) else { return fail(.badScheme) }
      if hasScheme { return fail(.repeatedPseudoField) }
      hasScheme = true
    case 10 where isExactly(field, ":authority"):
      guard isTarget(field) else { return fail(.badAuthority) }
      authority = kept(field, authority)
    case 9 where isExactly(field, ":protocol"): fail(.connectRefused)
    default: fail(.unknownPseudoField)
    }
  }

  /// Requires: the name is as long as the word.
  @inline(__always)
  private func isExactly(_ field: FieldBytes, _ word: StaticString) -> Bool {
    for index in 0..<word.utf8CodeUnitCount where field.name[index] != word.utf8Start[index] {
      return false
    }
    return true
  }

  /// What may stand in a request line: visible ASCII without "#".
  private func isTarget(_ field: FieldBytes) -> Bool {
    let end = store.pointee.classes.skip(field.value, 0, field.valueCount, ByteClasses.target)
    return end == field.valueCount && end > 0
  }

  private func isMethod(_ field: FieldBytes) -> Bool {
    let end = store.pointee.classes.skip(field.value, 0, field.valueCount, ByteClasses.token)
    return end == field.valueCount && end > 0 && end <= 32
  }

  /// RFC 3986 §3.1.
  private func isScheme(_ field: FieldBytes) -> Bool {
    guard field.valueCount > 0, isLetter(field.value[0]) else { return false }
    for index in 1..<field.valueCount {
      let byte = field.value[index]
      let isDigit = byte >= 0x30 && byte <= 0x39
      guard isLetter(byte) || isDigit || byte == 0x2B || byte == 0x2D || byte == 0x2E else {
        return false
      }
    }
    return true
  }

  private func isLetter(_ byte: UInt8) -> Bool { byte | 0x20 >= 0x61 && byte | 0x20 <= 0x7A }

  /// Keeps the value of a pseudo-field until the line is written.
  private mutating func kept(_ field: FieldBytes, _ earlier: Kept) -> Kept {
    if earlier.isThere {
      fail(.repeatedPseudoField)
      return earlier
    }
    guard let start = stash(field.value, field.valueCount) else { return earlier }
    return Kept(start: start, count: field.valueCount)
  }

  /// Copies bytes to the end of the scratch. nil: there is no room.
  private mutating func stash(_ source: UnsafePointer<UInt8>, _ count: Int) -> Int? {
    let start = scratchEnd
    guard count <= FieldStore.scratchBytes &- start else {
      isTooLarge = true
      return nil
    }
    (store.pointee.scratch + start).update(from: source, count: count)
    scratchEnd = start &+ count
    return start
  }

  private mutating func takeStatus(_ field: FieldBytes) {
    guard field.nameCount == 7, isExactly(field, ":status") else {
      return fail(.unknownPseudoField)
    }
    if facts.status > 0 { return fail(.repeatedPseudoField) }
    guard field.valueCount == 3 else { return fail(.badStatus) }
    var status = 0
    for index in 0..<3 {
      let digit = field.value[index] &- 0x30
      guard digit <= 9 else { return fail(.badStatus) }
      status = status &* 10 &+ Int(digit)
    }
    guard status >= 100, status <= 599, status != 101 else { return fail(.badStatus) }
    facts.status = status
    facts.isInterim = status < 200
  }

  // MARK: Cookies

  /// Several cookie fields are one in HTTP/1 (RFC 9113 §8.2.3).
  mutating func takeCookie(_ field: FieldBytes) {
    if cookie.isThere {
      guard scratchEnd &+ 2 <= FieldStore.scratchBytes else {
        isTooLarge = true
        return
      }
      store.pointee.scratch[scratchEnd] = 0x3B
      store.pointee.scratch[scratchEnd &+ 1] = 0x20
      scratchEnd &+= 2
    }
    guard let start = stash(field.value, field.valueCount) else { return }
    if !cookie.isThere { cookie.start = start }
    cookie.count = scratchEnd &- cookie.start
  }

  func bytes(_ kept: Kept) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: store.pointee.scratch + kept.start, count: max(kept.count, 0))
  }
}
