// Assigns every endpoint an index that it keeps as long as it exists, over reloads too. The number
// of indexes is fixed at start, because cells and tables are sized by it. An endpoint that returns
// before its index was assigned to another one gets it back, with its cells.
// Invariant: `indexes` has every owner's index, and the queue of free indexes has each free one.
import Primitives

/// Endpoint identity (pool name, address, uid) → index.
public struct EndpointIndexMap: Sendable {
  /// What identifies an endpoint.
  private struct Identity: Hashable, Sendable {
    let pool: String
    let address: SocketAddress
    let uid: String?

    init(_ pool: String, _ endpoint: Endpoint) {
      self.pool = pool
      address = endpoint.address
      uid = endpoint.uid
    }
  }
  private struct Cell: Sendable {
    /// The endpoint that has the index now or had it last.
    var owner: Identity?
    var isTaken = false
    /// The number of the release at which the index became free; 0: it never had an owner.
    var freedAt: UInt64 = 0
  }
  /// A free index. It is outdated once the index was taken.
  private struct Vacancy: Sendable {
    let index: Int
    let freedAt: UInt64
  }
  /// The indexes of all owners, past ones included.
  private var indexes: [Identity: Int] = [:]
  private var cells: [Cell]
  /// Those that have been free longest come first, so that returning endpoints find their own.
  private var vacancies: [Vacancy]
  /// The first of `vacancies` that may not be outdated.
  private var first = 0
  private var releases: UInt64 = 0

  /// Makes room for `limit` endpoints.
  public init(limit: Int) {
    cells = [Cell](repeating: Cell(), count: limit)
    vacancies = (0..<limit).map { Vacancy(index: $0, freedAt: 0) }
  }

  /// Makes room for the endpoints that the configuration allows.
  public init(for fleet: Fleet) { self.init(limit: fleet.endpointLimit) }

  /// The number of indexes, taken or free.
  public var count: Int { cells.count }

  /// The index of the endpoint, which has it from now on; nil: there is no room. `isFresh`: the
  /// index's cells hold the numbers of another endpoint or of none; the caller clears those before
  /// use. An index for which `isBusy` is true (a worker may still write its cells) goes to no other
  /// endpoint.
  public mutating func take(
    pool: String, _ endpoint: Endpoint, isBusy: (Int) -> Bool
  ) -> (index: Int, isFresh: Bool)? {
    let identity = Identity(pool, endpoint)
    if let known = indexes[identity] {
      cells[known].isTaken = true
      return (known, false)
    }
    for position in first..<vacancies.count {
      let vacancy = vacancies[position]
      let index = vacancy.index
      let isOutdated = cells[index].isTaken || cells[index].freedAt != vacancy.freedAt
      if !isOutdated, isBusy(index) { continue }
      if position == first { first += 1 }
      if isOutdated { continue }
      if let before = cells[index].owner { indexes[before] = nil }
      cells[index].owner = identity
      cells[index].isTaken = true
      indexes[identity] = index
      return (index, true)
    }
    return nil
  }

  /// The endpoint with the index is gone. Requires: the index is taken.
  public mutating func release(_ index: Int) {
    assert(cells[index].isTaken)
    releases += 1
    cells[index].isTaken = false
    cells[index].freedAt = releases
    vacancies.append(Vacancy(index: index, freedAt: releases))
    // Each index has one vacancy that is not outdated.
    guard vacancies.count > 2 * cells.count else { return }
    vacancies = vacancies[first...].filter {
      !cells[$0.index].isTaken && cells[$0.index].freedAt == $0.freedAt
    }
    first = 0
  }

  /// Sets `endpointIndex` of every endpoint of the fleet, and takes out those for which there is no
  /// room: those that have an index keep it, then those of the first pools come first. Returns the
  /// fresh indexes, as `take` says. No index of an endpoint that is gone is fresh at once.
  @discardableResult
  public mutating func assign(_ fleet: inout Fleet, isBusy: (Int) -> Bool) -> [Int] {
    var isNext = [Bool](repeating: false, count: cells.count)
    for p in fleet.pools.indices {
      for e in fleet.pools[p].endpoints.indices {
        let identity = Identity(fleet.pools[p].name, fleet.pools[p].endpoints[e])
        let known = indexes[identity].flatMap { cells[$0].isTaken ? $0 : nil }
        fleet.pools[p].endpoints[e].endpointIndex = known ?? -1
        if let known { isNext[known] = true }
      }
    }
    var fresh: [Int] = []
    for p in fleet.pools.indices {
      for e in fleet.pools[p].endpoints.indices
      where fleet.pools[p].endpoints[e].endpointIndex < 0 {
        guard
          let taken = take(
            pool: fleet.pools[p].name, fleet.pools[p].endpoints[e], isBusy: isBusy)
        else { continue }
        fleet.pools[p].endpoints[e].endpointIndex = taken.index
        isNext[taken.index] = true
        if taken.isFresh { fresh.append(taken.index) }
      }
      fleet.pools[p].endpoints.removeAll { $0.endpointIndex < 0 }
    }
    for index in cells.indices where cells[index].isTaken && !isNext[index] { release(index) }
    return fresh
  }
}
