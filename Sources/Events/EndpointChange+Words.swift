// The words for endpoints and pools that leave service and come back.
package import Fleet

extension EndpointChange {
  /// The event for hooks; nil where there is none.
  package var event: HookEvent? {
    switch new {
    case .ready, .starting: old.takesNewExchanges ? nil : .endpointReady
    case .unhealthy: .endpointUnhealthy
    case .stalled: .endpointStalled
    case .ejected: .endpointEjected
    case .draining: .endpointDraining
    case .drained: .endpointDrained
    }
  }

  /// For hooks: a word or a few.
  var reason: String {
    switch new {
    case .ready, .starting: "was \(old.label)"
    case .unhealthy: cause ?? "health check"
    case .stalled: cause ?? "watchdog"
    case .ejected: ejection?.reason.label ?? "unknown"
    case .draining, .drained: "operator"
    }
  }

  var line: Transition.Line? {
    if new == .ejected {
      return Transition.Line(
        level: .warning, message: "endpoint ejected",
        pairs: [
          "pool": pool, "endpoint": "\(endpoint)", "reason": reason,
          "failures": ejection?.failures ?? 0, "left": readyCount, "of": count,
        ])
    }
    if let readmission {
      return Transition.Line(
        level: .info, message: "endpoint readmitted",
        pairs: [
          "pool": pool, "endpoint": "\(endpoint)", "by": readmission.cause.label,
          "seconds": readmission.seconds, "left": readyCount, "of": count,
        ])
    }
    guard new == .drained else { return nil }
    return Transition.Line(
      level: .info, message: "endpoint drained", pairs: ["pool": pool, "endpoint": "\(endpoint)"])
  }

  /// Only changes that verdicts do not log.
  var text: String? {
    let left = "\(readyCount) of \(count) left"
    if new == .ejected { return "ejected: \(ejection?.reasonText ?? "for a moment"); \(left)" }
    if let readmission { return "\(readmission.cause.text); \(left)" }
    return new == .drained ? "drained: sessions are over; \(left)" : nil
  }
}

extension PoolChange {
  var line: Transition.Line {
    switch state {
    case .withoutEndpoint(let states):
      Transition.Line(
        level: .error, message: "no endpoint is ready", pairs: ["pool": pool, "are": states])
    case .recovered:
      Transition.Line(level: .info, message: "an endpoint is ready again", pairs: ["pool": pool])
    case .frozen(let cause):
      Transition.Line(
        level: .warning, message: "weights frozen",
        pairs: ["pool": pool, "reason": cause.rawValue])
    case .unfrozen:
      Transition.Line(level: .info, message: "weights move again", pairs: ["pool": pool])
    }
  }
}

extension PoolState {
  /// The event for hooks; nil where there is none.
  package var event: HookEvent? {
    switch self {
    case .withoutEndpoint: .poolWithoutEndpoint
    case .recovered: .poolRecovered
    case .frozen: .weightsFrozen
    case .unfrozen: nil
    }
  }

  /// For hooks: a word or a few.
  var reason: String {
    switch self {
    case .withoutEndpoint(let states): states
    case .recovered: "an endpoint is ready"
    case .frozen(let cause): cause.rawValue
    case .unfrozen: "weights move again"
    }
  }

  var text: String {
    switch self {
    case .withoutEndpoint(let states): "no endpoint is ready: \(states)"
    case .recovered: "an endpoint is ready again"
    case .frozen(let cause): "weights frozen: \(cause.rawValue)"
    case .unfrozen: "weights move again"
    }
  }
}

extension ReadmissionCause {
  /// The label in the log: snake_case, stable.
  var label: String {
    switch self {
    case .answers: "trial_answers"
    case .connection: "connection"
    case .silence: "time"
    }
  }

  /// The label as words.
  var text: String {
    switch self {
    case .answers: "readmitted: trial requests ended well"
    case .connection: "readmitted: it takes connections again"
    case .silence: "readmitted: nothing was heard against it for long, and it takes connections"
    }
  }
}
