// `signals`: which numbers of a page are read, and what of them is normal and what an alarm.
import Fleet
import Primitives

/// How a number is made of samples; the words of the file for `SignalSource`.
private enum SignalKind: String, CaseIterable {
  case gauge, rate, ratio
  case rateRatio = "rate_ratio"

  var isQuotient: Bool { self == .ratio || self == .rateRatio }
}

extension Decoder {
  /// The preset's signals with what the file changes, then the file's own, in file order.
  func decodeSignals(_ source: inout ScrapeSource, _ preset: Preset?, in scope: inout Scope) {
    let isRequired = preset == nil
    var specs = preset?.signals ?? []
    var outputs: [Output] = specs.map { spec in
      var spec = spec
      var absent = Scope(nil, "", report)
      absent.put("name", .value(YAMLText.scalar(spec.name), isDefault: true))
      tune(&spec, in: &absent)
      return absent.finish()
    }
    var lines: [String: Int] = [:]
    for node in scope.items("signals", required: isRequired) ?? [] {
      var item = Scope(node, "this signal", report)
      let name = item.require("name", .name)
      if let name { item.title = "signal `\(name)`" }
      let known = name.flatMap { name in specs.firstIndex { $0.name == name } }
      let spec: SignalSpec
      if let known, !item.has("metric") {
        spec = changed(specs[known], in: &item)
      } else {
        spec = own(name ?? "", source.format, in: &item)
      }
      let output = item.finish()
      guard let name else { continue }
      let offset = item.offset(of: "name")
      if let first = lines.updateValue(report.source.position(of: offset).line, forKey: name) {
        report.error(at: offset, "signal `\(name)` is already given in line \(first)")
      } else if let known {
        (specs[known], outputs[known]) = (spec, output)
      } else {
        specs.append(spec)
        outputs.append(output)
      }
    }
    source.signals = specs
    scope.put("signals", .sequence(outputs))
  }

  // A signal of the preset: its samples are the preset's.
  private func changed(_ base: SignalSpec, in scope: inout Scope) -> SignalSpec {
    _ = scope.claim("metric")
    for key in ["labels", "kind", "of", "of_labels", "complement"] {
      guard let node = scope.claim(key) else { continue }
      report.error(
        at: node.offset, "`\(key)` needs `metric`: the preset says how `\(base.name)` is read",
        hint: "with `metric` the signal is your own, whatever its name")
    }
    var spec = base
    tune(&spec, in: &scope)
    return spec
  }

  // A signal that the file describes in full.
  private func own(
    _ name: String, _ format: ScrapeSource.Format, in scope: inout Scope
  ) -> SignalSpec {
    var selector = metric("metric", in: &scope)
    readLabels("labels", &selector.labels, format, in: &scope)
    var kind = scope.has("of") ? SignalKind.ratio : .gauge
    scope.read("kind", &kind, .choice)
    var spec = SignalSpec(name, .value(selector))
    if kind.isQuotient {
      var divisor = metric("of", in: &scope)
      divisor.labels = selector.labels
      readLabels("of_labels", &divisor.labels, format, in: &scope)
      if selector == divisor, !selector.names.isEmpty {
        report.error(
          at: scope.offset(of: "of"), "a metric divided by itself is always 1",
          hint: "`of_labels` are the labels of the divisor; without it they are `labels`")
      }
      spec.source =
        kind == .ratio ? .valueRatio(selector, divisor) : .rateRatio(selector, divisor)
    } else {
      for key in ["of", "of_labels"] {
        guard let node = scope.claim(key) else { continue }
        report.error(at: node.offset, "`\(key)` is for `kind: ratio` and `kind: rate_ratio`")
      }
      if kind == .rate { spec.source = .rate(selector) }
    }
    scope.read("complement", &spec.isComplement, .truth)
    tune(&spec, in: &scope) { spec in
      kind.isQuotient || kind == .gauge && spec.thresholds.map { $0.alarm <= 1 } ?? false
    }
    return spec
  }

  // What a file may change of every signal.
  // `guess` says whether a signal is a utilisation where the file does not.
  private func tune(
    _ spec: inout SignalSpec, in scope: inout Scope,
    guess: (SignalSpec) -> Bool = { $0.isRatio }
  ) {
    tuneThresholds(&spec, in: &scope)
    spec.isRatio = guess(spec)
    scope.read("utilisation", &spec.isRatio, .truth)
    scope.read("role", &spec.role, Form<SignalRole>.choice.or("none"))
  }

