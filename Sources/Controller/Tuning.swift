// Changes that an operator makes at run time: an endpoint's weight pinned or scaled, an endpoint
// drained, a pool's weights frozen, a law's parameter changed. Each may expire; all end with the
// process. Health takes precedence over drain, drain over weight, a pin over the law.
package import Fleet
package import Primitives

/// A value that the operator set, with an optional expiry.
package struct Until<Value: Sendable & Equatable>: Sendable, Equatable {
  package var value: Value
  /// nil: until it is reset.
  package var expiresAt: Nanoseconds?

  func isOver(_ now: Nanoseconds) -> Bool { expiresAt.map { now >= $0 } ?? false }
}

/// The operator's changes to an endpoint.
package struct EndpointTuning: Sendable, Equatable {
  /// The effective weight.
  package internal(set) var pin: Until<Double>?
  /// A factor for the law's weight.
  package internal(set) var scale: Until<Double>?
  package internal(set) var drain: Until<Bool>?
  /// When a drain ends sessions too; nil: never.
  package internal(set) var drainDeadline: Nanoseconds?
  /// Whether that time has passed.
  package internal(set) var isDrained = false
  package init() {}
}

extension EndpointTuning {
  /// Removes expired changes and returns them.
  fileprivate mutating func drop(_ now: Nanoseconds) -> [TuningAction] {
    guard pin != nil || scale != nil || drain != nil else { return [] }
    var dropped: [TuningAction] = []
    if let over = pin, over.isOver(now) {
      pin = nil
      dropped.append(.pin(over.value))
    }
    if let over = scale, over.isOver(now) {
      scale = nil
      dropped.append(.scale(over.value))
    }
    if drain?.isOver(now) == true {
      (drain, drainDeadline, isDrained) = (nil, nil, false)
      dropped.append(.drain)
    }
    isDrained = drain != nil && drainDeadline.map { now >= $0 } ?? false
    return dropped
  }
}

/// The operator's changes to a pool.
package struct PoolTuning: Sendable, Equatable {
  /// Weights are frozen.
  package internal(set) var freeze: Until<Bool>?
  package internal(set) var changes: [Until<PolicyChange>] = []
  package init() {}

  /// The pool's policy with the operator's changes applied.
  func applied(to policy: WeightPolicy) -> WeightPolicy {
    changes.reduce(into: policy) { $1.value.apply(to: &$0) }
  }
}

/// A changed parameter of a law.
package enum PolicyChange: Sendable, Equatable {
  case law(Law)
  /// Range 0...1.
  case floor(Double)
  /// In base weights per second, range 0.01...100.
  case slew(Double)
  case dryRun(Bool)

  package var name: String {
    switch self {
    case .law: "law"
    case .floor: "floor"
    case .slew: "slew"
    case .dryRun: "dry_run"
    }
  }

  package var text: String {
    switch self {
    case .law(let law): law.rawValue
    case .floor(let value), .slew(let value): "\(value)"
    case .dryRun(let value): "\(value)"
    }
  }

  func apply(to policy: inout WeightPolicy) {
    switch self {
    case .law(let law): policy.law = law
    case .floor(let value): policy.floorRatio = value
    case .slew(let value): policy.slewPerSecond = value
    case .dryRun(let value): policy.isDryRun = value
    }
  }
}

package enum TuningAction: Sendable, Equatable {
  // Changes to an endpoint.
  case pin(Double)
  case scale(Double)
  case drain
  // Changes to a pool.
  case freeze
  case set(PolicyChange)
  /// Resets all changes of the endpoint, or of the pool and its endpoints.
  case reset

  package var text: String {
    switch self {
    case .pin(let weight): "pin \(weight)"
    case .scale(let factor): "scale \(factor)"
    case .drain: "drain"
    case .freeze: "freeze"
    case .set(let change): "set \(change.name) \(change.text)"
    case .reset: "reset"
    }
  }

  var isOfEndpoint: Bool? {
    switch self {
    case .pin, .scale, .drain: true
    case .freeze, .set: false
    case .reset: nil
    }
  }
}

/// A change that an operator requests.
package struct TuningRequest: Sendable, Equatable {
  package var pool: String
  /// nil: the change is to the pool.
  package var endpoint: SocketAddress?
  package var action: TuningAction
  /// nil: until it is reset.
  package var lasts: Nanoseconds?
  /// For a drain: how long sessions may continue; nil: as long as the drain lasts.
  package var deadline: Nanoseconds?
  /// It is kept over a restart.
  package var persists = false

  package init(
    pool: String, endpoint: SocketAddress? = nil, _ action: TuningAction,
    lasts: Nanoseconds? = nil, deadline: Nanoseconds? = nil
  ) {
    self.pool = pool
    self.endpoint = endpoint
    self.action = action
    self.lasts = lasts
    self.deadline = deadline
  }
}

