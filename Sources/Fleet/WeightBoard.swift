// What flows from Controller to Balancer: one immutable table with one revision. A worker compares
// the revision once a loop turn, and takes the table only if it changed.
import Primitives
public import Synchronization

/// Whether an endpoint may take new exchanges. `starting` and `ready` may. The watchdog sets
/// `stalled` for an endpoint that has work but makes no progress.
public enum Eligibility: UInt8, Sendable, CaseIterable {
  case ready, starting, unhealthy, stalled, ejected, draining
  /// Draining is over: the time for sessions has passed.
  case drained

  public var label: String {
    switch self {
    case .ready: "ready"
    case .starting: "starting"
    case .unhealthy: "unhealthy"
    case .stalled: "stalled"
    case .ejected: "ejected"
    case .draining: "draining"
    case .drained: "drained"
    }
  }
  public var takesNewExchanges: Bool { self == .ready || self == .starting }
  /// Whether it takes requests of clients that have its affinity cookie.
  public var takesSessions: Bool { takesNewExchanges || self == .draining }

  /// The eligibility that metrics, log, status and API show. The controller publishes `self`, while
  /// workers eject on their own. Health and an operator's drain take precedence over an ejection.
  package func shown(isEjected: Bool) -> Eligibility {
    takesNewExchanges && isEjected ? .ejected : self
  }
}

/// One endpoint's row of the table.
public struct WeightRow: Sendable, Equatable {
  public var base: Double
  public var target: Double
  /// The weight that picks use. Finite and ≥ 0.
  public var effective: Double
  public var eligibility: Eligibility
  public var reason: WeightReason
  /// Requests in flight there will not be answered, according to the pool's `MarkedDownPolicy`.
  public var isDown: Bool
  /// The endpoint takes single requests despite its eligibility, so that it can show progress.
  public var isOnTrial: Bool
  public init(
    base: Double, target: Double, effective: Double, eligibility: Eligibility,
    reason: WeightReason, isDown: Bool = false, isOnTrial: Bool = false
  ) {
    self.isDown = isDown
    self.isOnTrial = isOnTrial
    self.base = base
    self.target = target
    self.effective = effective
    self.eligibility = eligibility
    self.reason = reason
  }
  /// Whether picks may choose the endpoint.
  @inlinable public var takesNewExchanges: Bool {
    eligibility.takesNewExchanges || isOnTrial
  }
}

/// The fleet with the weights and eligibilities of all its endpoints at one instant. Immutable.
public final class WeightTable: Sendable {
  public let revision: UInt64
  /// The revision at which `fleet` last changed.
  public let fleetRevision: UInt64
  public let fleet: Fleet
  /// Rows by endpoint index; nil: the index is unused.
  public let rows: [WeightRow?]
  /// The revision at which rows last changed other than by `changes`.
  public let rowsRevision: UInt64
  /// How the fleet came to be, as far as only endpoints changed.
  let changes: MembershipChanges

  init(
    revision: UInt64, fleetRevision: UInt64, fleet: Fleet, rows: [WeightRow?],
    rowsRevision: UInt64, changes: MembershipChanges
  ) {
    self.revision = revision
    self.fleetRevision = fleetRevision
    self.fleet = fleet
    self.rows = rows
    self.rowsRevision = rowsRevision
    self.changes = changes
  }

  /// What changed since the fleet of that revision, oldest first; nil: more than endpoints, or so
  /// much that the fleet has to be taken as a whole.
  public func deltas(since fleetRevision: UInt64) -> ArraySlice<MembershipDelta>? {
    changes.deltas(since: fleetRevision)
  }
}

/// The last changes of endpoints, by the fleet revisions that they led to. Bounded.
struct MembershipChanges: Sendable {
  /// A worker that has missed more takes the whole fleet.
  static let countMax = 16

  /// The revision of the fleet before the first of the changes.
  private var base: UInt64
  private var revisions: [UInt64] = []
  private var deltas: [MembershipDelta] = []

  init(base: UInt64) { self.base = base }

  mutating func append(_ delta: MembershipDelta, revision: UInt64) {
    if deltas.count == Self.countMax {
      base = revisions.removeFirst()
      deltas.removeFirst()
    }
    revisions.append(revision)
    deltas.append(delta)
  }

  func deltas(since revision: UInt64) -> ArraySlice<MembershipDelta>? {
    if revision == base { return deltas[...] }
    return revisions.firstIndex(of: revision).map { deltas[($0 + 1)...] }
  }
}

