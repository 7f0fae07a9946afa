// The description of a command: the one source of its help, its completions, its part of the manual
// page, and the reader of its command lines.

/// What a word, or the value of an option, may be.
package enum WordKind: Sendable, Equatable {
  case text
  case file
  case pool
  case endpoint
  /// An endpoint or a pool.
  case target
  /// One of these words.
  case choice([String])
  /// Some of these words, separated by commas.
  case choices([String])
  /// `NAME=VALUE`; these are the names, each with its `=`.
  case assignment([String])
  /// A time such as `250ms`, `2s`, `1.5m`, `1h`; the range is in seconds.
  case duration(ClosedRange<Double>)
  case number(ClosedRange<Double>)
  /// A whole number from 0 to 2^63 - 1.
  case whole
  /// Whole numbers, separated by commas.
  case wholes

  /// Whether a shell has nothing to complete.
  var isFree: Bool {
    switch self {
    case .text, .duration, .number, .whole, .wholes: true
    case .file, .pool, .endpoint, .target, .choice, .choices, .assignment: false
    }
  }
}

/// A word of a command line that is no option.
package struct WordSpec: Sendable, Equatable {
  /// The word's name in the synopsis.
  package let name: String
  package let kind: WordKind
  package let isRequired: Bool

  package init(_ name: String, _ kind: WordKind, isRequired: Bool = true) {
    (self.name, self.kind, self.isRequired) = (name, kind, isRequired)
  }
}

/// An option.
package struct OptionSpec: Sendable, Equatable {
  /// With its dashes.
  package let name: String
  /// The name of the value; nil: the option takes none.
  package let value: String?
  package let kind: WordKind
  package let text: String

  package init(_ name: String, _ value: String, _ kind: WordKind, _ text: String) {
    (self.name, self.value, self.kind, self.text) = (name, value, kind, text)
  }

  /// Creates an option without a value.
  package init(_ name: String, text: String) {
    (self.name, value, kind, self.text) = (name, nil, .text, text)
  }

  /// `--pool POOL`.
  package var label: String { value.map { "\(name) \($0)" } ?? name }
}

/// A titled list of names with their meanings: signals, exit codes, words.
package struct ListSpec: Sendable, Equatable {
  package let title: String
  package let rows: [(name: String, text: String)]

  package init(_ title: String, _ rows: [(name: String, text: String)]) {
    (self.title, self.rows) = (title, rows)
  }

  package static func == (a: ListSpec, b: ListSpec) -> Bool {
    a.title == b.title && a.rows.elementsEqual(b.rows, by: ==)
  }
}

/// A command.
package struct CommandSpec: Sendable {
  package let name: String
  /// The command's entry in the overview: its name with its most important word.
  package let label: String
  /// Half a line for the overview.
  package let summary: String
  /// Command lines without the program's name.
  package let synopsis: [String]
  /// Paragraphs.
  package let text: [String]
  package var options: [OptionSpec] = []
  package var lists: [ListSpec] = []
  /// In order of the codes.
  package var exits: [(code: Int, text: String)] = []
  /// Command lines with the program's name, or of the shell.
  package let examples: [String]
  /// The words, in order. Those that are not required come last.
  package var words: [WordSpec] = []
  /// The words that follow a first word, if they depend on it.
  package var wordsAfter: [String: [WordSpec]] = [:]

  package init(
    _ name: String, label: String? = nil, summary: String, synopsis: [String], text: [String],
    examples: [String]
  ) {
    self.name = name
    self.label = label ?? name
    self.summary = summary
    self.synopsis = synopsis
    self.text = text
    self.examples = examples
  }
}
