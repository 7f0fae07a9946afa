// Keeps the slots of endpoints that are gone until no worker can write their cells any more: then
// the cells may be cleared and the slot given to another endpoint.
// Invariant: a slot leaves only after every worker runs a fleet without it, and after it had
// neither exchange nor connection for `rest`.
public import Primitives

/// Slots that rest between two owners.
public struct SlotQuarantine: Sendable {
  /// Longer than a turn of any worker: what it writes after the end of a lease is written then.
  public static let rest = Nanoseconds.seconds(1)

  private struct Entry: Sendable {
    /// The fleet revision that no longer has the slot.
    var revision: UInt64
    var quietSince: Nanoseconds?
  }
  private var entries: [Int: Entry] = [:]

  public init() {}

  /// A fleet with the slots `after` was published in place of one with `before`.
  public mutating func replace(_ before: Set<Int>, by after: Set<Int>, revision: UInt64) {
    for slot in before.subtracting(after) { entries[slot] = Entry(revision: revision) }
    for slot in after { entries[slot] = nil }
  }

  /// Looks at the slots that rest; `adopted` is the fleet revision that all workers have reached.
  public mutating func observe(now: Nanoseconds, adopted: UInt64, isIdle: (Int) -> Bool) {
    for (slot, entry) in entries {
      let isQuiet = adopted >= entry.revision && isIdle(slot)
      guard isQuiet else {
        entries[slot]?.quietSince = nil
        continue
      }
      guard let since = entry.quietSince else {
        entries[slot]?.quietSince = now
        continue
      }
      if now >= since + Self.rest { entries[slot] = nil }
    }
  }

  /// Whether somebody may still write the slot's cells.
  public func holds(_ slot: Int) -> Bool { entries[slot] != nil }

  /// Whether no slot rests.
  public var isEmpty: Bool { entries.isEmpty }
}
