// `labels`: the series of a metric that belong to a signal. `{gpu: "0"}`, `{gpu: ["0", "1"]}`,
// `{mode: {not: [idle]}}`, `{device: {matches: "sd.*", not_matches: "sda.*"}}`.
import Fleet
import Primitives

extension Decoder {
  /// Reads the conditions; if the key is absent, `labels` keeps its default.
  func readLabels(
    _ key: String, _ labels: inout [SampleSelector.LabelMatch], _ format: ScrapeSource.Format,
    in scope: inout Scope
  ) {
    if let entries = scope.named(key) {
      if format == .json, !entries.isEmpty {
        report.error(at: scope.offset(of: key), "a JSON page has no labels")
      }
      labels = entries.flatMap { decodeLabel($0) }
    }
    scope.put(key, .value(labels.output.text, isDefault: !scope.has(key)))
  }

  private func decodeLabel(_ entry: Node.Entry) -> [SampleSelector.LabelMatch] {
    let title = "label \(Printable.quoted(entry.key.text))"
    let label = entry.key.text
    func texts(_ node: Node, _ form: Form<String>) -> [String] {
      let helper = Scope(nil, "", report)
      guard case .sequence(let items) = node.content else {
        return helper.decode(node, title, form).map { [$0] } ?? []
      }
      if items.isEmpty { report.error(at: node.offset, "\(title) needs at least one value") }
      return items.compactMap { helper.decode($0, title, form) }
    }
    guard case .mapping = entry.value.content else {
      return [.is(label, texts(entry.value, .labelValue))]
    }
    var scope = Scope(entry.value, title, anchor: entry.key.offset, report)
    var matches: [SampleSelector.LabelMatch] = []
    for kind in LabelWord.allCases {
      guard let node = scope.claim(kind.rawValue) else { continue }
      matches.append(kind.match(label, texts(node, kind == .not ? .labelValue : .pattern(title))))
    }
    if scope.isEmpty {
      report.error(
        at: entry.value.offset,
        "\(title) needs a value, a list, `{not: …}`, `{matches: …}` or `{not_matches: …}`")
    }
    _ = scope.finish()
    return matches
  }
}

/// The keys of a label's mapping.
private enum LabelWord: String, CaseIterable {
  case not, matches
  case notMatches = "not_matches"

  init?(_ match: SampleSelector.LabelMatch) {
    switch (match.isMember, match.isPattern) {
    case (true, false): return nil
    case (false, false): self = .not
    case (true, true): self = .matches
    case (false, true): self = .notMatches
    }
  }

  func match(_ label: String, _ values: [String]) -> SampleSelector.LabelMatch {
    SampleSelector.LabelMatch(
      label: label, values: values, isMember: self == .matches, isPattern: self != .not)
  }
}

extension [SampleSelector.LabelMatch] {
  /// The form of `labels` in the file. Several conditions on one label share one mapping.
  var output: Output {
    var entries: [Output.Entry] = []
    for match in self where !entries.contains(where: { $0.key == match.label }) {
      var words: [Output.Entry] = []
      var plain: Output?
      for other in self where other.label == match.label {
        let values = Output.sequence(
          other.values.map { .value(YAMLText.quoted($0), isDefault: false) })
        if let word = LabelWord(other) {
          words.append(.init(word.rawValue, values))
        } else {
          plain = values
        }
      }
      entries.append(.init(match.label, plain ?? .mapping(words)))
    }
    return .mapping(entries)
  }
}

extension Form<String> {
  /// The value of a label; it may be empty: `""`.
  fileprivate static var labelValue: Form {
    Form(
      read: { scalar throws(Misfit) in
        if scalar.isNull || scalar.text.utf8.count > 1_024 { throw .expected("text") }
        return scalar.text
      },
      write: YAMLText.quoted)
  }

  /// A regular expression.
  fileprivate static func pattern(_ title: String) -> Form {
    Form(
      read: { scalar throws(Misfit) in
        if scalar.isNull { throw .expected("a regular expression") }
        do throws(TextPatternError) {
          return try TextPattern(scalar.text).text
        } catch {
          let name = "\(title): the pattern \(Printable.quoted(scalar.text))"
          throw .problem("\(name) \(error.problem)", hint: error.hint)
        }
      },
      write: YAMLText.quoted)
  }
}
