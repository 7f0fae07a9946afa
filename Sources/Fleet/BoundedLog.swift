// The most recent events, for the log and the status page. The log is bounded, and its entries are
// numbered, so that a reader that comes now and then knows which ones it has not seen.

/// At most `capacity` entries, the oldest first.
package struct BoundedLog<Entry: Sendable>: Sendable {
  package let capacity: Int
  package private(set) var entries: [Entry] = []
  /// The number of all entries ever added, which is also the number of the last one.
  package private(set) var count: UInt64 = 0

  /// Requires: capacity > 0.
  package init(capacity: Int = 64) { self.capacity = capacity }

  package mutating func append(_ entry: Entry) {
    if entries.count == capacity { entries.removeFirst() }
    entries.append(entry)
    count += 1
  }

  /// The entries added after the first `count` ones, without those that were dropped meanwhile.
  package func entries(after count: UInt64) -> ArraySlice<Entry> {
    entries.suffix(Int(min(self.count - min(count, self.count), UInt64(entries.count))))
  }
}
