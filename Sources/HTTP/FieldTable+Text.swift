// A field's value as a string, for clients that read answers themselves. The request path finds
// fields without an allocation.

extension FieldTable {
  /// The first value of the field, up to 1 KiB; nil where there is none, or it is longer or no
  /// UTF-8. Requires: `name` is in lower case. Allocates.
  package func text(of name: String) -> String? {
    let found = Array(name.utf8).withUnsafeBufferPointer { index(of: $0) }
    guard let found, value(found).count <= 1_024 else { return nil }
    return String(validating: value(found), as: UTF8.self)
  }
}
