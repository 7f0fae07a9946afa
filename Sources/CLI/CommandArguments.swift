// A command line, read by the table of commands. The only reader of options: each value is checked
// against its kind in the table, and all errors have one form.
import Configuration
import Manual
import Primitives

/// The words and options of one command line. All of them fit the command's description.
package struct CommandArguments {
  let command: CommandSpec
  /// The words that are no options, in order.
  let words: [String]
  /// The values of each option that was given, in order; an option without a value has one empty
  /// text.
  private let given: [String: [String]]

  /// Reads the words behind the command's name.
  init(_ command: CommandSpec, _ arguments: [String]) throws(UsageError) {
    var words: [String] = []
    var given: [String: [String]] = [:]
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      guard argument.hasPrefix("-"), argument != "-" else {
        words.append(argument)
        continue
      }
      let halves = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let (name, attached) = (String(halves[0]), halves.dropFirst().first.map(String.init))
      guard let option = command.options.first(where: { $0.name == name }) else {
        throw UsageError(
          command.name, "unknown option \(argument)\(Self.guess(name, command.options))")
      }
      guard let valueName = option.value else {
        if attached != nil { throw UsageError(command.name, "\(name) takes no value") }
        given[name] = [""]
        continue
      }
      guard let value = attached ?? rest.popFirst(), !value.isEmpty else {
        throw UsageError(command.name, "\(name) needs a value: \(name) \(valueName)")
      }
      try option.kind.check(value, "\(name) takes", command)
      given[name, default: []].append(value)
    }
    (self.command, self.words, self.given) = (command, words, given)
    try checkWords()
  }

  private func checkWords() throws(UsageError) {
    var specs = command.words
    if let first = words.first, let after = command.wordsAfter[first] {
      specs = [specs[0]] + after
    }
    for (word, spec) in zip(words, specs) { try spec.kind.check(word, "\(spec.name) is", command) }
    if words.count > specs.count {
      throw UsageError(command.name, "unexpected word \(words[specs.count]); \(usage)")
    }
    let next = specs.dropFirst(words.count).first { $0.isRequired }
    if let next { throw missing(next.name) }
  }

  /// The error of a command line without the word `name`.
  func missing(_ name: String) -> UsageError {
    error("\(name) is missing; \(usage)")
  }

  /// The line of the synopsis that the words belong to.
  private var usage: String {
    let lines = command.synopsis
    let meant = words.first.flatMap { first in
      command.wordsAfter[first].flatMap { _ in
        lines.first { $0.hasPrefix("\(command.name) \(first) ") }
      }
    }
    return "usage: steelyard " + (meant ?? lines[0])
  }

  private static func guess(_ name: String, _ options: [OptionSpec]) -> String {
    let names = options.map { $0.name.dropFirst(2).replacing("-", with: "_") }
    let word = String(name.drop { $0 == "-" })
    let best = Suggestion.best(for: word, among: names.map { String($0) })
    return best.map { "; did you mean --\($0.replacing("_", with: "-"))?" } ?? ""
  }

  // MARK: Values

  /// Whether the option was given. Requires, as for all of these: the option is in the table.
  func has(_ option: String) -> Bool { !values(option).isEmpty }

  /// The value; the last one if the option was given several times.
  func text(_ option: String) -> String? { values(option).last }

  /// The values of an option that may be given several times.
  func values(_ option: String) -> [String] {
    precondition(command.options.contains { $0.name == option }, "\(option) is not in the table")
    return given[option] ?? []
  }

  /// The value of an option of kind `duration`.
  func duration(_ option: String) -> Nanoseconds? { text(option).flatMap(DurationText.read) }

  /// The value of an option of kind `number`.
  func number(_ option: String) -> Double? { text(option).flatMap(Decimal.double) }

  /// The value of an option of kind `whole`.
  func whole(_ option: String) -> UInt64? { text(option).flatMap(Decimal.whole) }

  /// The value of an option of kind `wholes`.
  func wholes(_ option: String) -> [UInt64]? { list(option)?.compactMap(Decimal.whole) }

  /// The value of an option of kind `choices` or `wholes`, cut at its commas.
  func list(_ option: String) -> [String]? { text(option).map(WordKind.parts) }

  /// An error of this command line.
  func error(_ text: String) -> UsageError { UsageError(command.name, text) }

  /// The error of a value that its kind does not describe: the option takes `what`.
  func refusal(_ option: String, takes what: String, not value: String) -> UsageError {
    error("\(option) takes \(what), not \(value)")
  }
}

extension WordKind {
  fileprivate static func parts(_ text: String) -> [String] {
    text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  }

  /// Throws if `value` is not of this kind; `subject` begins the message.
  fileprivate func check(
    _ value: String, _ subject: String, _ command: CommandSpec
  ) throws(UsageError) {
    func refuse(_ what: String, _ value: String, _ hint: String = "") -> UsageError {
      UsageError(command.name, "\(subject) \(what), not \(value)\(hint)")
    }
    switch self {
    case .text, .file, .pool, .endpoint, .target: break
    case .choice(let names):
      if !names.contains(value) { throw refuse(Self.list(names), value, Self.hint(value, names)) }
    case .choices(let names):
      for part in Self.parts(value) where !names.contains(part) {
        throw refuse("some of \(Self.list(names))", part, Self.hint(part, names))
      }
    case .assignment(let names):
      guard value.dropFirst().contains("=") else { throw refuse(Self.list(names), value) }
    case .duration(let range):
      let span = DurationText.read(value)?.seconds
      guard let span, range.contains(span) else {
        let (low, high) = (range.lowerBound, range.upperBound)
        throw refuse(
          "a time from \(Decimal.duration(.seconds(low))) to \(Decimal.duration(.seconds(high)))",
          value)
      }
    case .number(let range):
      guard let number = Decimal.double(value), range.contains(number) else {
        throw refuse(
          "a number from \(Decimal.text(range.lowerBound)) to \(Decimal.text(range.upperBound))",
          value)
      }
    case .whole: if Decimal.whole(value) == nil { throw refuse("a whole number", value) }
    case .wholes:
      for part in Self.parts(value) where Decimal.whole(part) == nil {
        throw refuse("whole numbers such as 1,2,3", part)
      }
    }
    guard self == .wholes || isChoices else { return }
    var seen: Set<String> = []
    for part in Self.parts(value) where !seen.insert(part).inserted {
      throw refuse("each only once", "\(part) twice")
    }
  }

  private var isChoices: Bool { if case .choices = self { true } else { false } }

  /// `a, b or c`.
  private static func list(_ names: [String]) -> String {
    guard let last = names.last, names.count > 1 else { return names.joined() }
    return names.dropLast().joined(separator: ", ") + " or " + last
  }

  private static func hint(_ word: String, _ names: [String]) -> String {
    Suggestion.hint(for: word, among: names).map { "; \($0)" } ?? ""
  }
}
