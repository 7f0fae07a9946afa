// A request made from a parsed head: the target, and the fields that answers depend on.
package import HTTP

extension AdminRequest {
  /// Requires: `parser` has just parsed `head`, completely, at the start of `bytes`. Allocates.
  package init(
    _ bytes: UnsafeRawBufferPointer, _ head: RequestHead, _ parser: borrowing HeadParser
  ) {
    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
    let path = text(head.targetStart..<head.pathEnd)
    self.init(path: path.isEmpty ? "/" : path)
    method = head.method
    hasContent = head.framing != .none
    if head.pathEnd < head.targetEnd { query = text(head.pathEnd + 1..<head.targetEnd) }
    for index in 0..<parser.fieldCount {
      let field = parser.fields[index]
      let name = text(Int(field.start)..<Int(field.nameEnd)).lowercased()
      guard Self.fieldNames.contains(name) else { continue }
      let value = text(Int(field.valueStart)..<Int(field.valueEnd))
      // Fields of one name are one list (RFC 9110 §5.2).
      fields[name] = fields[name].map { "\($0), \(value)" } ?? value
    }
  }
}