  private func tuneThresholds(_ spec: inout SignalSpec, in scope: inout Scope) {
    let number = Form<Double>.number(-1e18...1e18)
    scope.read("aggregate", &spec.aggregate, .choice)
    scope.read("scale", &spec.scale, .number(1e-18...1e18))
    var normal = spec.thresholds?.normal
    var alarm = spec.thresholds?.alarm
    scope.read("normal", &normal, number.or("none"))
    scope.read("alarm", &alarm, number.or("none"))
    if scope.refused.contains("normal") || scope.refused.contains("alarm") { return }
    switch (normal, alarm) {
    case (let normal?, let alarm?):
      scope.requireOrder("normal", normal, below: "alarm", alarm, Decimal.text)
      spec.thresholds = .init(normal: normal, alarm: alarm)
    case (nil, nil):
      spec.thresholds = nil
    case (_?, nil):
      report.error(at: scope.offset(of: "normal"), "`normal` needs `alarm`")
    case (nil, _?):
      report.error(at: scope.offset(of: "alarm"), "`alarm` needs `normal`")
    }
  }

  // One metric name; several, of which the first that a page has is read; or `{all: [a, b]}`.
  private func metric(_ key: String, in scope: inout Scope) -> SampleSelector {
    func names(_ key: String, in scope: inout Scope) -> [String] {
      let nodes = scope.items(key, required: true) ?? []
      return nodes.compactMap { scope.decode($0, "an item of `\(key)`", .metric) }
    }
    func output(_ names: [String]) -> Output {
      .sequence(names.map { .value(YAMLText.scalar($0), isDefault: false) })
    }
    switch scope.node(key)?.content {
    case .sequence:
      let names = names(key, in: &scope)
      scope.put(key, output(names).inline)
      return SampleSelector(names)
    case .mapping:
      var inner = Scope(scope.claim(key, required: true), "`\(key)`", report)
      let selector = SampleSelector.all(names("all", in: &inner))
      _ = inner.finish()
      scope.put(key, Output.mapping([.init("all", output(selector.names))]).inline)
      return selector
    default: return SampleSelector(scope.require(key, .metric).map { [$0] } ?? [])
    }
  }

  // `{gpu: "0"}`, `{gpu: ["0", "1"]}` or `{mode: {not: [idle]}}`.
  private func readLabels(
    _ key: String, _ labels: inout [SampleSelector.LabelMatch], _ format: ScrapeSource.Format,
    in scope: inout Scope
  ) {
    if let entries = scope.named(key) {
      if format == .json, !entries.isEmpty {
        report.error(at: scope.offset(of: key), "a JSON page has no labels")
      }
      labels = entries.map { decodeLabel($0) }
    }
    let outputs = labels.map { match in
      let values = Output.sequence(
        match.values.map { .value(YAMLText.quoted($0), isDefault: false) })
      return Output.Entry(
        match.label, match.isMember ? values : .mapping([.init("not", values)]))
    }
    scope.put(key, .value(Output.mapping(outputs).text, isDefault: !scope.has(key)))
  }

  private func decodeLabel(_ entry: Node.Entry) -> SampleSelector.LabelMatch {
    let title = "label \(Printable.quoted(entry.key.text))"
    var match = SampleSelector.LabelMatch(label: entry.key.text, values: [])
    func texts(_ node: Node) -> [String] {
      let helper = Scope(nil, "", report)
      guard case .sequence(let items) = node.content else {
        return helper.decode(node, title, .labelValue).map { [$0] } ?? []
      }
      if items.isEmpty { report.error(at: node.offset, "\(title) needs at least one value") }
      return items.compactMap { helper.decode($0, title, .labelValue) }
    }
    guard case .mapping = entry.value.content else {
      match.values = texts(entry.value)
      return match
    }
    var scope = Scope(entry.value, title, anchor: entry.key.offset, report)
    match.isMember = false
    if let node = scope.claim("not") {
      match.values = texts(node)
    } else if scope.isEmpty {
      report.error(at: entry.value.offset, "\(title) needs a value, a list or `{not: …}`")
    }
    _ = scope.finish()
    return match
  }
}

extension Form<String> {
  /// The name of a metric, without labels.
  fileprivate static var metric: Form {
    let text = Form.text("the name of a metric")
    return Form(
      read: { scalar throws(Misfit) in
        let name = try text.read(scalar)
        guard name.utf8.allSatisfy({ !" {}\"\t".utf8.contains($0) }) else {
          throw .expected(
            "the name of a metric", hint: name.contains("{") ? "labels go in `labels`" : nil)
        }
        return name
      },
      write: text.write)
  }

  /// The value of a label; it may be empty, as `""`.
  fileprivate static var labelValue: Form {
    Form(
      read: { scalar throws(Misfit) in
        if scalar.isNull || scalar.text.utf8.count > 1_024 { throw .expected("text") }
        return scalar.text
      },
      write: YAMLText.quoted)
  }
}