/// Why a change was refused.
package enum TuningError: Error, Sendable, Equatable {
  case noPool(String)
  case noEndpoint(String, pool: String)
  case needsEndpoint(String)
  case needsPool(String)
  /// The law would have no signals to read.
  case needsSignals(Law)

  package var message: String {
    switch self {
    case .noPool(let name): "there is no pool \(name)"
    case .noEndpoint(let address, let pool): "pool \(pool) has no endpoint \(address)"
    case .needsEndpoint(let action): "`\(action)` is for an endpoint: name one"
    case .needsPool(let action): "`\(action)` is for a whole pool: name no endpoint"
    case .needsSignals(let law):
      "law \(law.rawValue) has no signal to read: the pool's `scrape` names none with "
        + (law == .steps ? "a ratio" : "`normal` and `alarm`")
    }
  }
}

extension Controller {
  /// Makes a change; it takes effect with the next tick. After an error nothing has changed.
  package mutating func tune(
    _ request: TuningRequest, now: Nanoseconds
  ) throws(TuningError) {
    guard let index = fleet.pools.firstIndex(where: { $0.name == request.pool }) else {
      throw .noPool(request.pool)
    }
    paces[index].isTouched = true
    let expiry = request.lasts.map { now + $0 }
    if let address = request.endpoint {
      if request.action.isOfEndpoint == false { throw .needsPool(request.action.text) }
      guard let endpoint = fleet.pools[index].endpoints.first(where: { $0.address == address })
      else { throw .noEndpoint("\(address)", pool: request.pool) }
      tune(
        endpoint.endpointIndex, request.action, until: expiry,
        deadline: request.deadline.map { now + $0 })
    } else {
      if request.action.isOfEndpoint == true { throw .needsEndpoint(request.action.text) }
      try tunePool(index, request.action, until: expiry)
    }
    mustPublish = true
    journal.append(
      .tuning(
        TuningChange(
          pool: request.pool, endpoint: request.endpoint, action: request.action.text,
          lasts: request.lasts, hasExpired: false)), at: now)
  }

  private mutating func tune(
    _ endpointIndex: Int, _ action: TuningAction, until expiry: Nanoseconds?, deadline: Nanoseconds?
  ) {
    switch action {
    case .pin(let weight):
      endpoints[endpointIndex]?.tuning.pin = Until(value: weight, expiresAt: expiry)
    case .scale(let factor):
      endpoints[endpointIndex]?.tuning.scale = Until(value: factor, expiresAt: expiry)
    case .drain:
      endpoints[endpointIndex]?.tuning.drain = Until(value: true, expiresAt: expiry)
      endpoints[endpointIndex]?.tuning.drainDeadline = deadline
    default: endpoints[endpointIndex]?.tuning = EndpointTuning()
    }
  }

  private mutating func tunePool(
    _ index: Int, _ action: TuningAction, until expiry: Nanoseconds?
  ) throws(TuningError) {
    switch action {
    case .freeze: tuning[index].freeze = Until(value: true, expiresAt: expiry)
    case .set(let change):
      if case .law(let law) = change, !canFollow(law, index) { throw .needsSignals(law) }
      tuning[index].changes.removeAll { $0.value.name == change.name }
      tuning[index].changes.append(Until(value: change, expiresAt: expiry))
    default:
      tuning[index] = PoolTuning()
      for endpoint in fleet.pools[index].endpoints {
        endpoints[endpoint.endpointIndex]?.tuning = EndpointTuning()
      }
    }
  }

  private func canFollow(_ law: Law, _ index: Int) -> Bool {
    let signals = fleet.pools[index].weights.scrapes.flatMap(\.signals)
    switch law {
    case .static, .capacity: return true
    case .headroom: return signals.contains { $0.thresholds != nil }
    case .steps: return signals.contains(where: \.isRatio)
    }
  }

  /// Removes expired changes, each with an entry in the log.
  mutating func expireTuning(_ now: Nanoseconds) {
    guard journal.count(.tuning) > 0 else { return }
    for index in fleet.pools.indices {
      let name = fleet.pools[index].name
      func note(_ action: TuningAction, _ endpoint: SocketAddress?) -> TuningChange {
        TuningChange(
          pool: name, endpoint: endpoint, action: action.text, lasts: nil, hasExpired: true)
      }
      var over: [TuningChange] = []
      if tuning[index].freeze?.isOver(now) == true {
        tuning[index].freeze = nil
        over.append(note(.freeze, nil))
      }
      for change in tuning[index].changes where change.isOver(now) {
        over.append(note(.set(change.value), nil))
      }
      if !over.isEmpty { tuning[index].changes.removeAll { $0.isOver(now) } }
      for endpoint in fleet.pools[index].endpoints {
        let dropped = endpoints[endpoint.endpointIndex]?.tuning.drop(now) ?? []
        for action in dropped { over.append(note(action, endpoint.address)) }
      }
      if !over.isEmpty { paces[index].isTouched = true }
      for each in over { journal.append(.tuning(each), at: now) }
    }
  }
}
