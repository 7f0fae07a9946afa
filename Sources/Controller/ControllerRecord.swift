// What a controller knows of its pools and endpoints that another process can go on with: weights,
// the law's evidence, verdicts of checks, operators' orders. Times are of the machine's monotonic
// clock, which both processes share. Endpoints are known by pool and address; those that the other
// process does not have are left out.
import Fleet
package import Primitives

/// The state of a controller.
package struct ControllerRecord: Codable, Sendable {
  /// One endpoint.
  struct Endpoint: Codable, Sendable {
    var pool: String
    var address: String
    /// Effective ÷ base weight.
    var factor: Double?
    var short: CapacityMemory?
    var long: CapacityMemory?
    /// Elapsed time that decays like `short`, seconds.
    var elapsed: Double?
    var isUnhealthy: Bool?
  }

  var endpoints: [Endpoint] = []
}

/// The orders of operators.
package struct OrderRecord: Codable, Sendable, Equatable {
  /// One order; its action has the words of the API.
  struct Order: Codable, Sendable, Equatable {
    var pool: String
    /// nil: the order is for the pool.
    var endpoint: String?
    /// `pin`, `scale`, `drain`, `freeze`, `law`, `floor`, `slew`, `dry_run`.
    var action: String
    /// The weight, factor, or value of the parameter.
    var value: String?
    /// Nanoseconds of the monotonic clock; nil: until it is reset.
    var expiresAt: Int64?
    /// The same, for the end of sessions of a drain.
    var deadline: Int64?
  }

  var orders: [Order] = []
}

extension Controller {
  /// What another process goes on with.
  package var record: ControllerRecord {
    var record = ControllerRecord()
    for pool in fleet.pools {
      for endpoint in pool.endpoints {
        guard let state = endpoints[endpoint.endpointIndex] else { continue }
        var one = ControllerRecord.Endpoint(pool: pool.name, address: "\(endpoint.address)")
        one.factor = state.factor
        let sums = state.capacity.sums
        (one.short, one.long, one.elapsed) = (sums.short, sums.long, sums.elapsed)
        one.isUnhealthy = state.health?.state.eligibility == .unhealthy ? true : nil
        record.endpoints.append(one)
      }
    }
    return record
  }

  /// Goes on with the weights, the evidence and the verdicts of another process.
  package mutating func restore(_ record: ControllerRecord) {
    let known = Dictionary(
      record.endpoints.map { ("\($0.pool) \($0.address)", $0) }, uniquingKeysWith: { $1 })
    for pool in fleet.pools {
      for endpoint in pool.endpoints {
        guard let one = known["\(pool.name) \(endpoint.address)"],
          let state = endpoints[endpoint.endpointIndex]
        else { continue }
        if let factor = one.factor, factor.isFinite, factor >= 0 {
          state.factor = factor
          state.row.effective = state.row.base * factor
          state.row.target = state.row.effective
        }
        if let short = one.short, let long = one.long {
          state.capacity.restore(short: short, long: long, elapsed: one.elapsed ?? 0)
        }
        if one.isUnhealthy == true {
          state.health?.state.restoreUnhealthy()
          state.row.eligibility = state.eligibility
        }
      }
    }
    mustPublish = true
  }

  /// The orders in force.
  package var orderRecord: OrderRecord {
    var record = OrderRecord()
    for (index, pool) in fleet.pools.enumerated() {
      func add(
        _ action: String, _ value: String?, _ expiresAt: Nanoseconds?,
        _ endpoint: SocketAddress? = nil, deadline: Nanoseconds? = nil
      ) {
        record.orders.append(
          OrderRecord.Order(
            pool: pool.name, endpoint: endpoint?.description, action: action, value: value,
            expiresAt: expiresAt?.rawValue, deadline: deadline?.rawValue))
      }
      if let freeze = tuning[index].freeze { add("freeze", nil, freeze.expiresAt) }
      for change in tuning[index].changes {
        add(change.value.name, change.value.text, change.expiresAt)
      }
      for endpoint in pool.endpoints {
        guard let orders = endpoints[endpoint.endpointIndex]?.tuning else { continue }
        if let pin = orders.pin { add("pin", "\(pin.value)", pin.expiresAt, endpoint.address) }
        if let scale = orders.scale {
          add("scale", "\(scale.value)", scale.expiresAt, endpoint.address)
        }
        if let drain = orders.drain {
          add(
            "drain", nil, drain.expiresAt, endpoint.address, deadline: orders.drainDeadline)
        }
      }
    }
    return record
  }

  /// Puts the orders in force that are not over, in place of all others. Returns those that cannot
  /// be carried out here, in words.
  package mutating func restore(_ record: OrderRecord, now: Nanoseconds) -> [String] {
    var refused: [String] = []
    for pool in fleet.pools {
      try? tune(TuningRequest(pool: pool.name, .reset), now: now)
    }
    for order in record.orders {
      let lasts = order.expiresAt.map { Nanoseconds($0) - now }
      if let lasts, lasts <= .zero { continue }
      let name = [order.action, order.pool, order.endpoint].compactMap { $0 }.joined(separator: " ")
      guard let action = TuningAction(order) else {
        refused.append("\(name): not understood")
        continue
      }
      let request = TuningRequest(
        pool: order.pool, endpoint: order.endpoint.flatMap { SocketAddress($0) }, action,
        lasts: lasts, deadline: order.deadline.map { max(.zero, Nanoseconds($0) - now) })
      do throws(TuningError) {
        try tune(request, now: now)
      } catch {
        refused.append("\(name): \(error.message)")
      }
    }
    return refused
  }
}

extension TuningAction {
  /// nil: the order is of a kind that this version does not know.
  fileprivate init?(_ order: OrderRecord.Order) {
    let number = order.value.flatMap { Double($0) }
    switch (order.action, number) {
    case ("drain", _): self = .drain
    case ("freeze", _): self = .freeze
    case ("pin", let weight?): self = .pin(weight)
    case ("scale", let factor?): self = .scale(factor)
    case ("floor", let value?): self = .set(.floor(value))
    case ("slew", let value?): self = .set(.slew(value))
    case ("dry_run", _): self = .set(.dryRun(order.value == "true"))
    case ("law", _):
      guard let law = order.value.flatMap({ Law(rawValue: $0) }) else { return nil }
      self = .set(.law(law))
    default: return nil
    }
  }
}
