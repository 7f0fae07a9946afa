// Which endpoints every pool has: the addresses of the file, and the members of the sets that it
// names (host names, sources), as far as there is room. A change costs as much as there is to
// change.
// Invariant: `fleet` has the endpoints that `Fleet.resolved` gives for the same sets, in that
// order, except those that are left out.
import Primitives

/// The members of all pools. Pure.
public struct Membership: Sendable {
  /// The configuration, with names in place of their addresses.
  public private(set) var configured: Fleet
  /// The configuration with the addresses of all names; every endpoint has an index.
  public private(set) var fleet: Fleet
  private var indexes: EndpointIndexMap
  /// By pool.
  private var pools: [PoolMembers] = []

  /// Makes room for the endpoints that the configuration allows; the room stays for good.
  public init(_ configured: Fleet, _ sets: [MemberSet: [Member]] = [:]) {
    self.configured = Fleet()
    fleet = Fleet()
    indexes = EndpointIndexMap(for: configured)
    _ = replace(configured, sets) { _ in false }
  }

  /// The number of endpoints that there is room for.
  public var endpointLimit: Int { indexes.count }

  /// Whether any endpoint is left out for lack of room.
  public var isShort: Bool { pools.contains { !$0.leftOut.isEmpty } }

  /// The number of the pool's endpoints that are left out for lack of room.
  public func leftOutCount(ofPool pool: Int) -> Int {
    pools.indices.contains(pool) ? pools[pool].leftOut.count : 0
  }

  /// Takes another configuration, with the members of its sets. Returns what changes. `isBusy` as
  /// in `EndpointIndexMap.take`.
  public mutating func replace(
    _ configured: Fleet, _ sets: [MemberSet: [Member]], isBusy: (Int) -> Bool
  ) -> MembershipDelta {
    let before = fleet
    var next = configured.resolved(sets)
    pools = configured.pools.map { PoolMembers($0, sets) }
    let fresh = indexes.assign(&next, isBusy: isBusy)
    for index in pools.indices { pools[index].take(next.pools[index].endpoints) }
    self.configured = configured
    fleet = next
    return MembershipDelta(from: before, to: next, fresh: fresh)
  }

  /// Takes changes of sets. Returns what changes. `isBusy` as in `EndpointIndexMap.take`.
  public mutating func take(
    _ updates: [MemberUpdate], isBusy: (Int) -> Bool
  ) -> MembershipDelta {
    var batch = MemberBatch()
    for update in updates {
      for pool in pools.indices {
        for position in pools[pool].fills.indices
        where pools[pool].fills[position] == update.set {
          take(update.change, pool, position + 1, &batch, isBusy)
        }
      }
    }
    return finish(batch)
  }

  /// Takes endpoints that were left out, as far as there is room now. Returns what changes.
  public mutating func retry(isBusy: (Int) -> Bool) -> MembershipDelta {
    var batch = MemberBatch()
    for pool in pools.indices where !pools[pool].leftOut.isEmpty {
      for (address, entry) in pools[pool].leftOutInOrder {
        insert(pool, entry, address, &batch, isBusy)
        if pools[pool].leftOut.contains(address) { break }
      }
    }
    return finish(batch)
  }

  private mutating func take(
    _ change: MemberUpdate.Change, _ pool: Int, _ entry: Int, _ batch: inout MemberBatch,
    _ isBusy: (Int) -> Bool
  ) {
    let before = pools[pool].sets[entry - 1]
    switch change {
    case .reset(let all):
      let all = all.map { configured.pools[pool].whole($0, entry: entry) }
      for member in all { add(member, pool, entry, &batch, isBusy) }
      let gone = Set(before.keys).subtracting(all.map(\.address))
      for address in gone.sorted(by: { $0.comesBefore($1) }) {
        remove(address, pool, entry, &batch, isBusy)
      }
    case .add(let some):
      for member in some {
        add(configured.pools[pool].whole(member, entry: entry), pool, entry, &batch, isBusy)
      }
    case .remove(let some):
      for member in some {
        let address = configured.pools[pool].whole(member, entry: entry).address
        if before[address] != nil { remove(address, pool, entry, &batch, isBusy) }
      }
    }
  }

