// `signals`: the numbers that are read from a page, with their normal and alarm values.
import Fleet
import Primitives

/// How a number is derived from samples; the file's words for `SignalSource`.
enum SignalKind: String, CaseIterable {
  case gauge, rate, ratio
  case rateRatio = "rate_ratio"
  case rateOver = "rate_over"
  case mean, quantile

  /// Whether the signal has a divisor, `of`.
  var isQuotient: Bool { self == .ratio || self == .rateRatio || self == .rateOver }

  init(_ source: SignalSource) {
    switch source {
    case .value: self = .gauge
    case .rate: self = .rate
    case .valueRatio: self = .ratio
    case .rateRatio: self = .rateRatio
    case .rateOverValue: self = .rateOver
    case .mean: self = .mean
    case .quantile: self = .quantile
    }
  }

  /// Whether a signal is a utilisation if the file does not say.
  func isRatio(_ thresholds: SignalSpec.Thresholds?) -> Bool {
    switch self {
    case .ratio, .rateRatio: true
    case .gauge: thresholds.map { $0.alarm <= 1 } ?? false
    case .rate, .rateOver, .mean, .quantile: false
    }
  }
}

extension Decoder {
  /// Decodes the preset's signals with the file's changes, then the file's own ones, in file order.
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
    var places: [String: Int] = [:]
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
      if let first = places.updateValue(offset, forKey: name) {
        let line = report.line(of: first, from: offset)
        report.error(at: offset, "signal `\(name)` is already given in \(line)")
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

  // A signal of the preset keeps the preset's samples.
  private func changed(_ base: SignalSpec, in scope: inout Scope) -> SignalSpec {
    _ = scope.claim("metric")
    for key in ["labels", "kind", "of", "of_labels", "quantile", "complement"] {
      guard let node = scope.claim(key) else { continue }
      report.error(
        at: node.offset, "`\(key)` needs `metric`: the preset says how `\(base.name)` is read",
        hint: "with `metric` the signal is your own, whatever its name")
    }
    var spec = base
    tune(&spec, in: &scope)
    return spec
  }

  // A signal that the file describes completely.
  private func own(
    _ name: String, _ format: ScrapeSource.Format, in scope: inout Scope
  ) -> SignalSpec {
    var selector = metric("metric", in: &scope)
    readLabels("labels", &selector.labels, format, in: &scope)
    var kind = scope.has("of") ? SignalKind.ratio : .gauge
    scope.read("kind", &kind, .choice)
    var spec = SignalSpec(name, .value(selector))
    spec.source = source(kind, selector, format, in: &scope)
    scope.read("complement", &spec.isComplement, .truth)
    tune(&spec, in: &scope) { kind.isRatio($0.thresholds) }
    if kind == .mean || kind == .quantile, spec.aggregate != .sum {
      report.error(
        at: scope.offset(of: "aggregate"),
        "`aggregate` is `sum` for `kind: \(kind.rawValue)`: all series are one histogram",
        hint: "choose series with `labels`")
    }
    return spec
  }

  // How the number is derived, with the keys that only some kinds have.
  private func source(
    _ kind: SignalKind, _ selector: SampleSelector, _ format: ScrapeSource.Format,
    in scope: inout Scope
  ) -> SignalSource {
    var divisor = SampleSelector([])
    if kind.isQuotient {
      divisor = metric("of", in: &scope)
      divisor.labels = selector.labels
      readLabels("of_labels", &divisor.labels, format, in: &scope)
      if selector == divisor, !selector.names.isEmpty, kind != .rateOver {
        report.error(
          at: scope.offset(of: "of"), "a metric divided by itself is always 1",
          hint: "`of_labels` are the labels of the divisor; without it they are `labels`")
      }
    } else {
      for key in ["of", "of_labels"] {
        guard let node = scope.claim(key) else { continue }
        report.error(
          at: node.offset,
          "`\(key)` is for `kind: ratio`, `kind: rate_ratio` and `kind: rate_over`")
      }
    }
    var share = 0.5
    if kind == .quantile {
      share = scope.require("quantile", .number(0...1)) ?? share
    } else if let node = scope.claim("quantile") {
      report.error(at: node.offset, "`quantile` is for `kind: quantile`")
    }
    if kind == .mean || kind == .quantile { checkHistogram(kind, selector, format, scope) }
    switch kind {
    case .gauge: return .value(selector)
    case .rate: return .rate(selector)
    case .ratio: return .valueRatio(selector, divisor)
    case .rateRatio: return .rateRatio(selector, divisor)
    case .rateOver: return .rateOverValue(selector, divisor)
    case .mean: return .mean(selector)
    case .quantile: return .quantile(share, selector)
    }
  }

  private func checkHistogram(
    _ kind: SignalKind, _ selector: SampleSelector, _ format: ScrapeSource.Format, _ scope: Scope
  ) {
    if format == .json {
      report.error(at: scope.offset(of: "kind"), "a JSON page has no histograms")
    }
    for name in selector.names {
      guard let suffix = ["_bucket", "_count", "_sum"].first(where: name.hasSuffix) else {
        continue
      }
      report.error(
        at: scope.offset(of: "metric"),
        "`kind: \(kind.rawValue)` needs the name of a histogram, without `\(suffix)`",
        hint: "write `\(name.dropLast(suffix.count))`")
    }
  }

  // Decodes what a file may change in every signal. `guess` says whether a signal is a utilisation
  // if the file does not.
  private func tune(
    _ spec: inout SignalSpec, in scope: inout Scope,
    guess: (SignalSpec) -> Bool = { $0.isRatio }
  ) {
    tuneThresholds(&spec, in: &scope)
    spec.isRatio = guess(spec)
    scope.read("utilisation", &spec.isRatio, .truth)
    scope.read("role", &spec.role, Form<SignalRole>.choice.or("none"))
    scope.read("absent", &spec.absent, Form<Double>.number(-1e18...1e18).or("none"))
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

  // One metric name; several, of which the first one on the page is read; or `{all: [a, b]}`.
  private func metric(_ key: String, in scope: inout Scope) -> SampleSelector {
    func names(_ key: String, in scope: inout Scope) -> [String] {
      let nodes = scope.items(key, required: true) ?? []
      return nodes.compactMap { scope.decode($0, "an item of `\(key)`", .metric) }
    }
    switch scope.node(key)?.content {
    case .sequence:
      let selector = SampleSelector(names(key, in: &scope))
      scope.put(key, selector.namesOutput)
      return selector
    case .mapping:
      var inner = Scope(scope.claim(key, required: true), "`\(key)`", report)
      let selector = SampleSelector.all(names("all", in: &inner))
      _ = inner.finish()
      scope.put(key, selector.namesOutput)
      return selector
    default: return SampleSelector(scope.require(key, .metric).map { [$0] } ?? [])
    }
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
}
