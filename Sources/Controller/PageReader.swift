// From a page's bytes to one reading for each signal of a source: exact names, the first present
// wins; labels; aggregate; rates per series from the page before, counted from send to send.
// A page is told by its content, not by what its head claims.
import Exposition
package import Fleet
package import Primitives

/// Reads the pages of one endpoint and source, in the order of their sending.
package struct PageReader: Sendable {
  /// The most series of one selector.
  package static let seriesMax = 4_096
  private static let startTimeName = "process_start_time_seconds"

  /// A name that is looked for: where it belongs.
  private struct WantedName: Sendable {
    let name: String
    let selector: Int
    /// Its index in the selector's names.
    let rank: Int
  }

  private let source: ScrapeSource
  /// A rate over a longer time than this says nothing about now.
  package var windowMax: Nanoseconds
  private var selected: [SelectedSeries] = []
  private var wanted: [WantedName] = []
  /// Which of `selected` a signal reads: one, or two for a ratio.
  private var parts: [(first: Int, second: Int?)] = []
  private var startTime: Double?
  private var previousSentAt: Nanoseconds?

  package init(_ source: ScrapeSource, windowMax: Nanoseconds) {
    self.source = source
    self.windowMax = windowMax
    for signal in source.signals {
      switch signal.source {
      case .value(let selector): parts.append((add(selector, isCounter: false), nil))
      case .rate(let selector): parts.append((add(selector, isCounter: true), nil))
      case .valueRatio(let a, let b):
        parts.append((add(a, isCounter: false), add(b, isCounter: false)))
      case .rateRatio(let a, let b):
        parts.append((add(a, isCounter: true), add(b, isCounter: true)))
      }
    }
  }

  private mutating func add(_ selector: SampleSelector, isCounter: Bool) -> Int {
    selected.append(SelectedSeries(selector, isCounter: isCounter))
    for (rank, name) in selector.names.enumerated() {
      wanted.append(WantedName(name: name, selector: selected.count - 1, rank: rank))
    }
    return selected.count - 1
  }

  /// Reads a page whose request was sent at `sentAt`. After an error the page before is still the
  /// one that rates count from.
  package mutating func read(
    _ page: UnsafeRawBufferPointer, sentAt: Nanoseconds
  ) throws(PageError) -> PageReading {
    var result = PageReading(readings: [])
    var newStart: Double?
    switch source.format {
    case .prometheus:
      try PageKind.requirePrometheus(page)
      try checkHasSamples(page)
      for index in selected.indices { selected[index].beginPage() }
      gather(page, &result, &newStart)
    case .json:
      try PageKind.requireJSON(page)
      let json = try JSONPage.read(page)
      for index in selected.indices { selected[index].beginPage() }
      gather(json, &newStart)
    }
    if let newStart {
      result.didRestart = startTime.map { $0 != newStart } ?? false
      startTime = newStart
    }
    let window = previousSentAt.map { sentAt - $0 }
    previousSentAt = sentAt
    for index in source.signals.indices {
      result.readings.append(reading(index, window: window, didRestart: result.didRestart))
    }
    return result
  }

  // MARK: Gathering

  /// A page on which nothing is right is not metrics at all, and must not count as a page.
  private func checkHasSamples(_ page: UnsafeRawBufferPointer) throws(PageError) {
    var parser = SampleParser(page)
    guard case .bad(let error)? = parser.next() else { return }
    while let item = parser.next() {
      guard case .bad = item else { return }
    }
    throw .noSamples(Self.text(error))
  }

  private mutating func gather(
    _ page: UnsafeRawBufferPointer, _ result: inout PageReading, _ newStart: inout Double?
  ) {
    let wanted = wanted
    func isWanted(_ name: PageText) -> Bool {
      for each in wanted where name.equals(each.name) { return true }
      return name.equals(Self.startTimeName)
    }
    var parser = SampleParser(page)
    while let item = parser.next(where: isWanted) {
      switch item {
      case .type: break
      case .bad(let error):
        result.parseErrorCount += 1
        if result.firstParseError == nil { result.firstParseError = Self.text(error) }
      case .sample(let sample): take(sample, &newStart)
      }
    }
  }

  private mutating func take(_ sample: Sample, _ newStart: inout Double?) {
    if sample.nameMatches(Self.startTimeName) {
      let value = sample.value
      if value.isFinite, newStart == nil { newStart = value }
    }
    for each in wanted where sample.nameMatches(each.name) {
      guard selected[each.selector].wants(name: each.rank),
        selected[each.selector].selector.labels.allSatisfy({ $0.holds(for: sample) })
      else { continue }
      selected[each.selector].take(sample.value, key: SeriesKey.of(sample))
    }
  }

  private mutating func gather(_ page: JSONPage, _ newStart: inout Double?) {
    for value in page.values {
      if value.name == Self.startTimeName, let number = value.number { newStart = number }
      for each in wanted where each.name == value.name {
        // A number of a JSON page has no labels.
        guard selected[each.selector].wants(name: each.rank),
          selected[each.selector].selector.labels.allSatisfy({
            $0.values.contains("") == $0.isMember
          })
        else { continue }
        selected[each.selector].take(value.number, key: SeriesKey.of(value.name))
      }
    }
  }

  private static func text(_ error: ParseError) -> String {
    "line \(error.line), column \(error.column): \(error.label)"
  }

  // MARK: From series to a number

  private func reading(
    _ index: Int, window: Nanoseconds?, didRestart: Bool
  ) -> SignalReading {
    let signal = source.signals[index]
    do throws(Absence) {
      var value = try rawValue(index, window: window, didRestart: didRestart) * signal.scale
      if signal.isComplement { value = 1 - value }
      guard value.isFinite else { throw .notFinite }
      return .value(value)
    } catch {
      return .absent(error)
    }
  }

  private func rawValue(
    _ index: Int, window: Nanoseconds?, didRestart: Bool
  ) throws(Absence) -> Double {
    let aggregate = source.signals[index].aggregate
    let first = selected[parts[index].first]
    let second = parts[index].second.map { selected[$0] }
    guard first.isCounter else {
      let value = aggregate.of(try first.values())
      guard let second else { return value }
      return try Self.quotient(value, aggregate.of(try second.values()))
    }
    // What this page lacks is a better reason than what the one before lacked.
    _ = try first.values()
    if let second { _ = try second.values() }
    if didRestart { throw .restarted }
    guard let window, window > .zero, window <= windowMax else { throw .needsSecondSample }
    let increases = try first.increases()
    guard let second else {
      let seconds = window.seconds
      return aggregate.of(increases) / seconds
    }
    return try Self.quotient(aggregate.of(increases), aggregate.of(try second.increases()))
  }

  private static func quotient(_ a: Double, _ b: Double) throws(Absence) -> Double {
    guard b != 0 else { throw .divisionByZero }
    return a / b
  }
}

extension SampleSelector.LabelMatch {
  /// An absent label is an empty one, as in Prometheus.
  func holds(for sample: Sample) -> Bool {
    let label = sample.label(self.label)
    return values.contains { label?.equals($0) ?? $0.isEmpty } == isMember
  }
}
