// The series of one selector on the present page and, for counters, on the page before.
// Invariant: a series counts once a page; at most `PageReader.seriesMax` of them are kept.
import Fleet

struct SelectedSeries: Sendable {
  /// From here on a value stands for "not supported".
  static let sentinel = 9.2233720368547e18

  let selector: SampleSelector
  let isCounter: Bool
  /// The index in `selector.names` of the best name so far.
  private var bestName = Int.max
  /// In the order of the page.
  private var keys: [UInt64] = []
  private var current: [UInt64: Double] = [:]
  private var previous: [UInt64: Double] = [:]
  /// Why the last value that was refused was.
  private var refusal: Absence?

  init(_ selector: SampleSelector, isCounter: Bool) {
    self.selector = selector
    self.isCounter = isCounter
  }

  /// The page before becomes what the last page was.
  mutating func beginPage() {
    if isCounter { swap(&previous, &current) }
    current.removeAll(keepingCapacity: true)
    keys.removeAll(keepingCapacity: true)
    bestName = .max
    refusal = nil
  }

  /// Whether a sample of that name may count. A better name throws out what there is.
  mutating func wants(name index: Int) -> Bool {
    if selector.takesAll { return true }
    guard index <= bestName else { return false }
    if index < bestName {
      bestName = index
      current.removeAll(keepingCapacity: true)
      keys.removeAll(keepingCapacity: true)
      refusal = nil
    }
    return true
  }

  /// Takes a sample's value; nil is one that is no number. Requires: `wants` said yes and the
  /// labels match.
  mutating func take(_ value: Double?, key: UInt64) {
    guard let value else { return refusal = .wrongFormat }
    guard value.isFinite else { return refusal = .notFinite }
    guard value < Self.sentinel else { return refusal = .sentinel }
    guard value >= 0 else { return refusal = .negative }
    guard current[key] == nil else { return }
    guard keys.count < PageReader.seriesMax else { return refusal = .tooManySeries }
    current[key] = value
    keys.append(key)
  }

  /// The values on this page, never empty.
  func values() throws(Absence) -> [Double] {
    if refusal == .tooManySeries { throw .tooManySeries }
    guard !keys.isEmpty else { throw refusal ?? .missing }
    return keys.map { current[$0, default: 0] }
  }

  /// The increases since the page before, never empty. One counter that fell spoils the window:
  /// the others, which began anew too, may only have passed their old values already.
  func increases() throws(Absence) -> [Double] {
    if refusal == .tooManySeries { throw .tooManySeries }
    guard !keys.isEmpty else { throw refusal ?? .missing }
    var increases: [Double] = []
    for key in keys {
      guard let before = previous[key], let now = current[key] else { continue }
      guard now >= before else { throw .counterReset }
      increases.append(now - before)
    }
    guard !increases.isEmpty else { throw .needsSecondSample }
    return increases
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
