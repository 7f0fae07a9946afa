// The columns of the table of endpoints: their contents, their sorting, and which ones are left out
// first if there is little room.
import Primitives

/// An endpoint within its pool.
package struct FleetRow: Sendable, Equatable {
  package var pool: String
  package var endpoint: EndpointReport
  /// Its position in the report: the configured order.
  package var position: Int

  /// Identifies the endpoint, whatever its state.
  package struct Identity: Sendable, Equatable {
    package var pool: String
    package var address: String
  }
  package var identity: Identity { Identity(pool: pool, address: endpoint.address) }
}

/// A column of the table of endpoints, by the name that `--sort` takes.
package enum FleetColumn: String, Sendable, CaseIterable {
  case pool, endpoint, state, base, target, weight, share, traffic
  case inFlight = "in_flight"
  case connections, rate, errors, p50, p99
  case firstByte = "first_byte"
  case ejections, reason

  /// The least important last: it is left out first if there is little room.
  static let byPriority: [FleetColumn] = [
    .endpoint, .state, .weight, .rate, .errors, .pool, .p99, .inFlight, .traffic, .p50, .share,
    .reason, .firstByte, .target, .base, .ejections, .connections,
  ]

  package var title: String {
    switch self {
    case .inFlight: "in fl"
    case .rate: "req/s"
    case .errors: "err %"
    case .firstByte: "1st b"
    case .connections: "conns"
    case .ejections: "ejected"
    case .share: "share %"
    case .traffic: "traf %"
    default: rawValue
    }
  }

  /// Texts are left-aligned and sorted ascending, numbers right-aligned and sorted descending.
  package var isText: Bool {
    switch self {
    case .pool, .endpoint, .state, .reason: true
    default: false
    }
  }

  package func cell(_ row: FleetRow) -> (text: String, tone: Tone) {
    let one = row.endpoint
    switch self {
    case .pool: return (row.pool, .normal)
    case .endpoint: return (one.title, .strong)
    case .state: return Self.state(one)
    case .base: return (Quantity.weight(one.baseWeight), .normal)
    case .target: return (Quantity.weight(one.targetWeight), .normal)
    case .weight: return (Quantity.weight(one.effectiveWeight), .strong)
    case .share: return (Quantity.percent(one.weightShare), .normal)
    case .traffic: return (Quantity.percent(one.trafficShare), .normal)
    case .inFlight: return (Quantity.count(one.inFlight), .normal)
    case .connections: return (Quantity.count(one.connections), .normal)
    case .rate: return (Quantity.rate(one.requestsPerSecond), .normal)
    case .errors: return (Quantity.percent(one.errorRatio), Self.errorTone(one.errorRatio))
    case .p50: return (Quantity.duration(one.p50Seconds), .normal)
    case .p99: return (Quantity.duration(one.p99Seconds), .normal)
    case .firstByte: return (Quantity.duration(one.firstByteP50Seconds), .normal)
    case .ejections:
      return (Quantity.count(one.ejections), one.ejections ?? 0 > 0 ? .warning : .normal)
    case .reason: return (one.stateText ?? one.reasonText ?? one.reason ?? "", .faint)
    }
  }

  private static func state(_ one: EndpointReport) -> (String, Tone) {
    let state = one.state ?? Quantity.unknown
    let notes = [one.tuning, one.backup == true ? "backup" : nil].compactMap(\.self)
    let tone: Tone =
      switch state {
      case "ready": .good
      case "starting", "draining", "drained": .warning
      case "unhealthy", "ejected", "stalled": .bad
      default: .normal
      }
    // A drained endpoint already has that state.
    let shown = notes.filter { !($0 == "drained" && (state == "draining" || state == "drained")) }
    return (([state] + shown).joined(separator: ", "), tone)
  }

  static func errorTone(_ ratio: Double?) -> Tone {
    guard let ratio else { return .normal }
    return ratio >= 0.05 ? .bad : ratio >= 0.01 ? .warning : .normal
  }

  private func number(_ one: EndpointReport) -> Double? {
    switch self {
    case .base: one.baseWeight
    case .target: one.targetWeight
    case .weight: one.effectiveWeight
    case .share: one.weightShare
    case .traffic: one.trafficShare
    case .inFlight: one.inFlight
    case .connections: one.connections
    case .rate: one.requestsPerSecond
    case .errors: one.errorRatio
    case .p50: one.p50Seconds
    case .p99: one.p99Seconds
    case .firstByte: one.firstByteP50Seconds
    case .ejections: one.ejections
    case .pool, .endpoint, .state, .reason: nil
    }
  }

  /// The rows sorted by this column, reversed if `isReversed`. Unknown values always come last;
  /// equal rows stay in the configured order. Sorting by pool gives the configured order.
  package func sorted(_ rows: [FleetRow], isReversed: Bool) -> [FleetRow] {
    switch self {
    case .pool: return isReversed ? rows.reversed() : rows
    case .endpoint, .state, .reason:
      let keyed = rows.map { (row: $0, key: cell($0).text) }
      return keyed.sorted { a, b in
        if a.key == b.key { return a.row.position < b.row.position }
        return (a.key < b.key) != isReversed
      }.map(\.row)
    default:
      let keyed = rows.map { (row: $0, key: number($0.endpoint)) }
      return keyed.sorted { a, b in
        switch (a.key, b.key) {
        case (let x?, let y?) where x != y: return (x > y) != isReversed
        case (.some, nil): return true
        case (nil, .some): return false
        default: return a.row.position < b.row.position
        }
      }.map(\.row)
    }
  }
}

extension FleetReport {
  /// The endpoints in the configured order, of one pool if given, and those that match the filter:
  /// each of its words has to occur in pool, address, name, state or reason.
  package func rows(pool: String? = nil, filter: String = "") -> [FleetRow] {
    let words = filter.lowercased().split(separator: " ")
    var rows: [FleetRow] = []
    for one in pools where pool == nil || one.name == pool {
      for endpoint in one.endpoints {
        let row = FleetRow(pool: one.name, endpoint: endpoint, position: rows.count)
        guard !words.isEmpty else {
          rows.append(row)
          continue
        }
        let state = FleetColumn.state.cell(row).text
        let text = "\(one.name) \(endpoint.title) \(state) \(endpoint.reasonText ?? "")"
          .lowercased()
        if words.allSatisfy({ text.contains($0) }) { rows.append(row) }
      }
    }
    return rows
  }
}
