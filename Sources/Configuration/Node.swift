// What a configuration file says, before anybody asks what it means. Every node knows where it
// stands; scalars keep their text and whether they were quoted, and nothing guesses their type.

/// A value of the file.
package struct Node {
  package enum Content {
    case scalar(Scalar)
    case sequence([Node])
    case mapping([Entry])
    /// Already reported (an alias): whoever meets it stays silent.
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

  /// A byte offset of the source text; `SourceText.position` makes a line and column of it.
  package let offset: Int
  package let content: Content

  /// What it is, for messages.
  package var kind: String {
    switch content {
    case .scalar(let scalar):
      if scalar.isNull {
        "nothing"
      } else if scalar.text.isEmpty {
        "empty text"
      } else {
        Printable.quoted(scalar.isPlain ? scalar.text : "\"\(scalar.text)\"")
      }
    case .sequence: "a list"
    case .mapping: "a mapping"
    case .unusable: "an alias"
    }
  }

  /// The text of a scalar; nil where it is none.
  var scalarText: String? {
    if case .scalar(let scalar) = content { scalar.text } else { nil }
  }

  /// The same without the text itself, where that may be secret.
  package var kindWithoutText: String {
    if case .scalar(let scalar) = content, !scalar.isNull, !scalar.text.isEmpty { return "text" }
    return kind
  }

  var isUnusable: Bool { if case .unusable = content { true } else { false } }
}

/// The text of a scalar, its quotes and escapes undone.
package struct Scalar {
  package let text: String
  /// Written without quotes.
  package let isPlain: Bool

  /// YAML 1.2 §10.3.2: an empty plain scalar and the words for null.
  package var isNull: Bool { isPlain && ["", "~", "null", "Null", "NULL"].contains(text) }
}