  private mutating func add(
    _ member: Member, _ pool: Int, _ entry: Int, _ batch: inout MemberBatch,
    _ isBusy: (Int) -> Bool
  ) {
    let address = member.address
    let before = pools[pool].sets[entry - 1].updateValue(member, forKey: address)
    guard before != member else { return }
    guard let owner = pools[pool].owners[address] else {
      pools[pool].owners[address] = entry
      insert(pool, entry, address, &batch, isBusy)
      return
    }
    if entry < owner {
      move(pool, address, from: owner, to: entry, &batch, isBusy)
    } else if entry == owner, before != nil {
      move(pool, address, from: entry, to: entry, &batch, isBusy)
    }
  }

  private mutating func remove(
    _ address: SocketAddress, _ pool: Int, _ entry: Int, _ batch: inout MemberBatch,
    _ isBusy: (Int) -> Bool
  ) {
    pools[pool].sets[entry - 1][address] = nil
    guard pools[pool].owners[address] == entry else { return }
    // Another set of the pool may have the address too.
    let heir = (entry..<pools[pool].sets.count).first { pools[pool].sets[$0][address] != nil }
    if let heir {
      move(pool, address, from: entry, to: heir + 1, &batch, isBusy)
      return
    }
    pools[pool].owners[address] = nil
    if pools[pool].leftOut.remove(address) != nil { return }
    let endpoint = takeOut(pool, entry, address)
    batch.note(pool, endpoint, before: endpoint, after: nil)
  }

  /// Puts an endpoint into the list, or leaves it out where there is no room.
  private mutating func insert(
    _ pool: Int, _ entry: Int, _ address: SocketAddress, _ batch: inout MemberBatch,
    _ isBusy: (Int) -> Bool
  ) {
    var endpoint = template(pool, entry, address)
    guard let taken = indexes.take(pool: fleet.pools[pool].name, endpoint, isBusy: isBusy) else {
      pools[pool].leftOut.insert(address)
      return
    }
    pools[pool].leftOut.remove(address)
    endpoint.endpointIndex = taken.index
    if taken.isFresh { batch.fresh.insert(taken.index) }
    putIn(pool, entry, endpoint)
    batch.note(pool, endpoint, before: nil, after: endpoint)
  }

  /// The address belongs to another entry now, or the entry has other settings for it. Another uid
  /// is another endpoint.
  private mutating func move(
    _ pool: Int, _ address: SocketAddress, from entry: Int, to next: Int,
    _ batch: inout MemberBatch, _ isBusy: (Int) -> Bool
  ) {
    pools[pool].owners[address] = next
    if pools[pool].leftOut.contains(address) { return }
    let before = takeOut(pool, entry, address)
    var endpoint = template(pool, next, address)
    guard endpoint.uid == before.uid else {
      batch.note(pool, before, before: before, after: nil)
      insert(pool, next, address, &batch, isBusy)
      return
    }
    endpoint.endpointIndex = before.endpointIndex
    putIn(pool, next, endpoint)
    batch.note(pool, endpoint, before: before, after: endpoint)
  }

  /// Makes a delta of a batch, and gives up the indexes of endpoints that are gone. Not before:
  /// what came with the batch must not get them.
  private mutating func finish(_ batch: MemberBatch) -> MembershipDelta {
    for index in batch.goneIndexes { indexes.release(index) }
    return batch.delta
  }

  // MARK: The list

  /// The endpoint as the entry configures it, without an index.
  private func template(_ pool: Int, _ entry: Int, _ address: SocketAddress) -> Endpoint {
    if entry == 0,
      let own = configured.pools[pool].endpoints.first(where: { $0.address == address })
    {
      return own
    }
    let member = pools[pool].sets[entry - 1][address] ?? Member(address: address)
    return configured.pools[pool].endpoint(member, entry: entry)
  }

  private mutating func takeOut(_ pool: Int, _ entry: Int, _ address: SocketAddress) -> Endpoint {
    let position = pools[pool].position(entry, address, in: fleet.pools[pool].endpoints)
    pools[pool].counts[entry] -= 1
    return fleet.pools[pool].endpoints.remove(at: position)
  }

  private mutating func putIn(_ pool: Int, _ entry: Int, _ endpoint: Endpoint) {
    let position = pools[pool].position(entry, endpoint.address, in: fleet.pools[pool].endpoints)
    pools[pool].counts[entry] += 1
    fleet.pools[pool].endpoints.insert(endpoint, at: position)
  }
}
