// What flows from Controller to Balancer: one immutable table with one revision. A worker compares
// the revision once a loop turn, and takes the table only if it changed.
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

  init(revision: UInt64, fleetRevision: UInt64, fleet: Fleet, rows: [WeightRow?]) {
    self.revision = revision
    self.fleetRevision = fleetRevision
    self.fleet = fleet
    self.rows = rows
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

  /// Publishes a new fleet. Endpoints that stay keep their rows, with the new base weight; new ones
  /// begin at their base weight. Returns the revision.
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
