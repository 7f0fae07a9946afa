// The contents of a configuration file before they are interpreted. Every node knows its position;
// scalars keep their text and whether they were quoted, and no type is guessed.

/// A value in the file.
package struct Node {
  package enum Content {
    case scalar(Scalar)
    case sequence([Node])
    case mapping([Entry])
    /// An error that was already reported (an alias): it is not reported again.
    case unusable
  }

  package struct Entry {
    package let key: Key
    package let value: Node
  }

  package struct Key {
    package let text: String
    package let offset: Int
  }

  /// A byte offset of the source text; `SourceText.position` converts it to line and column.
  package let offset: Int
  package let content: Content

  /// The kind of node, for messages.
  package var kind: String {
    switch content {
    case .scalar(let scalar):
      if scalar.isNull {
        "nothing"
      } else if scalar.text.isEmpty {
        "empty text"
      } else {
        scalar.shown != nil
          ? "its value" : Printable.quoted(scalar.isPlain ? scalar.text : "\"\(scalar.text)\"")
      }
    case .sequence: "a list"
    case .mapping: "a mapping"
    case .unusable: "an alias"
    }
  }

  /// The text of a scalar; nil: the node is not a scalar.
  var scalarText: String? {
    if case .scalar(let scalar) = content { scalar.text } else { nil }
  }

  /// YAML to show in place of a value that is secret; nil: the value may be shown.
  var shown: String? {
    if case .scalar(let scalar) = content { scalar.shown } else { nil }
  }

  /// The kind without the text, which may be secret.
  package var kindWithoutText: String {
    if case .scalar(let scalar) = content, !scalar.isNull, !scalar.text.isEmpty { return "text" }
    return kind
  }

  /// The largest offset of the node and all that it holds.
  var lastOffset: Int {
    switch content {
    case .scalar, .unusable: offset
    case .sequence(let items): items.last?.lastOffset ?? offset
    case .mapping(let entries): entries.last?.value.lastOffset ?? offset
    }
  }

  var isUnusable: Bool { if case .unusable = content { true } else { false } }
}

/// The text of a scalar, with quotes and escapes resolved.
package struct Scalar {
  package let text: String
  /// Whether it was written without quotes.
  package let isPlain: Bool
  /// YAML that is shown in place of the text, which is secret; nil: the text may be shown.
  package var shown: String?

  /// YAML 1.2 §10.3.2: an empty plain scalar and the words for null.
  package var isNull: Bool { isPlain && ["", "~", "null", "Null", "NULL"].contains(text) }
}
