// `weights`: the law of a pool and the pages that it reads.
import Fleet
import Primitives

extension Decoder {
  /// Fills a pool's weight policy.
  func decodeWeights(
    _ policy: inout WeightPolicy, _ inherited: InheritedTLS, in scope: inout Scope
  ) {
    scope.read("law", &policy.law, .choice)
    scope.read("interval", &policy.interval, .duration(.milliseconds(100) ... .seconds(600)))
    scope.read("interval_min", &policy.intervalMin, .duration(.milliseconds(50) ... .seconds(600)))
    var timeout = policy.scrapeTimeout
    scope.read("timeout", &timeout, .duration(.milliseconds(1) ... .seconds(600)))
    policy.timeout = timeout
    scope.requireOrder("timeout", timeout, below: "interval", policy.interval, Decimal.duration)
    scope.read("page_bytes", &policy.pageBytesMax, .size(1_024...67_108_864))
    scope.read("floor", &policy.floorRatio, .number(0...1))
    var slew = policy.slew
    scope.read("slew", &slew, .number(0.01...100))
    policy.slewPerSecond = slew
    scope.read("dry_run", &policy.isDryRun, .truth)
    decodeSteps(&policy, in: &scope)
    let errorCount = report.count
    let outputs = (scope.items("scrape") ?? []).map { decodeScrape($0, inherited, &policy) }
    scope.put(
      "scrape",
      outputs.isEmpty ? .value("[]", isDefault: !scope.has("scrape")) : .sequence(outputs))
    if report.count == errorCount { checkLaw(policy, scope) }
  }

  // A law without any load signal would silently leave every weight unchanged.
  private func checkLaw(_ policy: WeightPolicy, _ scope: Scope) {
    let signals = policy.scrapes.flatMap(\.signals)
    let law = policy.law.rawValue
    let offset = scope.offset(of: "law")
    if policy.law != .static, policy.law != .capacity, policy.scrapes.isEmpty {
      report.error(
        at: offset, "`law: \(law)` needs `scrape`: it has no metrics to read",
        hint: "for example `scrape: [{preset: node}]`")
    } else if policy.law == .headroom, !signals.contains(where: { $0.thresholds != nil }) {
      report.error(
        at: offset, "`law: headroom` needs a signal with `normal` and `alarm`")
    } else if policy.law == .steps, !signals.contains(where: \.isRatio) {
      report.error(
        at: offset,
        "`law: steps` needs a signal that is a ratio: a gauge whose `alarm` is at most "
          + "1, or `kind: ratio`")
    }
  }

  private func decodeSteps(_ policy: inout WeightPolicy, in scope: inout Scope) {
    let belowForm = Form<Double>.number(0...1_000_000)
    let weightForm = Form<Double>.number(0...1_000_000)
    func row(_ below: Double?, _ weight: Double, isDefault: Bool) -> Output {
      var entries: [Output.Entry] = []
      if let below {
        entries.append(.init("below", .value(belowForm.write(below), isDefault: isDefault)))
      }
      entries.append(.init("weight", .value(weightForm.write(weight), isDefault: isDefault)))
      return Output.mapping(entries).inline
    }
    guard let nodes = scope.items("steps") else {
      let rows = policy.steps.rows.map { row($0.below, $0.weight, isDefault: true) }
      scope.put("steps", .sequence(rows + [row(nil, policy.steps.otherwise, isDefault: true)]))
      return
    }
    var rows: [StepTable.Row] = []
    var otherwise: Double?
    var isWrong = false
    for (index, node) in nodes.enumerated() {
      var item = Scope(node, "this step", report)
      let isLast = index == nodes.count - 1
      let below: Double? = isLast ? nil : item.require("below", belowForm)
      if isLast, let extra = item.claim("below") {
        isWrong = true
        report.error(
          at: extra.offset, "the last step is for every load above, it has no `below`",
          hint: "add a step `{weight: 1}` after it")
      }
      if let below, let last = rows.last, below <= last.below {
        report.error(
          at: item.offset(of: "below"),
          "steps must ascend: \(Decimal.text(below)) comes after \(Decimal.text(last.below))")
      }
      let weight = item.require("weight", weightForm)
      _ = item.finish()
      if let below, let weight { rows.append(.init(below: below, weight: weight)) }
      if isLast { otherwise = weight }
    }
    if nodes.count < 2, !isWrong {
      report.error(
        at: scope.offset(of: "steps"), "`steps` needs at least two steps",
        hint: "such as `[{below: 80, weight: 2}, {weight: 1}]`")
    }
    guard let otherwise else { return }
    policy.steps = StepTable(rows: rows, otherwise: otherwise)
    let outputs = rows.map { row($0.below, $0.weight, isDefault: false) }
    scope.put("steps", .sequence(outputs + [row(nil, otherwise, isDefault: false)]))
  }

  // One metrics page; a preset provides what the file leaves out.
  private func decodeScrape(
    _ node: Node, _ inherited: InheritedTLS, _ policy: inout WeightPolicy
  ) -> Output {
    var scope = Scope(node, "this page", report)
    var preset: Preset?
    scope.read("preset", &preset, Form.preset.or("none"))
    var source = ScrapeSource(preset: preset?.name, signals: [])
    if let preset {
      source.port = preset.port
      source.path = preset.path
      source.format = preset.format
    }
    scope.read("port", &source.port, Form.port.or("endpoint"))
    scope.read("path", &source.path, .path(query: true))
    scope.read("format", &source.format, .choice)
    source.fields = decodeFields("headers", in: &scope, reserved: ["accept-encoding"])
    source.tls = inherited.read(
      in: &scope, self, port: source.port, isFirstPage: policy.scrapes.isEmpty)
    scope.read("strict", &source.isStrict, .truth)
    var labels: [SampleSelector.LabelMatch] = []
    readLabels("labels", &labels, source.format, in: &scope)
    // After an invalid preset, it is unknown what the signals leave out.
    if scope.has("preset"), preset == nil, !scope.isWord("none", at: "preset") {
      _ = scope.claim("signals")
    } else {
      decodeSignals(&source, preset, in: &scope)
    }
    source.require(labels)
    policy.scrapes.append(source)
    return scope.finish()
  }
}

extension Form<Preset> {
  /// The name of a preset.
  fileprivate static var preset: Form {
    Form(
      read: { scalar throws(Misfit) in
        if let preset = Preset.named(scalar.text) { return preset }
        let names = Preset.all.map(\.name)
        throw .problem(
          "there is no preset \(Printable.quoted(scalar.text))",
          hint: Suggestion.hint(for: scalar.text, among: names)
            ?? "the presets are \(Suggestion.names(names))")
      },
      write: { YAMLText.scalar($0.name) })
  }
}
