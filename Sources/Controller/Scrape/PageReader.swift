// Turns a page's bytes into one reading for each signal of a source: exact names, of which the
// first on the page wins; labels; aggregate; rates per series from one sending time to the next
// (RateWindow decides over which window). The format is recognised by the content, not by the head.
import Exposition
package import Fleet
package import Primitives

/// Reads the pages of one endpoint and source, in the order in which their scrapes were sent.
package struct PageReader: Sendable {
  /// The largest number of series of one selector.
  package static let seriesMax = 4_096
  private static let startTimeName = "process_start_time_seconds"

  /// A name that is looked for, and the selector it belongs to.
  private struct WantedName: Sendable {
    let name: String
    let selector: Int
    /// Its index in the selector's names.
    let rank: Int
  }

  /// The state of a signal from page to page.
  private struct Part: Sendable {
    /// The elements of `selected` that the signal reads: one, or two for a quotient.
    let first: Int
    let second: Int?
    var window = RateWindow()
    /// The last rate, before scale and complement; nil: there was none.
    var counted: Double?
    /// The counters did not move since the previous page, and `counted` holds.
    var isHeld = false
  }

  private let source: ScrapeSource
  /// A rate over a longer time without a page says nothing about the present.
  package var windowMax: Nanoseconds
  private var selected: [SelectedSeries] = []
  private var wanted: [WantedName] = []
  private var parts: [Part] = []
  private var startTime: Double?
  private var previousSentAt: Nanoseconds?

  /// Requires: patterns that `TextPattern` supports.
  package init(_ source: ScrapeSource, windowMax: Nanoseconds) {
    self.source = source
    self.windowMax = windowMax
    for signal in source.signals {
      let part: (Int, Int?)
      switch signal.source {
      case .value(let selector): part = (add(selector, .value), nil)
      case .rate(let selector): part = (add(selector, .counter), nil)
      case .valueRatio(let a, let b): part = (add(a, .value), add(b, .value))
      case .rateRatio(let a, let b): part = (add(a, .counter), add(b, .counter))
      case .rateOverValue(let a, let b): part = (add(a, .counter), add(b, .value))
      case .mean(let selector):
        part = (add(selector, .counter, "_sum"), add(selector, .counter, "_count"))
      case .quantile(_, let selector): part = (add(selector, .buckets, "_bucket"), nil)
      }
      parts.append(Part(first: part.0, second: part.1))
    }
  }

  private mutating func add(
    _ selector: SampleSelector, _ kind: SelectedSeries.Kind, _ suffix: String = ""
  ) -> Int {
    let series = SelectedSeries(selector, kind, suffix: suffix)
    for (rank, name) in series.names.enumerated() {
      wanted.append(WantedName(name: name, selector: selected.count, rank: rank))
    }
    selected.append(series)
    return selected.count - 1
  }

  /// Reads a page whose request was sent at `sentAt`. After an error, rates still count from the
  /// previous page.
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
      // JSON has no byte order mark, but some servers send one (RFC 8259 §8.1).
      let mark = page.starts(with: [0xEF, 0xBB, 0xBF]) ? 3 : 0
      let json = try JSONPage.read(UnsafeRawBufferPointer(rebasing: page[mark...]))
      for index in selected.indices { selected[index].beginPage() }
      gather(json, &newStart)
    }
    if let newStart {
      result.didRestart = startTime.map { $0 != newStart } ?? false
      startTime = newStart
    }
    let spacing = previousSentAt.map { sentAt - $0 }
    previousSentAt = sentAt
    for index in source.signals.indices {
      parts[index].isHeld = false
      result.readings.append(
        reading(index, at: sentAt, spacing: spacing, didRestart: result.didRestart))
      if parts[index].isHeld { result.held.insert(index) }
    }
    return result
  }

  // MARK: Gathering

  /// A page without a single valid line is not a metrics page and must not count as one.
  private func checkHasSamples(_ page: UnsafeRawBufferPointer) throws(PageError) {
    var parser = SampleParser(page, isStrict: source.isStrict)
    if source.isStrict {
      while let item = parser.next() {
        if case .bad(let error) = item { throw .malformed(Self.text(error)) }
      }
      return
    }
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
      selected[each.selector].take(sample, name: each.rank)
    }
  }

  private mutating func gather(_ page: JSONPage, _ newStart: inout Double?) {
    for value in page.values {
      if value.name == Self.startTimeName, let number = value.number { newStart = number }
      for each in wanted where each.name == value.name {
        selected[each.selector].take(value, name: each.rank)
      }
    }
  }

  private static func text(_ error: ParseError) -> String {
    "line \(error.line), column \(error.column): \(error.label)"
  }

  // MARK: From series to a number

  private mutating func reading(
    _ index: Int, at now: Nanoseconds, spacing: Nanoseconds?, didRestart: Bool
  ) -> SignalReading {
    let signal = source.signals[index]
    do throws(Absence) {
      var value: Double
      if selected[parts[index].first].isCounter {
        value = try counted(index, at: now, spacing: spacing, didRestart: didRestart)
      } else {
        value = try uncounted(index)
      }
      value *= signal.scale
      if signal.isComplement { value = 1 - value }
      guard value.isFinite else { throw .notFinite }
      return .value(value)
    } catch {
      if error.isNoNumber, let absent = signal.absent { return .assumed(absent, error) }
      return .absent(error)
    }
  }

  /// A value, or the quotient of two.
  private func uncounted(_ index: Int) throws(Absence) -> Double {
    let aggregate = source.signals[index].aggregate
    let value = aggregate.of(try selected[parts[index].first].values())
    guard let second = parts[index].second else { return value }
    return try Self.quotient(value, aggregate.of(try selected[second].values()))
  }

  /// The rate of counters over the window that ends with this page.
  private mutating func counted(
    _ index: Int, at now: Nanoseconds, spacing: Nanoseconds?, didRestart: Bool
  ) throws(Absence) -> Double {
    let counters = [parts[index].first, parts[index].second].compactMap(\.self)
      .filter { selected[$0].isCounter }
    if let reason = reasonToBegin(counters, spacing: spacing, didRestart: didRestart) {
      parts[index].window.begin(at: now)
      parts[index].counted = nil
      for counter in counters { selected[counter].makeBase() }
      throw reason
    }
    let verdict = parts[index].window.page(
      at: now, spacing: spacing ?? .zero,
      didChange: counters.contains { selected[$0].hasChanged },
      canHold: parts[index].counted != nil)
    parts[index].isHeld = verdict == .hold
    if verdict == .hold, let counted = parts[index].counted { return counted }
    if verdict == .still {
      for counter in counters { selected[counter].makeBase() }
    }
    // Whatever the result, increases count from this page on.
    defer { for counter in counters { selected[counter].makeBase() } }
    parts[index].counted = nil
    var seconds = (spacing ?? .zero).seconds
    if case .count(let window) = verdict { seconds = window.seconds }
    let value = try number(index, over: seconds)
    parts[index].counted = value
    return value
  }

  /// Why no rate can be computed up to this page; from this page on it can.
  private func reasonToBegin(
    _ counters: [Int], spacing: Nanoseconds?, didRestart: Bool
  ) -> Absence? {
    do throws(Absence) {
      // A series missing on this page is a better reason than one missing on the previous page.
      for counter in counters { _ = try selected[counter].values() }
    } catch {
      return error
    }
    if didRestart { return .restarted }
    guard let spacing, spacing > .zero, spacing <= windowMax else { return .needsSecondSample }
    return counters.contains { selected[$0].hasFallen } ? .counterReset : nil
  }

  /// The signal's number from the increases since the base.
  private func number(_ index: Int, over seconds: Double) throws(Absence) -> Double {
    let signal = source.signals[index]
    let first = selected[parts[index].first]
    if case .quantile(let share, _) = signal.source {
      return try first.histogram().quantile(share)
    }
    let increase = signal.aggregate.of(try first.increases())
    guard let second = parts[index].second.map({ selected[$0] }) else { return increase / seconds }
    switch signal.source {
    case .rateOverValue:
      return try Self.quotient(increase / seconds, signal.aggregate.of(try second.values()))
    case .mean:
      let count = signal.aggregate.of(try second.increases())
      guard count > 0 else { throw .noObservations }
      return increase / count
    default: return try Self.quotient(increase, signal.aggregate.of(try second.increases()))
    }
  }

  private static func quotient(_ a: Double, _ b: Double) throws(Absence) -> Double {
    guard b != 0 else { throw .divisionByZero }
    return a / b
  }
}
