// The addresses of host names as a source of endpoints: when to look up again, what an answer
// changes, and what is kept without one.
// Invariant: a failed lookup or an empty answer removes no address (as STRICT_DNS in Envoy, but the
// last good answer is kept).
package import Fleet
package import Primitives

/// Every host name of a configuration is a set of addresses.
package struct NameSource: MemberSource {
  /// The state of one name.
  package struct State: Sendable {
    package let host: String
    /// The addresses of the last good answer, sorted; at most `Fleet.addressesPerNameMax`.
    package fileprivate(set) var addresses: [HostAddress] = []
    package fileprivate(set) var failure: String?
    package fileprivate(set) var lastSuccessWall: Nanoseconds?
    /// Whether the first lookup has ended, with an answer or by time-out.
    package fileprivate(set) var isTried = false
    fileprivate var counts = [UInt64](repeating: 0, count: NameResult.allCases.count)
    fileprivate var askedAt: Nanoseconds?
    fileprivate var isLate = false
    fileprivate var nextAt: Nanoseconds

    package func count(_ result: NameResult) -> UInt64 { counts[result.rawValue] }
  }

  package private(set) var states: [State] = []
  package private(set) var changes = BoundedLog<NameChange>()
  private var policy = NamePolicy()

  package init() {}

  /// Takes the names of a configuration; names that stay keep their state.
  package mutating func apply(_ fleet: Fleet, now: Nanoseconds) {
    policy = fleet.names
    let before = states
    states = fleet.hostNames.map { host in
      var state = before.first { $0.host == host } ?? State(host: host, nextAt: now)
      state.nextAt = min(state.nextAt, now + policy.interval)
      return state
    }
  }

  /// Takes the addresses that another process had, for names that have none yet.
  mutating func adopt(_ host: String, _ addresses: [HostAddress]) {
    guard let index = states.firstIndex(where: { $0.host == host }), states[index].addresses.isEmpty
    else { return }
    states[index].addresses = Array(Set(addresses).sorted().prefix(Fleet.addressesPerNameMax))
  }

  /// The addresses by name. Names that never had an address are left out.
  package var table: [MemberSet: [Member]] {
    Dictionary(
      states.filter { !$0.addresses.isEmpty }.map {
        (MemberSet.name($0.host), $0.addresses.map(Member.init(host:)))
      },
      uniquingKeysWith: { first, _ in first })
  }

  /// All sets that have addresses, as updates.
  package var resets: [MemberUpdate] {
    states.filter { !$0.addresses.isEmpty }.map {
      MemberUpdate(set: .name($0.host), .reset($0.addresses.map(Member.init(host:))))
    }
  }

  /// Whether every name was looked up once.
  package var isTried: Bool { states.allSatisfy(\.isTried) }

  package var nextDue: Nanoseconds {
    states.reduce(.distantFuture) { next, state in
      guard let askedAt = state.askedAt else { return min(next, state.nextAt) }
      return state.isLate ? next : min(next, askedAt + policy.timeout)
    }
  }

  package mutating func due(now: Nanoseconds) -> [String] {
    var hosts: [String] = []
    for index in states.indices {
      if let askedAt = states[index].askedAt {
        if !states[index].isLate, now >= askedAt + policy.timeout {
          states[index].isLate = true
          end(index, .timeout, failure: "no answer within \(policy.timeout.seconds) s")
        }
      } else if now >= states[index].nextAt {
        states[index].askedAt = now
        states[index].isLate = false
        hosts.append(states[index].host)
      }
    }
    return hosts
  }

  package mutating func finished(
    _ host: String, _ answer: NameAnswer, now: Nanoseconds, wall: Nanoseconds
  ) -> [MemberUpdate] {
    guard let index = states.firstIndex(where: { $0.host == host }) else { return [] }
    let wasLate = states[index].isLate
    states[index].askedAt = nil
    states[index].isLate = false
    states[index].nextAt = now + policy.interval
    switch answer {
    case .failed(let reason):
      // A lookup is counted only once.
      if !wasLate { end(index, .failed, failure: reason) }
      return []
    case .addresses(let found):
      let sorted = Set(found.filter { policy.family.takes(byteCount: $0.bytes.count) }).sorted()
      guard !sorted.isEmpty else {
        if !wasLate { end(index, .failed, failure: "it has no address") }
        return []
      }
      return take(index, sorted, isCounted: !wasLate, wall)
    }
  }

  private mutating func take(
    _ index: Int, _ found: [HostAddress], isCounted: Bool, _ wall: Nanoseconds
  ) -> [MemberUpdate] {
    let next = Array(found.prefix(Fleet.addressesPerNameMax))
    let before = states[index].addresses
    let (old, new) = (Set(before), Set(next))
    states[index].lastSuccessWall = wall
    states[index].isTried = true
    if isCounted { states[index].counts[NameResult.ok.rawValue] += 1 }
    let isBack = states[index].failure != nil
    states[index].failure = nil
    states[index].addresses = next
    let host = states[index].host
    let added = next.filter { !old.contains($0) }
    let removed = before.filter { !new.contains($0) }
    if isBack || next != before {
      changes.append(
        NameChange(
          host: host, added: added, removed: removed, leftOut: found.count - next.count,
          failure: nil))
    }
    let set = MemberSet.name(host)
    func members(_ hosts: [HostAddress]) -> [Member] { hosts.map(Member.init(host:)) }
    if before.isEmpty { return [MemberUpdate(set: set, .reset(members(next)))] }
    var updates: [MemberUpdate] = []
    if !added.isEmpty { updates.append(MemberUpdate(set: set, .add(members(added)))) }
    if !removed.isEmpty { updates.append(MemberUpdate(set: set, .remove(members(removed)))) }
    return updates
  }

  private mutating func end(_ index: Int, _ result: NameResult, failure: String) {
    states[index].counts[result.rawValue] += 1
    states[index].isTried = true
    let isNew = states[index].failure == nil
    states[index].failure = failure
    guard isNew else { return }
    changes.append(
      NameChange(
        host: states[index].host, added: [], removed: [], leftOut: 0, failure: failure))
  }
}
