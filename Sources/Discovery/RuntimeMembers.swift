// Endpoints that were added at run time, by the API or by themselves: each until it is removed, or
// until its time is over unless it is renewed.
package import Fleet
package import Primitives

package struct RuntimeMembers: Sendable {
  package struct Entry: Sendable, Equatable {
    package var member: Member
    /// nil: until it is removed.
    package var expiresAt: Nanoseconds?
    /// It is kept over a restart.
    package var persists: Bool
  }

  /// What a call of `set` came to.
  package enum Outcome: Sendable, Equatable {
    case added, changed, renewed
    /// There are too many.
    case refused
  }

  /// The most of all pools.
  package static var countMax: Int { 10_000 }
  /// What they are called where sources have a label.
  package static var label: String { "api" }

  private var pools: [String: [SocketAddress: Entry]] = [:]
  private var changes: [SourceChange] = []
  private var pending: [MemberUpdate] = []
  /// Rises with every change of an entry that persists.
  package private(set) var persistentRevision: UInt64 = 0

  package init() {}

  /// The number of endpoints.
  package var count: Int { pools.values.reduce(0) { $0 + $1.count } }

  /// The endpoints of a pool, sorted by address.
  package func entries(ofPool pool: String) -> [Entry] {
    (pools[pool] ?? [:]).values.sorted {
      let (a, b) = ($0.member, $1.member)
      return a.host != b.host ? a.host < b.host : a.address.port < b.address.port
    }
  }

  /// The members of all pools that have any.
  package var table: [MemberSet: [Member]] {
    Dictionary(
      uniqueKeysWithValues: pools.map {
        (MemberSet.runtime(pool: $0.key), $0.value.values.map(\.member))
      })
  }

  /// The number of endpoints of a pool.
  package func count(ofPool pool: String) -> Int { pools[pool]?.count ?? 0 }

  /// When `turn` may have something to do: no later than the end of the next endpoint's time.
  package private(set) var nextDue = Nanoseconds.distantFuture

  /// Adds an endpoint, or gives it other settings and another time.
  package mutating func set(
    _ member: Member, pool: String, lasts: Nanoseconds?, persists: Bool, now: Nanoseconds
  ) -> Outcome {
    let before = pools[pool]?[member.address]
    if before == nil, count >= Self.countMax { return .refused }
    let entry = Entry(member: member, expiresAt: lasts.map { now + $0 }, persists: persists)
    pools[pool, default: [:]][member.address] = entry
    nextDue = min(nextDue, entry.expiresAt ?? .distantFuture)
    if persists || before?.persists == true, before != entry { persistentRevision += 1 }
    if before?.member == member { return .renewed }
    pending.append(MemberUpdate(set: .runtime(pool: pool), .add([member])))
    note(pool, added: before == nil ? 1 : 0, removed: 0)
    return before == nil ? .added : .changed
  }

  /// Removes an endpoint. False: there is none.
  package mutating func remove(_ address: SocketAddress, pool: String) -> Bool {
    guard let entry = pools[pool]?.removeValue(forKey: address) else { return false }
    if entry.persists { persistentRevision += 1 }
    pending.append(MemberUpdate(set: .runtime(pool: pool), .remove([entry.member])))
    note(pool, added: 0, removed: 1)
    return true
  }

  /// Removes the endpoints for which `isKept` is false.
  package mutating func keep(_ isKept: (String, SocketAddress) -> Bool) {
    for (pool, entries) in pools {
      for address in entries.keys where !isKept(pool, address) {
        _ = remove(address, pool: pool)
      }
    }
  }

  /// Removes endpoints whose time is over, and returns what has changed since the last call.
  package mutating func turn(now: Nanoseconds) -> [MemberUpdate] {
    if now >= nextDue { expire(now: now) }
    defer { pending = [] }
    return pending
  }

  private mutating func expire(now: Nanoseconds) {
    nextDue = .distantFuture
    for (pool, entries) in pools {
      for (address, entry) in entries {
        guard let end = entry.expiresAt else { continue }
        if end <= now { _ = remove(address, pool: pool) } else { nextDue = min(nextDue, end) }
      }
    }
  }

  /// What has happened since the last call, for the journal.
  package mutating func takeChanges() -> [SourceChange] {
    defer { changes = [] }
    return changes
  }

  private mutating func note(_ pool: String, added: Int, removed: Int) {
    changes.append(
      SourceChange(
        pool: pool, source: Self.label, added: added, removed: removed,
        count: count(ofPool: pool), failure: nil))
  }
}
