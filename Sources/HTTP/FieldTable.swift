// The fields of one head: where each of them lies in the head's bytes, and how they are found by
// name. A view that any syntax of heads can give; it is read without the parser that made it.
// Invariant: valid as long as the head's bytes are, and until the parser parses the next head.
// HOT PATH: no allocation, no lock, no existential, no clock.

@frozen public struct FieldTable {
  /// The bytes that the head begins.
  public let bytes: UnsafeRawBufferPointer
  @usableFromInline let fields: UnsafePointer<Field>
  /// The number of fields.
  public let count: Int
  /// The known names among the fields, one bit for each `FieldName`.
  @usableFromInline let present: UInt64

  init(
    _ bytes: UnsafeRawBufferPointer, fields: UnsafePointer<Field>, count: Int, present: UInt64
  ) {
    self.bytes = bytes
    self.fields = fields
    self.count = count
    self.present = present
  }

  /// The fields in the order of their lines. Requires: `index` < `count`.
  @inlinable public subscript(index: Int) -> Field { fields[index] }

  /// Whether there is a field of the name.
  @inlinable public func has(_ name: FieldName) -> Bool {
    present & 1 << UInt64(name.rawValue) != 0
  }

  /// The value of the field at the index.
  @inlinable public func value(_ index: Int) -> UnsafeRawBufferPointer { value(fields[index]) }

  /// The value of one of the fields.
  @inlinable public func value(_ field: Field) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: bytes[Int(field.valueStart)..<Int(field.valueEnd)])
  }

  // MARK: By name

  /// The result of a search.
  public enum Match {
    case none
    case one(UnsafeRawBufferPointer)
    /// The field occurs several times: some recipients use the first, others the last, so that none
    /// can be trusted.
    case several
  }

  /// The value of the field with the name. Requires: `name` is in lower case.
  public func find(_ name: [UInt8]) -> Match {
    name.withUnsafeBufferPointer { name in
      guard let first = index(of: name) else { return .none }
      return index(of: name, from: first + 1) == nil ? .one(value(first)) : .several
    }
  }

  /// The index of the first field with the name at or after `start`; nil where there is none.
  /// Requires: `name` is in lower case.
  @inlinable public func index(of name: UnsafeBufferPointer<UInt8>, from start: Int = 0) -> Int? {
    var index = start
    while index < count {
      if isName(fields[index], name) { return index }
      index += 1
    }
    return nil
  }

  /// Compares a field's name without regard to ASCII case. Requires: `name` is in lower case.
  @inlinable func isName(_ field: Field, _ name: UnsafeBufferPointer<UInt8>) -> Bool {
    let start = Int(field.start)
    guard Int(field.nameEnd) - start == name.count else { return false }
    for offset in 0..<name.count where ASCII.lowercased(bytes[start + offset]) != name[offset] {
      return false
    }
    return true
  }

  /// Whether the field has the name. Requires: `name` is in lower case.
  @inlinable public func isNamed(_ name: StaticString, _ field: Field) -> Bool {
    isName(field, UnsafeBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount))
  }

  /// Whether the `Connection` fields name this field: then it is meant for the next hop only
  /// (RFC 9110 §7.6.1).
  public func isNamedByConnection(_ field: Field) -> Bool {
    guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return false }
    let (start, count) = (Int(field.start), Int(field.nameEnd - field.start))
    for index in 0..<self.count where fields[index].name == .connection {
      var rest = Int(fields[index].valueStart)
      while let option = ASCII.nextElement(base, &rest, Int(fields[index].valueEnd)) {
        guard option.end - option.start == count else { continue }
        var isSame = true
        for offset in 0..<count
        where ASCII.lowercased(base[option.start + offset])
          != ASCII.lowercased(base[start + offset])
        {
          isSame = false
        }
        if isSame { return true }
      }
    }
    return false
  }
}

/// Comparing without regard to ASCII case, and splitting lists.
public enum ASCII {
  /// Requires: `word` is in lower case.
  public static func isEqual(_ bytes: UnsafeRawBufferPointer, _ word: [UInt8]) -> Bool {
    guard bytes.count == word.count else { return false }
    for index in word.indices where lowercased(bytes[index]) != word[index] { return false }
    return true
  }

  @inlinable static func lowercased(_ byte: UInt8) -> UInt8 {
    byte >= 0x41 && byte <= 0x5A ? byte | 0x20 : byte
  }

  /// The next element of a comma-separated list, without white space; empty ones are skipped
  /// (RFC 9110 §5.6.1.2).
  static func nextElement(
    _ bytes: UnsafePointer<UInt8>, _ rest: inout Int, _ end: Int
  ) -> (start: Int, end: Int)? {
    func isGap(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
    while rest < end, bytes[rest] == 0x2C || isGap(bytes[rest]) { rest += 1 }
    guard rest < end else { return nil }
    let start = rest
    while rest < end, bytes[rest] != 0x2C { rest += 1 }
    var stop = rest
    while stop > start, isGap(bytes[stop - 1]) { stop -= 1 }
    return (start, stop)
  }
}
