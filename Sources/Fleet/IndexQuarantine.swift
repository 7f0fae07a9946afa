// Holds the indexes of removed endpoints until no worker can write their cells any more. Then the
// cells may be cleared and the index may be assigned to another endpoint.
// Invariant: an index is released only after every worker runs a fleet without it and it had
// neither exchange nor connection for `quietMin`.
public import Primitives

/// Indexes that may not be assigned yet.
public struct IndexQuarantine: Sendable {
  /// Longer than one loop turn of any worker, within which it writes all cells after a lease ends.
  public static let quietMin = Nanoseconds.seconds(1)

  private struct Entry: Sendable {
    /// The first fleet revision without the index.
    var revision: UInt64
    var quietSince: Nanoseconds?
  }
  private var entries: [Int: Entry] = [:]

  public init() {}

  /// Notes a change of endpoints that was published with that fleet revision.
  public mutating func note(_ delta: MembershipDelta, revision: UInt64) {
    for member in delta.removed {
      entries[member.endpoint.endpointIndex] = Entry(revision: revision)
    }
    for member in delta.added { entries[member.endpoint.endpointIndex] = nil }
  }

  /// Releases the indexes that have become safe. `adopted` is the fleet revision that all workers
  /// have reached.
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

  /// Whether a worker may still write the index's cells.
  public func holds(_ endpointIndex: Int) -> Bool { entries[endpointIndex] != nil }

  /// Whether no index is held.
  public var isEmpty: Bool { entries.isEmpty }
}
