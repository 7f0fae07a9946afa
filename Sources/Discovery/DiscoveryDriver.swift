// All that says which endpoints there are, besides the file: host names, which are resolved on
// threads of their own, and sources, which have a thread together.
package import Fleet
package import IO
package import Primitives

/// All sources of endpoints. Control thread only.
package struct DiscoveryDriver: Sendable {
  package private(set) var names = NameSource()
  /// The state of every source, in the order of the file.
  package private(set) var sources: [SourceState] = []
  private var ids: [SourceID] = []
  private var members: [SourceID: MemberTable] = [:]
  /// What has happened to sources and is not in the journal yet.
  private var changes: [SourceChange] = []
  private let pool: LookupPool
  private let exchange: SourceExchange
  private var serial: UInt64 = 0

  /// `waker` is the control loop's; `context` gives the TLS context of a description, on any
  /// thread. Errors: those of eventfd.
  package init(
    waker: Waker, userAgent: String, context: @escaping SourceExchange.Context
  ) throws(IOError) {
    pool = try LookupPool(asker: waker)
    exchange = try SourceExchange(control: waker, userAgent: userAgent, context: context)
  }

  /// Takes the names and sources of a configuration. New ones are asked at once. `known`: what
  /// another process was told, which counts until they answer.
  package mutating func apply(
    _ fleet: Fleet, known: [MemberSet: [Member]] = [:], now: Nanoseconds
  ) {
    names.apply(fleet, now: now)
    let wanted = fleet.pools.flatMap { pool in pool.sources.map { (pool: pool.name, source: $0) } }
    serial += 1
    let states = Dictionary(
      zip(ids, sources).map { ($0, $1) }, uniquingKeysWith: { first, _ in first })
    ids = wanted.map { SourceID(pool: $0.pool, label: $0.source.label) }
    sources = zip(ids, wanted).map { id, wanted in
      let fresh = SourceState(wanted.source, pool: wanted.pool)
      guard let state = states[id], state.kind == fresh.kind, state.title == fresh.title else {
        return fresh
      }
      return state
    }
    let kept = Set(ids)
    members = members.filter { kept.contains($0.key) }
    for (set, some) in known {
      switch set {
      case .name(let host): names.adopt(host, some.map(\.host))
      case .source(let pool, let label):
        let id = SourceID(pool: pool, label: label)
        guard kept.contains(id), members[id] == nil else { continue }
        members[id] = MemberTable()
        members[id]?.take(MemberUpdate(set: set, .reset(some)))
      case .runtime: break
      }
    }
    exchange.use(
      wanted, family: fleet.names.family, known: members.mapValues(\.all), serial: serial)
  }

  /// The earliest time at which `turn` has something to do, answers apart.
  package var nextDue: Nanoseconds { names.nextDue }

  /// Takes answers, asks what is due, and returns what has changed.
  package mutating func turn(now: Nanoseconds, wall: Nanoseconds) -> [MemberUpdate] {
    var updates: [MemberUpdate] = []
    for answer in pool.take() {
      let found = answer.addresses.map { NameAnswer.addresses($0.map(HostAddress.init)) }
      updates += names.finished(
        answer.host, found ?? .failed(answer.failure), now: now, wall: wall)
    }
    for host in names.due(now: now) { pool.ask(host) }
    for report in exchange.takeReports() {
      guard let index = ids.firstIndex(of: report.id) else { continue }
      sources[index] = report.state
      changes += report.changes
      for update in report.updates { members[report.id, default: MemberTable()].take(update) }
      updates += report.updates
    }
    return updates
  }

  /// What has happened to sources since the last call, for the journal.
  package mutating func takeChanges() -> [SourceChange] {
    defer { changes = [] }
    return changes
  }

  /// The members of all names and sources that have any.
  package var table: [MemberSet: [Member]] {
    var table = names.table
    for (id, members) in members {
      table[.source(pool: id.pool, label: id.label)] = members.all
    }
    return table
  }

  /// All sets that have members, as updates.
  package var resets: [MemberUpdate] { table.map { MemberUpdate(set: $0.key, .reset($0.value)) } }

  /// Whether every name was looked up, and every source asked, once.
  private var isTried: Bool { names.isTried && sources.allSatisfy(\.isTried) }

  /// Waits until every name was looked up and every source asked once, for `span` at most. Blocks.
  package mutating func tryAll(atMost span: Nanoseconds) {
    let deadline = Clock.now + span
    _ = turn(now: Clock.now, wall: Clock.wall)
    while !isTried, Clock.now < deadline {
      Clock.pause(.milliseconds(2))
      _ = turn(now: Clock.now, wall: Clock.wall)
    }
  }
}

/// The members of one source, by address.
private struct MemberTable: Sendable {
  private var members: [SocketAddress: Member] = [:]

  var all: [Member] { Array(members.values) }

  mutating func take(_ update: MemberUpdate) {
    switch update.change {
    case .reset(let all):
      members = [:]
      for member in all { members[member.address] = member }
    case .add(let some): for member in some { members[member.address] = member }
    case .remove(let some): for member in some { members[member.address] = nil }
    }
  }
}
