// Label pairs in the form of a metrics page: escaped once when they are made, then appended as they
// are.

/// The text between a sample's braces, without the braces.
package struct Labels: Hashable, Sendable {
  /// `a="b",c="d"`, escaped.
  package private(set) var text: [UInt8] = []

  /// No labels.
  package static let none = Labels([:])

  /// Requires: names match `[a-zA-Z_][a-zA-Z0-9_]*` and are distinct.
  package init(_ pairs: KeyValuePairs<String, String>) {
    for (name, value) in pairs { append(name, value) }
  }

  /// These labels with one more at the end. Requires: as `init`.
  package func adding(_ name: String, _ value: String) -> Labels {
    var longer = self
    longer.append(name, value)
    return longer
  }

  /// Requires: as `init`.
  package mutating func append(_ name: String, _ value: String) {
    precondition(Self.isLabelName(name), "not a label name")
    if !text.isEmpty { text.append(UInt8(ascii: ",")) }
    text.append(contentsOf: name.utf8)
    text.append(UInt8(ascii: "="))
    text.append(ByteClass.quote)
    for byte in value.utf8 {
      switch byte {
      case ByteClass.quote, ByteClass.backslash:
        text.append(ByteClass.backslash)
        text.append(byte)
      case 0x0A:
        text.append(ByteClass.backslash)
        text.append(UInt8(ascii: "n"))
      default:
        text.append(byte)
      }
    }
    text.append(ByteClass.quote)
  }

  /// Whether the name needs no quotes: `[a-zA-Z_][a-zA-Z0-9_]*`.
  package static func isLabelName(_ name: String) -> Bool {
    guard let first = name.utf8.first, ByteClass.isLabelStart(first) else { return false }
    return name.utf8.allSatisfy(ByteClass.isLabel)
  }
}

extension Labels {
  /// The labels for each value of a type, made once so that samples need no escaping.
  package static func each<Value: CaseIterable>(
    _ type: Value.Type, _ name: String, _ text: (Value) -> String
  ) -> [(value: Value, labels: Labels)] {
    type.allCases.map { ($0, Labels([:]).adding(name, text($0))) }
  }
}
