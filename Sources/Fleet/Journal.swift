// What happened lately, in one place: the control thread appends, readers come now and then, each
// with a cursor. Kinds that come by the hundred have lanes of their own, so that they push nothing
// else out. Bounded by the lanes' capacities.
package import Primitives

/// The transitions of a running fleet. Control thread only.
package struct Journal: Sendable {
  /// A transition and when it was noted.
  package struct Entry: Sendable {
    /// Counts all entries, from 1.
    package let number: UInt64
    /// Monotonic.
    package let at: Nanoseconds
    package let transition: Transition
  }

  /// Transitions of one kind.
  package enum Lane: Int, CaseIterable, Sendable {
    case verdicts, tuning, scrapes, canaries, weights, hostNames, sources, states, reloads

    /// Every endpoint of a large pool may change its state at once.
    fileprivate var capacity: Int { self == .states ? 1_024 : 64 }
  }

  /// How far one reader has read.
  package struct Cursor: Sendable {
    fileprivate var seen = [UInt64](repeating: 0, count: Lane.allCases.count)

    /// At the beginning.
    package init() {}
  }

  private var lanes = Lane.allCases.map { BoundedLog<Entry>(capacity: $0.capacity) }
  private var count: UInt64 = 0

  package init() {}

  package mutating func append(_ transition: Transition, at now: Nanoseconds) {
    count += 1
    lanes[transition.lane.rawValue].append(Entry(number: count, at: now, transition: transition))
  }

  /// How many transitions of a lane there were ever.
  package func count(_ lane: Lane) -> UInt64 { lanes[lane.rawValue].count }

  /// What is left of a lane, the oldest first.
  package subscript(lane: Lane) -> ArraySlice<Entry> { lanes[lane.rawValue].entries }

  /// What the reader has not read, the oldest first, and how many entries of a lane are gone
  /// already. Moves the cursor to the end.
  package func news(
    _ wanted: [Lane] = Lane.allCases, after cursor: inout Cursor
  ) -> (entries: [Entry], lost: [(lane: Lane, count: Int)]) {
    var entries: [Entry] = []
    var lost: [(lane: Lane, count: Int)] = []
    for lane in wanted {
      let log = lanes[lane.rawValue]
      let seen = cursor.seen[lane.rawValue]
      guard log.count != seen else { continue }
      let fresh = log.entries(after: seen)
      entries += fresh
      let lostCount = Int(log.count - seen) - fresh.count
      if lostCount > 0 { lost.append((lane, lostCount)) }
      cursor.seen[lane.rawValue] = log.count
    }
    entries.sort { $0.number < $1.number }
    return (entries, lost)
  }
}

extension Transition {
  /// Where the journal keeps it.
  package var lane: Journal.Lane {
    switch self {
    case .verdict: .verdicts
    case .tuning: .tuning
    case .scrape: .scrapes
    case .canary: .canaries
    case .weight: .weights
    case .hostName: .hostNames
    case .source: .sources
    case .endpoint, .pool: .states
    case .reload: .reloads
    }
  }
}
