// The result of `steelyard probe`, as text for people and as JSON for programs.
import Controller
import Fleet
import FoundationEssentials
import Primitives
import Terminal

struct ProbeReport: Sendable, Equatable {
  var url: String
  /// The first fetch of the page that the report is about.
  var fetch: PageFetch
  var survey: PageSurvey?
  /// Why there is no survey; nil: there is one.
  var diagnosis: PageDiagnosis?
  var notes: [String] = []
  /// TLS of the page; nil: it came in the clear.
  var tls: ClientTLS?
  /// The port of the endpoint according to the URL.
  private let port: UInt16

  init(url: String, port: UInt16, fetch: PageFetch) {
    self.url = url
    self.port = port
    self.fetch = fetch
  }

  /// The line-by-line check, if it was asked for and the page is text.
  var strict: StrictCheck?

  /// Whether the page is as it should be: valid if that was checked, else useful to a preset.
  var isGood: Bool { strict.map { $0.fault == nil } ?? isUseful }

  /// Whether a preset can read the page.
  var isUseful: Bool { survey?.isUseful ?? false }

  // MARK: Text

  /// Lines for people.
  var text: String {
    var lines: [String] = []
    if let survey {
      lines.append(headline(survey))
      for note in notes { lines.append("note: \(note)") }
      lines += strict?.text ?? []
      lines += fitLines(survey)
      lines += rowLines(survey)
      lines += loadLines(survey)
      lines += adviceLines(survey)
    } else {
      lines.append("no metrics at \(url): \(diagnosis?.problem ?? "unknown")")
      for note in notes { lines.append("note: \(note)") }
    }
    for hint in diagnosis?.hints ?? [] { lines.append("hint: \(hint)") }
    return lines.joined(separator: "\n")
  }

  private func headline(_ survey: PageSurvey) -> String {
    var parts = ["\(fetch.page?.count ?? 0) bytes"]
    if survey.format == .prometheus { parts.append("\(survey.sampleCount) samples") }
    parts.append("\(NumberWords.fixed(fetch.duration.seconds * 1_000, 1)) ms")
    if survey.parseErrorCount > 0 {
      parts.append("\(survey.parseErrorCount) lines refused, \(survey.firstParseError ?? "")")
    }
    return "\(url): " + parts.joined(separator: ", ")
  }

  private func fitLines(_ survey: PageSurvey) -> [String] {
    guard !survey.fits.isEmpty else {
      var lines = ["", "no preset fits"]
      if !survey.suspects.isEmpty {
        lines.append("these names sound like load; docs/signals.md says how to read them:")
        lines += survey.suspects.map { "  " + Self.printable($0) }
      }
      return lines
    }
    let rows = survey.fits.map { fit in
      [
        fit.preset, "\(fit.found) of \(fit.of) signals",
        Preset.named(fit.preset)?.summary ?? "",
      ]
    }
    return ["", "presets that fit"] + Self.table(rows)
  }

  private func rowLines(_ survey: PageSurvey) -> [String] {
    guard let preset = survey.preset, !survey.rows.isEmpty else { return [] }
    let rows = survey.rows.map { row in
      var load = ""
      if let thresholds = row.thresholds {
        let range =
          "normal \(NumberWords.short(thresholds.normal)), alarm \(NumberWords.short(thresholds.alarm))"
        load = row.load.map { "load \(NumberWords.fixed($0)) (\(range))" } ?? "(\(range))"
      }
      return [
        row.name, row.reading.value.map(NumberWords.short) ?? "-",
        row.reading == .absent(.missing) && row.isAnnounced
          ? "announced, but no sample yet" : Self.state(row.reading),
        row.role.map { "role \($0.rawValue)" } ?? "", load,
      ]
    }
    return ["", "signals of \(preset)"] + Self.table(rows)
  }

  private static func state(_ reading: SignalReading) -> String {
    switch reading {
    case .value: "fresh"
    case .assumed(_, let absence): "assumed: \(absence.detail)"
    case .absent(let absence): absence.detail
    }
  }