/// The place where tables are published. One thread publishes, any thread reads.
public final class WeightBoard: Sendable {
  @usableFromInline let published = Atomic<UInt64>(1)
  private let current: Mutex<WeightTable>

  /// Publishes revision 1: base weights, and the given eligibility for every endpoint. Requires:
  /// `EndpointIndexMap` has assigned the indexes.
  public init(fleet: Fleet, endpointLimit: Int) {
    current = Mutex(
      WeightTable(
        revision: 1, fleetRevision: 1, fleet: fleet,
        rows: Self.initialRows(fleet, endpointLimit: endpointLimit), rowsRevision: 1,
        changes: MembershipChanges(base: 1)))
  }

  /// The revision of the newest table. Any thread; no lock.
  @inlinable public var revision: UInt64 { published.load(ordering: .acquiring) }

  /// The newest table. Any thread; takes a short lock.
  public var table: WeightTable { current.withLock { $0 } }

  /// Publishes new rows for the same fleet.
  public func publish(rows: [WeightRow?]) {
    current.withLock { table in
      let revision = table.revision + 1
      table = WeightTable(
        revision: revision, fleetRevision: table.fleetRevision, fleet: table.fleet, rows: rows,
        rowsRevision: revision, changes: table.changes)
      published.store(revision, ordering: .releasing)
    }
  }

  /// Publishes a new fleet. Endpoints that stay (same pool name, address and index) keep their
  /// rows, with the new base weight; new ones begin at their base weight. Returns the revision.
  @discardableResult
  public func publish(fleet: Fleet) -> UInt64 {
    let before = table
    var rows = Self.initialRows(fleet, endpointLimit: before.rows.count)
    var kept = [(pool: String, address: SocketAddress)?](repeating: nil, count: rows.count)
    for pool in before.fleet.pools {
      for endpoint in pool.endpoints {
        kept[endpoint.endpointIndex] = (pool.name, endpoint.address)
      }
    }
    for pool in fleet.pools {
      for endpoint in pool.endpoints {
        guard let known = kept[endpoint.endpointIndex], known == (pool.name, endpoint.address),
          var row = before.rows[endpoint.endpointIndex]
        else { continue }
        row.base = endpoint.baseWeight
        rows[endpoint.endpointIndex] = row
      }
    }
    let revision = before.revision + 1
    publish(
      WeightTable(
        revision: revision, fleetRevision: revision, fleet: fleet, rows: rows,
        rowsRevision: revision, changes: MembershipChanges(base: revision)))
    return revision
  }

  /// Publishes a fleet that differs from the present one by `delta` and in nothing else that
  /// workers read. Returns the revision.
  @discardableResult
  public func publish(fleet: Fleet, _ delta: MembershipDelta) -> UInt64 {
    let before = table
    let revision = before.revision + 1
    var (rows, changes) = (before.rows, before.changes)
    for member in delta.removed { rows[member.endpoint.endpointIndex] = nil }
    for member in delta.added {
      rows[member.endpoint.endpointIndex] = Self.initialRow(
        member.endpoint, fleet.pools[member.pool])
    }
    for member in delta.updated {
      rows[member.endpoint.endpointIndex]?.base = member.endpoint.baseWeight
    }
    changes.append(delta, revision: revision)
    publish(
      WeightTable(
        revision: revision, fleetRevision: revision, fleet: fleet, rows: rows,
        rowsRevision: before.rowsRevision, changes: changes))
    return revision
  }

  // Only one thread publishes: what it made a table of is still in force. The table before it is
  // freed outside the lock.
  private func publish(_ table: WeightTable) {
    var before = table
    current.withLock { swap(&$0, &before) }
    published.store(table.revision, ordering: .releasing)
  }

  private static func initialRows(_ fleet: Fleet, endpointLimit: Int) -> [WeightRow?] {
    var rows = [WeightRow?](repeating: nil, count: endpointLimit)
    for pool in fleet.pools {
      for endpoint in pool.endpoints {
        precondition(
          rows.indices.contains(endpoint.endpointIndex), "slots are assigned before publication")
        rows[endpoint.endpointIndex] = initialRow(endpoint, pool)
      }
    }
    return rows
  }

  /// The row of an endpoint of which nothing is known yet.
  package static func initialRow(_ endpoint: Endpoint, _ pool: Pool) -> WeightRow {
    let base = endpoint.baseWeight
    return WeightRow(
      base: base, target: base, effective: base,
      eligibility: pool.health?.model == nil ? .ready : .unhealthy,
      reason: WeightReason(pool.weights.law == .static ? .base : .blackout))
  }
}
