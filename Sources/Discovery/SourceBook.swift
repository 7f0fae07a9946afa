// What is believed of a source: the last good answer stays through failures and through answers
// without endpoints, and what comes and goes all the time waits until it stays.
// Invariant: the updates that it returned, one after the other, make `members`.
package import Fleet
package import Primitives

/// What people and metrics see of a source.
package struct SourceState: Sendable, Equatable {
  package let pool: String
  package let label: String
  package private(set) var kind: DiscoverySource.Kind
  /// The file, the service, … that it reads, and the server.
  package private(set) var title: String
  /// The number of endpoints in force.
  package fileprivate(set) var memberCount = 0
  /// Endpoints that come and go too often, and are left out for a while.
  package fileprivate(set) var heldBackCount = 0
  /// The last answer had no endpoints and was not believed.
  package fileprivate(set) var keepsThroughEmpty = false
  package fileprivate(set) var failure: SourceFailure?
  package fileprivate(set) var lastSuccessWall: Nanoseconds?
  package fileprivate(set) var lastChangeWall: Nanoseconds?
  package fileprivate(set) var answerCount: UInt64 = 0
  package fileprivate(set) var failureCounts = [UInt64](
    repeating: 0, count: SourceFailure.Reason.allCases.count)

  /// Whether a question has ended.
  package var isTried: Bool { answerCount > 0 || failure != nil }

  package func count(_ reason: SourceFailure.Reason) -> UInt64 {
    SourceFailure.Reason.allCases.firstIndex(of: reason).map { failureCounts[$0] } ?? 0
  }

  package init(_ source: DiscoverySource, pool: String) {
    self.pool = pool
    label = source.label
    kind = source.kind
    title = source.title
  }

  fileprivate mutating func take(_ source: DiscoverySource) {
    kind = source.kind
    title = source.title
  }
}

extension DiscoverySource {
  /// The source in words, like `consul service vllm at 127.0.0.1:8500`.
  package var title: String {
    let place = server.map { " at \($0.authority)" } ?? ""
    return switch kind {
    case .file: "files \(target)"
    case .http: "http\(tls == nil ? "" : "s")://\(server?.authority ?? "")\(target)"
    case .srv: "SRV records of \(target)"
    case .consul: "Consul service \(target)\(place)"
    case .etcd: "etcd keys \(target)\(place)"
    case .kubernetes: "Kubernetes service \(target)\(place)"
    }
  }
}

