// The series of one selector on the present page and, for counters, on the previous page and on the
// base, from which increases count.
// Invariant: a series counts once a page; at most `PageReader.seriesMax` series are kept.
import Exposition
import Fleet
import Primitives

struct SelectedSeries: Sendable {
  enum Kind: Sendable { case value, counter, buckets }

  /// Values from here on mean "not supported".
  static let sentinel = 9.2233720368547e18

  let names: [String]
  private let takesAll: Bool
  private let labels: [LabelTest]
  let kind: Kind
  /// The index in `names` of the best name found so far.
  private var bestName = Int.max
  /// Series in the order of the page.
  private var keys: [UInt64] = []
  private var current: [UInt64: Double] = [:]
  private var previous: [UInt64: Double] = [:]
  private var base: [UInt64: Double] = [:]
  /// The upper bounds of buckets, by series.
  private var bounds: [UInt64: Double] = [:]
  /// Why the last rejected value was rejected.
  private var refusal: Absence?

  /// `suffix` is appended to every name.
  init(_ selector: SampleSelector, _ kind: Kind, suffix: String = "") {
    names = selector.names.map { $0 + suffix }
    takesAll = selector.takesAll
    labels = selector.labels.map(LabelTest.init)
    self.kind = kind
  }

  var isCounter: Bool { kind != .value }

  // MARK: The page

  /// Begins a new page; the present one becomes the previous one.
  mutating func beginPage() {
    if isCounter { swap(&previous, &current) }
    current.removeAll(keepingCapacity: true)
    keys.removeAll(keepingCapacity: true)
    bounds.removeAll(keepingCapacity: true)
    bestName = .max
    refusal = nil
  }

  /// Takes a sample with the name of that index, if its labels match.
  mutating func take(_ sample: Sample, name index: Int) {
    guard isWanted(name: index), labels.allSatisfy({ $0.holds(for: sample) }) else { return }
    let key = SeriesKey.of(sample)
    if kind == .buckets {
      guard let bound = sample.label("le").flatMap({ Double($0.string) }), !bound.isNaN else {
        return refusal = .badHistogram
      }
      bounds[key] = bound
    }
    take(sample.value, key: key)
  }

  /// Takes a value of a JSON page, which has no labels.
  mutating func take(_ value: JSONPage.Value, name index: Int) {
    guard isWanted(name: index), labels.allSatisfy(\.holdsWithoutLabel) else { return }
    take(value.number, key: SeriesKey.of(value.name))
  }

  /// Whether a sample with that name counts. A better name replaces what was collected before.
  private mutating func isWanted(name index: Int) -> Bool {
    if takesAll { return true }
    guard index <= bestName else { return false }
    if index < bestName {
      bestName = index
      current.removeAll(keepingCapacity: true)
      keys.removeAll(keepingCapacity: true)
      bounds.removeAll(keepingCapacity: true)
      refusal = nil
    }
    return true
  }

  /// nil: the value is not a number.
  private mutating func take(_ value: Double?, key: UInt64) {
    guard let value else { return refusal = .wrongFormat }
    guard value.isFinite else { return refusal = .notFinite }
    guard value < Self.sentinel else { return refusal = .sentinel }
    guard value >= 0 else { return refusal = .negative }
    guard current[key] == nil else { return }
    guard keys.count < PageReader.seriesMax else { return refusal = .tooManySeries }
    current[key] = value
    keys.append(key)
  }

  // MARK: What it comes to

  /// The values on this page, never empty.
  func values() throws(Absence) -> [Double] {
    if refusal == .tooManySeries { throw .tooManySeries }
    guard !keys.isEmpty else { throw refusal ?? .missing }
    return keys.map { current[$0, default: 0] }
  }

  /// Whether the page differs from the previous one.
  var hasChanged: Bool { current != previous }

  /// Whether a counter is lower than on the previous page. One is enough to discard the window:
  /// other counters that were reset too may already have passed their old values.
  var hasFallen: Bool {
    for key in keys {
      if let before = previous[key], let now = current[key], now < before { return true }
    }
    return false
  }

  /// Makes this page the base, from which increases count.
  mutating func makeBase() { base = current }

  /// The increases since the base, never empty.
  func increases() throws(Absence) -> [Double] { try keyedIncreases().map(\.increase) }

  /// The increases of buckets since the base, merged over all series.
  func histogram() throws(Absence) -> Histogram {
    var histogram = Histogram()
    for (key, increase) in try keyedIncreases() {
      if let bound = bounds[key] { histogram.add(bound: bound, count: increase) }
    }
    return histogram
  }

  private func keyedIncreases() throws(Absence) -> [(key: UInt64, increase: Double)] {
    var increases: [(key: UInt64, increase: Double)] = []
    for key in keys {
      guard let before = base[key], let now = current[key] else { continue }
      increases.append((key, max(0, now - before)))
    }
    guard !increases.isEmpty else { throw .needsSecondSample }
    return increases
  }
}

/// A label's condition with its patterns compiled.
struct LabelTest: Sendable {
  private let match: SampleSelector.LabelMatch
  private let patterns: [TextPattern]
  /// Whether the condition holds for a sample without the label. An absent label equals an empty
  /// one, as in Prometheus.
  let holdsWithoutLabel: Bool

  /// Requires: patterns that `TextPattern` supports; the configuration has checked them.
  init(_ match: SampleSelector.LabelMatch) {
    self.match = match
    patterns = match.isPattern ? match.values.compactMap { try? TextPattern($0) } : []
    precondition(!match.isPattern || patterns.count == match.values.count, "a bad pattern")
    let hasEmpty =
      match.isPattern ? patterns.contains { $0.matches("") } : match.values.contains("")
    holdsWithoutLabel = hasEmpty == match.isMember
  }

  func holds(for sample: Sample) -> Bool {
    guard let label = sample.label(match.label) else { return holdsWithoutLabel }
    guard match.isPattern else {
      return match.values.contains { label.equals($0) } == match.isMember
    }
    if label.hasEscapes {
      let text = label.string
      return patterns.contains { $0.matches(text) } == match.isMember
    }
    return patterns.contains { $0.matches(label.bytes) } == match.isMember
  }
}

extension Aggregate {
  /// Requires: not empty.
  func of(_ values: [Double]) -> Double {
    switch self {
    case .sum: values.reduce(0, +)
    case .avg: values.reduce(0, +) / Double(values.count)
    case .max: values.max() ?? 0
    case .min: values.min() ?? 0
    }
  }
}
