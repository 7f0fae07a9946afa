// Where Controller and Balancer meet, downwards: one immutable table, one revision. A worker
// compares the revision once a loop turn; only when it changed does it take the table.
public import Synchronization

/// May an endpoint take new exchanges? `starting` and `ready` may. `stalled` is what the watchdog
/// says of one that has work and does none of it.
public enum Eligibility: UInt8, Sendable, CaseIterable {
  case ready, starting, unhealthy, stalled, ejected, draining
  /// Draining, and the time that sessions had is over.
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
  /// Of clients that have its affinity cookie.
  public var takesSessions: Bool { takesNewExchanges || self == .draining }

  /// The eligibility that metrics, log, status and API show. The controller publishes `self`; the
  /// workers eject by themselves. Health and an operator's drain are shown before an ejection.
  package func shown(isEjected: Bool) -> Eligibility {
    takesNewExchanges && isEjected ? .ejected : self
  }
}

/// One endpoint's row of the table.
public struct WeightRow: Sendable, Equatable {
  public var base: Double
  public var target: Double
  /// What picks use. Finite and ≥ 0.
  public var effective: Double
  public var eligibility: Eligibility
  public var reason: WeightReason
  /// Requests in flight there will not be answered, by the pool's `MarkedDownPolicy`.
  public var isDown: Bool
  /// It takes single requests, though its eligibility says otherwise: to be seen at work.
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
  /// Whether picks may choose it.
  @inlinable public var takesNewExchanges: Bool {
    eligibility.takesNewExchanges || isOnTrial
  }
}

/// The fleet and the weight and eligibility of all its endpoints at one instant. Immutable.
public final class WeightTable: Sendable {
  public let revision: UInt64
  /// The revision at which `fleet` last changed.
  public let fleetRevision: UInt64
  public let fleet: Fleet
  /// By endpoint index; nil where an index is unused.
  public let rows: [WeightRow?]

  init(revision: UInt64, fleetRevision: UInt64, fleet: Fleet, rows: [WeightRow?]) {
    self.revision = revision
    self.fleetRevision = fleetRevision
    self.fleet = fleet
    self.rows = rows
  }
}

/// The published table. One thread publishes, any thread reads.
public final class WeightBoard: Sendable {
  @usableFromInline let published = Atomic<UInt64>(1)
  private let current: Mutex<WeightTable>

  /// Publishes revision 1: the base weights, every endpoint with the eligibility given.
  /// Requires: indexes were assigned by `EndpointIndexMap`.
  public init(fleet: Fleet, endpointLimit: Int) {
    current = Mutex(
      WeightTable(
        revision: 1, fleetRevision: 1, fleet: fleet,
        rows: Self.initialRows(fleet, endpointLimit: endpointLimit)))
  }

  /// The revision of the newest table. Any thread; no lock.
  @inlinable public var revision: UInt64 { published.load(ordering: .acquiring) }

  /// The newest table. Any thread; takes a short lock.
  public var table: WeightTable { current.withLock { $0 } }

  /// Publishes new rows for the same fleet.
  public func publish(rows: [WeightRow?]) {
    current.withLock { table in
      table = WeightTable(
        revision: table.revision + 1, fleetRevision: table.fleetRevision, fleet: table.fleet,
        rows: rows)
      published.store(table.revision, ordering: .releasing)
    }
  }

  /// Publishes a new fleet; endpoints that stay keep their rows (with the new base weight), new
  /// ones begin at base. Gives its revision.
  @discardableResult
  public func publish(fleet: Fleet) -> UInt64 {
    current.withLock { table in
      var rows = Self.initialRows(fleet, endpointLimit: table.rows.count)
      var kept: [String: Int] = [:]
      for pool in table.fleet.pools {
        for endpoint in pool.endpoints {
          kept[pool.identity(of: endpoint)] = endpoint.endpointIndex
        }
      }
      for pool in fleet.pools {
        for endpoint in pool.endpoints
        where kept[pool.identity(of: endpoint)] == endpoint.endpointIndex {
          guard var row = table.rows[endpoint.endpointIndex] else { continue }
          row.base = endpoint.baseWeight
          rows[endpoint.endpointIndex] = row
        }
      }
      let revision = table.revision + 1
      table = WeightTable(
        revision: revision, fleetRevision: revision, fleet: fleet, rows: rows)
      published.store(revision, ordering: .releasing)
      return revision
    }
  }

  private static func initialRows(_ fleet: Fleet, endpointLimit: Int) -> [WeightRow?] {
    var rows = [WeightRow?](repeating: nil, count: endpointLimit)
    for pool in fleet.pools {
      for endpoint in pool.endpoints {
        precondition(
          rows.indices.contains(endpoint.endpointIndex), "slots are assigned before publication")
        let base = endpoint.baseWeight
        rows[endpoint.endpointIndex] = WeightRow(
          base: base, target: base, effective: base,
          eligibility: pool.health?.model == nil ? .ready : .unhealthy,
          reason: WeightReason(pool.weights.law == .static ? .base : .blackout))
      }
    }
    return rows
  }
}
