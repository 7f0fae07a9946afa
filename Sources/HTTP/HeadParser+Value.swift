// A field's value by its name, for what reads answers itself: checks, scrapes, commands. The
// request path knows the fields that it needs by `FieldName`.

extension HeadParser {
  /// The value of the first field of that name in the last head, up to 1 KiB; nil where there is
  /// none, or it is longer or no UTF-8. `bytes` are those of the head. Requires: `name` is in lower
  /// case. Allocates.
  package func value(of name: String, in bytes: UnsafeRawBufferPointer) -> String? {
    for index in 0..<fieldCount {
      let field = fields[index]
      let found = bytes[Int(field.start)..<Int(field.nameEnd)]
      guard found.count == name.utf8.count,
        zip(found, name.utf8).allSatisfy({ ($0 | 0x20) == $1 || $0 == $1 })
      else { continue }
      let value = bytes[Int(field.valueStart)..<Int(field.valueEnd)]
      return value.count <= 1_024 ? String(validating: value, as: UTF8.self) : nil
    }
    return nil
  }
}
