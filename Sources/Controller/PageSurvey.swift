// What a page is useful for: which presets fit it, and the signals of one preset over two pages.
// Pure; uses the same reader as in production.
import Exposition
package import Fleet
package import Primitives

package struct PageSurvey: Sendable, Equatable {
  /// How much of a preset is on the page.
  package struct Fit: Sendable, Equatable {
    package var preset: String
    package var found: Int
    package var of: Int
  }

  /// One signal.
  package struct Row: Sendable, Equatable {
    package var name: String
    package var reading: SignalReading
    /// Whether the page announces the metric (`# TYPE`), with samples or without.
    package var isAnnounced = false
    package var thresholds: SignalSpec.Thresholds?
    package var isRatio: Bool
    package var role: SignalRole?

    /// The load according to the headroom law; nil: it has none.
    package var load: Double? {
      guard let value = reading.value, let thresholds else { return nil }
      return ControlLaw.load(of: value, thresholds)
    }
  }

  package var format = ScrapeSource.Format.prometheus
  package var sampleCount = 0
  package var parseErrorCount = 0
  package var firstParseError: String?
  /// The presets with any signal on the page, the best first.
  package var fits: [Fit] = []
  /// The preset that `rows` belong to; nil: none fits.
  package var preset: String?
  package var rows: [Row] = []
  /// The load of the headroom law, 0...1, and the signal that decides; nil: no signal has both
  /// thresholds and a number.
  package var load: Double?
  package var loadDetail: String?
  /// Names on the page that sound like load, in case no preset fits.
  package var suspects: [String] = []

  /// Reads the first page and, if there is one, a later one. `preset`: nil chooses the best. Throws
  /// if the first page is not a metrics page.
  package init(
    _ first: [UInt8], _ second: (page: [UInt8], after: Nanoseconds)?, preset chosen: Preset?
  ) throws(PageError) {
    let format = chosen?.format ?? Self.format(first)
    self.format = format
    let announced = format == .prometheus ? Self.announced(first) : []
    for preset in Preset.all where preset.format == format {
      let readings = try Self.readings(preset, first, nil)
      let found = zip(preset.signals, readings).count { spec, reading in
        reading != .absent(.missing) || spec.isAnnounced(by: announced)
      }
      if found > 0 { fits.append(Fit(preset: preset.name, found: found, of: readings.count)) }
    }
    // The number of signals counts first, then their share; `process` fits very many pages.
    fits.sort { a, b in
      if (a.preset == "process") != (b.preset == "process") { return b.preset == "process" }
      if a.found != b.found { return a.found > b.found }
      return a.found * b.of > b.found * a.of
    }
    if format == .prometheus { count(first) }
    guard let preset = chosen ?? fits.first.flatMap({ Preset.named($0.preset) }) else { return }
    self.preset = preset.name
    let readings = try Self.readings(preset, first, second)
    rows = zip(preset.signals, readings).map { spec, reading in
      Row(
        name: spec.name, reading: reading, isAnnounced: spec.isAnnounced(by: announced),
        thresholds: spec.thresholds, isRatio: spec.isRatio, role: spec.role)
    }
    let usable = rows.compactMap { row in
      row.reading.value.map {
        LawSignal(
          name: row.name, value: $0, thresholds: row.thresholds, isRatio: row.isRatio)
      }
    }
    let verdict = ControlLaw.headroom(usable, floorRatio: WeightPolicy().floorRatio)
    load = verdict?.loadRatio
    loadDetail = verdict?.evidence.words
  }

  /// Whether any signal of the preset is on the page.
  package var isUseful: Bool {
    rows.contains { $0.reading != .absent(.missing) || $0.isAnnounced }
  }

  private static let announcedMax = 4_096

  /// The names in the page's TYPE lines, the first 4,096 of them.
  private static func announced(_ page: [UInt8]) -> Set<String> {
    var names: Set<String> = []
    page.withUnsafeBytes { bytes in
      var parser = SampleParser(bytes)
      while let item = parser.next(where: { _ in false }), names.count < announcedMax {
        if case .type(let name, _) = item { names.insert(name.string) }
      }
    }
    return names
  }

  /// JSON if the page cannot be Prometheus text and the JSON preset has a signal on it.
  private static func format(_ page: [UInt8]) -> ScrapeSource.Format {
    let isText = page.withUnsafeBytes { bytes in
      do throws(PageError) {
        try PageKind.requirePrometheus(bytes)
        return true
      } catch {
        return false
      }
    }
    guard !isText else { return .prometheus }
    for preset in Preset.all where preset.format == .json {
      let readings = (try? readings(preset, page, nil)) ?? []
      if readings.contains(where: { $0 != .absent(.missing) }) { return .json }
    }
    return .prometheus
  }

  private static func readings(
    _ preset: Preset, _ first: [UInt8], _ second: (page: [UInt8], after: Nanoseconds)?
  ) throws(PageError) -> [SignalReading] {
    var reader = PageReader(preset.source, windowMax: .seconds(600))
    let readings = try read(&reader, first, .zero)
    guard let second else { return readings }
    // If the second page cannot be read, the readings of the first one stay.
    return (try? read(&reader, second.page, second.after)) ?? readings
  }

  private static func read(
    _ reader: inout PageReader, _ page: [UInt8], _ at: Nanoseconds
  ) throws(PageError) -> [SignalReading] {
    var result: Result<[SignalReading], PageError> = .success([])
    page.withUnsafeBytes { bytes in
      do throws(PageError) {
        result = .success(try reader.read(bytes, sentAt: at).readings)
      } catch {
        result = .failure(error)
      }
    }
    return try result.get()
  }

  private static let suspectMax = 12
  private static let suspectWords = [
    "running", "waiting", "queue", "pending", "in_progress", "inprogress", "in_flight", "inflight",
    "active", "processing", "utiliz", "usage", "busy", "concurren",
  ]

  /// Counts the samples and the malformed lines, and collects names that sound like load.
  private mutating func count(_ page: [UInt8]) {
    page.withUnsafeBytes { bytes in
      var parser = SampleParser(bytes)
      while let item = parser.next() {
        switch item {
        case .type: break
        case .bad(let error):
          parseErrorCount += 1
          if firstParseError == nil {
            firstParseError = "line \(error.line), column \(error.column): \(error.label)"
          }
        case .sample(let sample):
          sampleCount += 1
          guard fits.isEmpty || fits.first?.preset == "process", suspects.count < Self.suspectMax,
            sample.name.bytes.count <= 100
          else { continue }
          let name = sample.name.string
          let isPart = ["_bucket", "_sum", "_count", "_created"].contains(where: name.hasSuffix)
          if !isPart, !suspects.contains(name),
            Self.suspectWords.contains(where: name.lowercased().contains)
          {
            suspects.append(name)
          }
        }
      }
    }
  }
}

extension SignalSpec {
  /// Whether one of its metrics is among the names of TYPE lines, with or without the suffixes of
  /// counters, histograms and summaries.
  fileprivate func isAnnounced(by names: Set<String>) -> Bool {
    if names.isEmpty { return false }
    var isFound = false
    _ = source.mapSelectors { selector in
      for name in selector.names where !isFound {
        isFound =
          names.contains(name)
          || ["_total", "_sum", "_count", "_bucket"].contains { ending in
            name.hasSuffix(ending) && names.contains(String(name.dropLast(ending.count)))
          }
      }
    }
    return isFound
  }
}
