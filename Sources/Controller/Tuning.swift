// What an operator says while it runs: an endpoint's weight pinned or scaled, an endpoint drained,
// a pool's weights frozen, a law's parameter changed. Each may end by itself; all end with the
// process. Health beats drain, drain beats weight, a pin beats the law.
package import Fleet
package import Primitives

/// A word of the operator, for some time.
package struct Until<Value: Sendable & Equatable>: Sendable, Equatable {
  package var value: Value
  /// nil: until it is taken back.
  package var expiresAt: Nanoseconds?

  func isOver(_ now: Nanoseconds) -> Bool { expiresAt.map { now >= $0 } ?? false }
}

/// What was said of an endpoint.
package struct EndpointTuning: Sendable, Equatable {
  /// The effective weight.
  package internal(set) var pin: Until<Double>?
  /// Multiplies what the law gives.
  package internal(set) var scale: Until<Double>?
  package internal(set) var drain: Until<Bool>?
  /// When a drain leaves no sessions either; nil: never.
  package internal(set) var drainDeadline: Nanoseconds?
  /// That was.
  package internal(set) var isDrained = false
  package init() {}
}

extension EndpointTuning {
  /// Drops what is over, and says what that was.
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

/// What was said of a pool.
package struct PoolTuning: Sendable, Equatable {
  /// Weights stay as they are.
  package internal(set) var freeze: Until<Bool>?
  package internal(set) var changes: [Until<PolicyChange>] = []
  package init() {}

  /// The pool's policy with the operator's changes.
  func applied(to policy: WeightPolicy) -> WeightPolicy {
    changes.reduce(into: policy) { $1.value.apply(to: &$0) }
  }
}

/// One parameter of a law.
package enum PolicyChange: Sendable, Equatable {
  case law(Law)
  /// Range 0...1.
  case floor(Double)
  /// Base weights a second, range 0.01...100.
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
  // Of an endpoint.
  case pin(Double)
  case scale(Double)
  case drain
  // Of a pool.
  case freeze
  case set(PolicyChange)
  /// Takes everything back that was said: of the endpoint, or of the pool and its endpoints.
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

/// An order to the controller.
package struct TuningRequest: Sendable, Equatable {
  package var pool: String
  /// nil: the pool.
  package var endpoint: SocketAddress?
  package var action: TuningAction
  /// nil: until it is taken back.
  package var lasts: Nanoseconds?
  /// Of a drain: how long sessions may go on; nil: as long as it lasts.
  package var deadline: Nanoseconds?

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

/// Why an order was refused.
package enum TuningError: Error, Sendable, Equatable {
  case noPool(String)
  case noEndpoint(String, pool: String)
  case needsEndpoint(String)
  case needsPool(String)
  /// The law would have nothing to read.
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

/// An order that was taken, or one whose time was over.
package struct TuningChange: Sendable, Equatable {
  package let at: Nanoseconds
  package let pool: String
  package let endpoint: SocketAddress?
  /// Such as `pin 2.0`.
  package let action: String
  package let lasts: Nanoseconds?
  package let hasExpired: Bool
}

extension Controller {
  /// Takes an order; it is in force with the next tick. Errors change nothing.
  package mutating func tune(
    _ request: TuningRequest, now: Nanoseconds
  ) throws(TuningError) {
    guard let index = fleet.pools.firstIndex(where: { $0.name == request.pool }) else {
      throw .noPool(request.pool)
    }
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
    tuningLog.append(
      TuningChange(
        at: now, pool: request.pool, endpoint: request.endpoint, action: request.action.text,
        lasts: request.lasts, hasExpired: false))
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

  /// Drops what is over, with a note of each.
  mutating func expireTuning(_ now: Nanoseconds) {
    guard tuningLog.count > 0 else { return }
    for index in fleet.pools.indices {
      let name = fleet.pools[index].name
      func note(_ action: TuningAction, _ endpoint: SocketAddress?) -> TuningChange {
        TuningChange(
          at: now, pool: name, endpoint: endpoint, action: action.text, lasts: nil,
          hasExpired: true)
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
      for each in over { tuningLog.append(each) }
    }
  }
}