  private func loadLines(_ survey: PageSurvey) -> [String] {
    guard let preset = survey.preset else { return [] }
    guard let load = survey.load else {
      return ["", "load (headroom): none, for no signal with `normal` and `alarm` has a number"]
    }
    var lines = [
      "", "load (headroom): \(NumberWords.fixed(load)), from \(survey.loadDetail ?? preset)",
    ]
    lines += ["", "to scrape it:", "  scrape: [\(scrapeItem(preset))]"]
    return lines
  }

  /// The preset as an item of `scrape`.
  private func scrapeItem(_ name: String) -> String {
    var item = "{preset: \(name)"
    if let preset = Preset.named(name) {
      if preset.port != nil, preset.port != port { item += ", port: \(port)" }
      if preset.path != fetch.path { item += ", path: \"\(fetch.path)\"" }
      if let tls { item += ", tls: \(Self.text(tls))" }
    }
    return item + "}"
  }

  /// TLS as an item of `scrape` has it.
  private static func text(_ tls: ClientTLS) -> String {
    var parts: [String] = []
    if let ca = tls.ca { parts.append("ca: \"\(ca)\"") }
    if let files = tls.certificate {
      parts.append("cert: \"\(files.certificate)\", key: \"\(files.key)\"")
    }
    return parts.isEmpty ? "true" : "{\(parts.joined(separator: ", "))}"
  }

  /// The advice of the chosen preset, if a signal is missing.
  private func adviceLines(_ survey: PageSurvey) -> [String] {
    guard let preset = survey.preset.flatMap(Preset.named), !preset.advice.isEmpty,
      survey.rows.contains(where: { $0.reading == .absent(.missing) })
    else { return [] }
    return ["", "hint: \(preset.name): \(preset.advice)"]
  }

  /// A table, indented by two blanks.
  private static func table(_ rows: [[String]]) -> [String] {
    TableLayout.plain(rows).map { "  " + $0 }
  }

  /// Untrusted text without control characters.
  private static func printable(_ text: String) -> String {
    Array(text.utf8).withUnsafeBytes { Wording.snippet($0) }
  }

  // MARK: JSON

  private struct Document: Encodable {
    struct Fit: Encodable {
      var preset: String
      var found: Int
      var of: Int
    }
    struct Signal: Encodable {
      var name: String
      var value: Double?
      var state: String
      var role: String?
      var load: Double?
    }
    struct Strict: Encodable {
      var format: String
      var valid: Bool
      var line: Int?
      var column: Int?
      var reason: String?
      var text: String?
    }
    var url: String
    var status: Int?
    var bytes: Int?
    var samples: Int?
    var refused_lines: Int?
    var seconds: Double
    var fits: [Fit]?
    var preset: String?
    var signals: [Signal]?
    var load: Double?
    var strict: Strict?
    var problem: String?
    var looks_like: String?
    var hints: [String]
    var notes: [String]
  }

  /// One JSON object with its keys in alphabetical order; keys without a value are left out.
  var json: String {
    var document = Document(
      url: url, seconds: fetch.duration.seconds, hints: diagnosis?.hints ?? [], notes: notes)
    if case .answered(let status, let content) = fetch.outcome {
      (document.status, document.bytes) = (status, content.count)
    }
    if let survey {
      document.samples = survey.sampleCount
      document.refused_lines = survey.parseErrorCount
      document.fits = survey.fits.map { .init(preset: $0.preset, found: $0.found, of: $0.of) }
      document.preset = survey.preset
      document.strict = strict.map { check in
        .init(
          format: check.format.rawValue, valid: check.fault == nil, line: check.fault?.line,
          column: check.fault?.column, reason: check.fault?.reason, text: check.fault?.text)
      }
      document.load = survey.load
      document.signals = survey.rows.map { row in
        let state =
          switch row.reading {
          case .value: "fresh"
          case .assumed(_, let absence), .absent(let absence): absence.label
          }
        return .init(
          name: row.name, value: row.reading.value, state: state, role: row.role?.rawValue,
          load: row.load)
      }
    } else {
      document.problem = diagnosis?.problem
      document.looks_like = diagnosis?.preset
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    let data = (try? encoder.encode(document)) ?? Data("{}".utf8)
    return String(decoding: data, as: UTF8.self)
  }
}
