// The last things that happened, for the log and the status page. Bounded; numbered, so that a
// reader that comes now and then knows what it has not seen.

/// At most `capacity` entries, the oldest first.
package struct BoundedLog<Entry: Sendable>: Sendable {
  package let capacity: Int
  package private(set) var entries: [Entry] = []
  /// Of all entries ever; the last one's number.
  package private(set) var count: UInt64 = 0

  /// Requires: capacity > 0.
  package init(capacity: Int = 64) { self.capacity = capacity }

  package mutating func append(_ entry: Entry) {
    if entries.count == capacity { entries.removeFirst() }
    entries.append(entry)
    count += 1
  }

  /// The entries that came after there had been `count` of them; those that are gone are not.
  package func entries(after count: UInt64) -> ArraySlice<Entry> {
    entries.suffix(Int(min(self.count - min(count, self.count), UInt64(entries.count))))
  }
}
