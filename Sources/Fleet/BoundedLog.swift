// The last things that happened. Bounded; numbered, so that a reader that comes now and then knows
// what it has not seen.

/// At most `capacity` entries, the oldest first.
package struct BoundedLog<Entry: Sendable>: Sendable {
  package let capacity: Int
  /// Up to twice as many, so that the oldest ones leave together.
  private var kept: [Entry] = []
  /// Of all entries ever; the last one's number.
  package private(set) var count: UInt64 = 0

  /// Requires: capacity > 0.
  package init(capacity: Int = 64) { self.capacity = capacity }

  /// The entries that are left.
  package var entries: ArraySlice<Entry> { kept.suffix(capacity) }

  package mutating func append(_ entry: Entry) {
    if kept.count == 2 * capacity { kept.removeFirst(capacity) }
    kept.append(entry)
    count += 1
  }

  /// The entries added after the first `count` ones, without those that were dropped meanwhile.
  package func entries(after count: UInt64) -> ArraySlice<Entry> {
    entries.suffix(Int(min(self.count - min(count, self.count), UInt64(capacity))))
  }
}