package struct SourceBook: Sendable {
  package private(set) var state: SourceState
  /// The members in force, by address.
  private var members: [SocketAddress: Member] = [:]
  /// The last answer, what is held back included.
  private var answer: [SocketAddress: Member] = [:]
  private var damper = FlapDamper()
  private let set: MemberSet
  private var acceptsEmpty: Bool
  private var family: NameFamily
  /// What has happened and is not taken yet.
  private var changes: [SourceChange] = []
  /// Whether the members in force have changed since the first answer.
  private var isFirst = true

  package init(_ source: DiscoverySource, pool: String, family: NameFamily = .any) {
    state = SourceState(source, pool: pool)
    set = .source(pool: pool, label: source.label)
    acceptsEmpty = source.acceptsEmpty
    self.family = family
  }

  /// Takes other settings of the source, or another one of its name; what was said stays until the
  /// next answer.
  package mutating func use(_ source: DiscoverySource, family: NameFamily) {
    state.take(source)
    acceptsEmpty = source.acceptsEmpty
    self.family = family
  }

  /// Takes the members that another process had, before the first answer.
  mutating func adopt(_ known: [Member]) {
    guard isFirst, answer.isEmpty else { return }
    for member in known { answer[member.address] = member }
    members = answer
    state.memberCount = members.count
  }

  /// All members in force, as an update.
  package var reset: MemberUpdate { MemberUpdate(set: set, .reset(sorted(members.values))) }

  /// What has happened since the last call, for the journal.
  package mutating func takeChanges() -> [SourceChange] {
    defer { changes = [] }
    return changes
  }

  /// The time at which endpoints that are held back may come in; nil: there are none.
  package var nextDue: Nanoseconds? { damper.nextDue }

  /// Takes a verdict and returns what it changes. An addition comes before a removal, so that no
  /// pool is empty in between.
  package mutating func take(
    _ verdict: SourceVerdict, now: Nanoseconds, wall: Nanoseconds
  ) -> [MemberUpdate] {
    switch verdict {
    case .nothing, .again: return []
    case .unchanged:
      succeed(wall)
      return []
    case .failed(let failure):
      fail(failure)
      return []
    case .partly(let found, let failure):
      let updates = found.isEmpty ? [] : take(found, now: now, wall: wall)
      fail(failure)
      return updates
    case .members(let found):
      if found.count > DiscoverySource.membersMax {
        fail(
          SourceFailure(
            .tooLarge, "\(found.count) endpoints; at most \(DiscoverySource.membersMax) are taken"))
        return []
      }
      succeed(wall)
      state.keepsThroughEmpty = found.isEmpty && !acceptsEmpty && !answer.isEmpty
      if state.keepsThroughEmpty { return [] }
      return take(found, now: now, wall: wall)
    }
  }

  /// Lets in endpoints that were held back for long enough.
  package mutating func turn(now: Nanoseconds, wall: Nanoseconds) -> [MemberUpdate] {
    guard let due = damper.nextDue, now >= due else { return [] }
    return apply(now: now, wall: wall)
  }

  private mutating func take(
    _ found: [Member], now: Nanoseconds, wall: Nanoseconds
  ) -> [MemberUpdate] {
    var next: [SocketAddress: Member] = [:]
    next.reserveCapacity(found.count)
    // Twice the same address: the first one counts.
    for member in found
    where next[member.address] == nil && family.takes(byteCount: member.address.bytes.count) {
      next[member.address] = member
    }
    for address in answer.keys where next[address] == nil { damper.noteGone(address, now: now) }
    answer = next
    return apply(now: now, wall: wall)
  }

  /// Makes the last answer the members in force, except for what is held back.
  private mutating func apply(now: Nanoseconds, wall: Nanoseconds) -> [MemberUpdate] {
    var held = damper.heldBack(
      answer.keys.lazy.filter { [members] in members[$0] == nil }, now: now)
    // Better one that flaps than none.
    if held.count == answer.count { held = [] }
    state.heldBackCount = held.count
    var added: [Member] = []
    var isNew = 0
    for (address, member) in answer where members[address] != member && !held.contains(address) {
      if members[address] == nil { isNew += 1 }
      added.append(member)
    }
    let gone = members.keys.filter { answer[$0] == nil }.map { members[$0] ?? Member(address: $0) }
    if added.isEmpty, gone.isEmpty, !isFirst || !acceptsEmpty { return [] }
    for member in gone { members[member.address] = nil }
    for member in added { members[member.address] = member }
    state.memberCount = members.count
    state.lastChangeWall = wall
    changes.append(
      SourceChange(
        pool: state.pool, source: state.label, added: isNew, removed: gone.count,
        count: members.count, failure: nil))
    if isFirst {
      isFirst = false
      return [reset]
    }
    var updates: [MemberUpdate] = []
    if !added.isEmpty { updates.append(MemberUpdate(set: set, .add(sorted(added)))) }
    if !gone.isEmpty { updates.append(MemberUpdate(set: set, .remove(sorted(gone)))) }
    return updates
  }

  private func sorted(_ members: some Sequence<Member>) -> [Member] {
    members.sorted {
      let (a, b) = (HostAddress(bytes: $0.address.bytes), HostAddress(bytes: $1.address.bytes))
      return a != b ? a < b : $0.address.port < $1.address.port
    }
  }

  private mutating func succeed(_ wall: Nanoseconds) {
    state.answerCount += 1
    state.lastSuccessWall = wall
    guard state.failure != nil else { return }
    state.failure = nil
    changes.append(
      SourceChange(
        pool: state.pool, source: state.label, added: 0, removed: 0, count: members.count,
        failure: nil))
  }

  private mutating func fail(_ failure: SourceFailure) {
    let isNew = state.failure?.reason != failure.reason
    state.failure = failure
    if let index = SourceFailure.Reason.allCases.firstIndex(of: failure.reason) {
      state.failureCounts[index] += 1
    }
    guard isNew else { return }
    changes.append(
      SourceChange(
        pool: state.pool, source: state.label, added: 0, removed: 0, count: members.count,
        failure: failure.detail))
  }
}
