// Recognises what a page is by its first bytes. Servers label pages wrongly, answer HTML on a wrong
// path and JSON while they load.

enum PageKind {
  /// Throws if the page cannot be Prometheus text.
  static func requirePrometheus(_ page: UnsafeRawBufferPointer) throws(PageError) {
    let start = try firstByte(page)
    switch page[start] {
    case UInt8(ascii: "{"): if isJSON(page, start) { throw .isJSON(Wording.snippet(page)) }
    case UInt8(ascii: "["): throw .isJSON(Wording.snippet(page))
    case UInt8(ascii: "<"): throw .isHTML(Wording.snippet(page))
    default: break
    }
  }

  /// Throws if the page cannot be a JSON object.
  static func requireJSON(_ page: UnsafeRawBufferPointer) throws(PageError) {
    let start = try firstByte(page)
    switch page[start] {
    case UInt8(ascii: "{"): break
    case UInt8(ascii: "<"): throw .isHTML(Wording.snippet(page))
    default: throw .notJSON(Wording.snippet(page))
    }
  }

  /// The offset of the first byte that is not blank.
  private static func firstByte(_ page: UnsafeRawBufferPointer) throws(PageError) -> Int {
    // gzip (RFC 1952 §2.3.1), zstd (RFC 8878 §3.1.1).
    if page.starts(with: [0x1F, 0x8B]) || page.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) {
      throw .isCompressed
    }
    let mark = page.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
    guard let start = page[mark...].firstIndex(where: { !isBlank($0) }) else { throw .empty }
    return start
  }

  /// `{"quoted.name"} 5` is Prometheus text too; JSON has a colon after its first key, or no key.
  private static func isJSON(_ page: UnsafeRawBufferPointer, _ brace: Int) -> Bool {
    var index = skipBlanks(page, brace + 1)
    guard index < page.count, page[index] == UInt8(ascii: "\"") else {
      return index < page.count && page[index] == UInt8(ascii: "}")
    }
    index += 1
    while index < page.count, page[index] != UInt8(ascii: "\"") {
      index += page[index] == UInt8(ascii: "\\") ? 2 : 1
    }
    index = skipBlanks(page, index + 1)
    return index < page.count && page[index] == UInt8(ascii: ":")
  }

  private static func skipBlanks(_ page: UnsafeRawBufferPointer, _ start: Int) -> Int {
    var index = start
    while index < page.count, isBlank(page[index]) { index += 1 }
    return index
  }

  private static func isBlank(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D
  }
}
