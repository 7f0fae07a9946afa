// Keeps the indexes of endpoints that are gone until no worker can write their cells any more: then
// the cells may be cleared and the index given to another endpoint.
// Invariant: an index leaves only after every worker runs a fleet without it, and after it had
// neither exchange nor connection for `quietMin`.
public import Primitives

/// Indexes that nobody may own yet.
public struct IndexQuarantine: Sendable {
  /// Longer than a turn of any worker: what it writes after the end of a lease is written then.
  public static let quietMin = Nanoseconds.seconds(1)

  private struct Entry: Sendable {
    /// The fleet revision that no longer has the index.
    var revision: UInt64
    var quietSince: Nanoseconds?
  }
  private var entries: [Int: Entry] = [:]

  public init() {}

  /// A fleet with the indexes `after` was published in place of one with `before`.
  public mutating func replace(_ before: Set<Int>, by after: Set<Int>, revision: UInt64) {
    for endpointIndex in before.subtracting(after) {
      entries[endpointIndex] = Entry(revision: revision)
    }
    for endpointIndex in after { entries[endpointIndex] = nil }
  }

  /// Looks at the indexes held; `adopted` is the fleet revision that all workers have reached.
  public mutating func observe(now: Nanoseconds, adopted: UInt64, isIdle: (Int) -> Bool) {
    for (endpointIndex, entry) in entries {
      let isQuiet = adopted >= entry.revision && isIdle(endpointIndex)
      guard isQuiet else {
        entries[endpointIndex]?.quietSince = nil
        continue
      }
      guard let since = entry.quietSince else {
        entries[endpointIndex]?.quietSince = now
        continue
      }
      if now >= since + Self.quietMin { entries[endpointIndex] = nil }
    }
  }

  /// Whether somebody may still write the index's cells.
  public func holds(_ endpointIndex: Int) -> Bool { entries[endpointIndex] != nil }

  /// Whether no index is held.
  public var isEmpty: Bool { entries.isEmpty }
}
