// A preset as an item of `scrape` with all its signals, to be read, or copied and changed. Law: the
// configuration reads it as the same signals.
package import Fleet

extension Preset {
  /// YAML: a comment and a list of one item, with a newline after every line.
  package var yaml: String {
    var entries: [Output.Entry] = []
    func put(_ key: String, _ text: String) {
      entries.append(.init(key, .value(text, isDefault: false)))
    }
    if let port { put("port", "\(port)") }
    put("path", YAMLText.scalar(path))
    if format != .prometheus { put("format", format.rawValue) }
    entries.append(.init("signals", .sequence(signals.map(\.output))))
    return comment + Output.sequence([.mapping(entries)]).yaml
  }

  /// Summary and advice in lines of at most 100 characters.
  private var comment: String {
    var lines = ["# preset \(name): \(summary)"]
    var line = "#"
    for word in advice.split(separator: " ") {
      if line.count + 1 + word.count > 100 {
        lines.append(line)
        line = "#"
      }
      line += " " + word
    }
    if line != "#" { lines.append(line) }
    return lines.map { $0 + "\n" }.joined()
  }
}

extension SignalSpec {
  /// As in a file that leaves out the defaults.
  var output: Output {
    var entries: [Output.Entry] = []
    func put(_ key: String, _ output: Output) { entries.append(.init(key, output)) }
    func text(_ key: String, _ text: String) { put(key, .value(text, isDefault: false)) }
    text("name", YAMLText.scalar(name))
    let kind = SignalKind(source)
    func selector(_ selector: SampleSelector, _ key: String, _ labelsKey: String) {
      put(key, selector.namesOutput)
      if !selector.labels.isEmpty { text(labelsKey, selector.labels.output.text) }
    }
    switch source {
    case .value(let a), .rate(let a), .mean(let a): selector(a, "metric", "labels")
    case .quantile(let share, let a):
      selector(a, "metric", "labels")
      text("quantile", Decimal.text(share))
    case .valueRatio(let a, let b), .rateRatio(let a, let b), .rateOverValue(let a, let b):
      selector(a, "metric", "labels")
      put("of", b.namesOutput)
      if a.labels != b.labels { text("of_labels", b.labels.output.text) }
    }
    if kind != .gauge { text("kind", kind.rawValue) }
    if isComplement { text("complement", "true") }
    if aggregate != .sum { text("aggregate", aggregate.rawValue) }
    if scale != 1 { text("scale", Decimal.text(scale)) }
    if let thresholds {
      text("normal", Decimal.text(thresholds.normal))
      text("alarm", Decimal.text(thresholds.alarm))
    }
    if isRatio != kind.isRatio(thresholds) { text("utilisation", "\(isRatio)") }
    if let role { text("role", role.rawValue) }
    if let absent { text("absent", Decimal.text(absent)) }
    return .mapping(entries)
  }
}

extension SampleSelector {
  /// The form of `metric` and `of`.
  var namesOutput: Output {
    let list = Output.sequence(names.map { .value(YAMLText.scalar($0), isDefault: false) })
    if takesAll { return Output.mapping([.init("all", list)]).inline }
    return names.count == 1
      ? .value(YAMLText.scalar(names[0]), isDefault: false) : list.inline
  }
}
