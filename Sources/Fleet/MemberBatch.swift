// What several changes of sets come to: an endpoint that came and went with the same batch has not
// changed at all.
import Primitives

/// The endpoints that a batch touches, before and after it.
struct MemberBatch {
  private struct Key: Hashable {
    let pool: Int
    let address: SocketAddress
    let uid: String?
  }
  private struct Entry {
    let before: Endpoint?
    var after: Endpoint?
    /// Its index while it was there.
    let index: Int
  }
  /// In the order in which they were first touched.
  private var keys: [Key] = []
  private var entries: [Key: Entry] = [:]
  /// Indexes that were taken, and whose cells hold other numbers.
  var fresh: Set<Int> = []

  /// Notes one change of an endpoint: it came, went, or got other settings.
  /// `endpoint` is either of them.
  mutating func note(_ pool: Int, _ endpoint: Endpoint, before: Endpoint?, after: Endpoint?) {
    let key = Key(pool: pool, address: endpoint.address, uid: endpoint.uid)
    if entries[key] != nil {
      entries[key]?.after = after
      return
    }
    guard let index = (before ?? after)?.endpointIndex else { return }
    keys.append(key)
    entries[key] = Entry(before: before, after: after, index: index)
  }

  /// The indexes of endpoints that are not there at the end.
  var goneIndexes: [Int] {
    keys.compactMap { key in
      entries[key].flatMap { $0.after == nil ? $0.index : nil }
    }
  }

  /// The difference between beginning and end.
  var delta: MembershipDelta {
    var delta = MembershipDelta()
    for key in keys {
      switch (entries[key]?.before, entries[key]?.after) {
      case (nil, let after?):
        delta.added.append(MembershipDelta.Member(pool: key.pool, after))
        if fresh.contains(after.endpointIndex) { delta.fresh.append(after.endpointIndex) }
      case (let before?, nil):
        delta.removed.append(MembershipDelta.Member(pool: key.pool, before))
      case (let before?, let after?) where before != after:
        delta.updated.append(MembershipDelta.Member(pool: key.pool, after))
      default: break
      }
    }
    return delta
  }
}
