// Label pairs as they stand on a page, escaped once when they are made and appended from then on.

/// The text between a sample's braces, without the braces.
package struct Labels: Hashable, Sendable {
  /// `a="b",c="d"`, escaped.
  package private(set) var text: [UInt8] = []

  /// No labels.
  package static let none = Labels([:])

  /// Requires: names are `[a-zA-Z_][a-zA-Z0-9_]*` and differ from each other.
  package init(_ pairs: KeyValuePairs<String, String>) {
    for (name, value) in pairs { append(name, value) }
  }

  /// These labels and one more behind them. Requires: as for `init`.
  package func adding(_ name: String, _ value: String) -> Labels {
    var longer = self
    longer.append(name, value)
    return longer
  }

  /// Requires: as for `init`.
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

  /// Whether the name may stand without quotes: `[a-zA-Z_][a-zA-Z0-9_]*`.
  package static func isLabelName(_ name: String) -> Bool {
    guard let first = name.utf8.first, ByteClass.isLabelStart(first) else { return false }
    return name.utf8.allSatisfy(ByteClass.isLabel)
  }
}

extension Labels {
  /// One label for each value of a type, so that nothing is escaped once for each sample.
  package static func each<Value: CaseIterable>(
    _ type: Value.Type, _ name: String, _ text: (Value) -> String
  ) -> [(value: Value, labels: Labels)] {
    type.allCases.map { ($0, Labels([:]).adding(name, text($0))) }
  }
}
