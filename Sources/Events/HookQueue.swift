// What hooks are to be run, and when: the policy's events and pools, a cooldown for each event of
// an endpoint, runs at once, a bounded wait. Pure: time is an argument.
// Invariant: of a hook at most `concurrency` runs are under way and `waitingMax` wait.
package import Fleet
package import Primitives

package struct HookQueue: Sendable {
  /// How a run ended, or that there was none.
  package enum Outcome: String, Sendable, CaseIterable {
    case ok, failed, timeout, dropped
  }

  /// A run that is to begin now. It has to end in one `ended`.
  package struct Start: Sendable {
    package let id: UInt64
    package let policy: HookPolicy
    package let occurrence: Occurrence
  }

  private struct CooldownKey: Hashable {
    /// The first of those that count as one.
    let event: HookEvent
    let pool: String
    let endpoint: SocketAddress?
  }

  private struct Lane {
    let policy: HookPolicy
    var waiting: [Occurrence] = []
    var running: Set<UInt64> = []
    /// Until when it is not run again.
    var cooling: [CooldownKey: Nanoseconds] = [:]
    /// When it is worth while to look for those that have rested.
    var purgeAt = Nanoseconds.zero
  }

  /// Endpoints' events that a hook remembers.
  package static let coolingMax = 4_096

  private var lanes: [Lane] = []
  private var events: [UInt64: HookEvent] = [:]
  private var nextID: UInt64 = 1
  private var counts: [HookEvent: [Outcome: UInt64]] = [:]

  package init() {}

  /// Runs that are under way, those of hooks that are gone too.
  package var runningCount: Int { events.count }
  /// Events that wait.
  package var waitingCount: Int { lanes.reduce(0) { $0 + $1.waiting.count } }
  /// Whether any hook is interested in anything.
  package var isIdle: Bool { lanes.isEmpty }

  /// How many runs of an event ended so.
  package func count(_ event: HookEvent, _ outcome: Outcome) -> UInt64 {
    counts[event]?[outcome] ?? 0
  }

  /// Events that a hook is for, or was for when something came of it, in their order.
  package var countedEvents: [HookEvent] {
    HookEvent.allCases.filter { event in
      counts[event] != nil || events.values.contains(event)
        || lanes.contains { $0.policy.events.contains(event) }
    }
  }

  /// Takes another configuration. Hooks that stay as they are keep what they know; what waits for
  /// others is dropped and given back. Runs under way go on.
  package mutating func apply(_ policies: [HookPolicy]) -> [Occurrence] {
    var before = lanes
    lanes = policies.map { policy in
      guard let index = before.firstIndex(where: { $0.policy == policy }) else {
        return Lane(policy: policy)
      }
      return before.remove(at: index)
    }
    let dropped = before.flatMap(\.waiting)
    for each in dropped { add(.dropped, each.event) }
    return dropped
  }

  /// Takes an event. True where a hook that wants it has no room for it: it is dropped there.
  package mutating func offer(_ occurrence: Occurrence, now: Nanoseconds) -> Bool {
    var isDropped = false
    for index in lanes.indices where wants(lanes[index].policy, occurrence) {
      let key = CooldownKey(
        event: occurrence.event.isOut ? .endpointEjected : occurrence.event, pool: occurrence.pool,
        endpoint: occurrence.endpoint)
      if let until = lanes[index].cooling[key], now < until { continue }
      let isFull = lanes[index].waiting.count >= HookPolicy.waitingMax
      guard !isFull, cool(index, key, now) else {
        add(.dropped, occurrence.event)
        isDropped = true
        continue
      }
      lanes[index].waiting.append(occurrence)
    }
    return isDropped
  }

  /// The next run that may begin; nil where there is none now.
  package mutating func next() -> Start? {
    for index in lanes.indices
    where !lanes[index].waiting.isEmpty
      && lanes[index].running.count < lanes[index].policy.concurrency
    {
      let occurrence = lanes[index].waiting.removeFirst()
      let id = nextID
      nextID += 1
      lanes[index].running.insert(id)
      events[id] = occurrence.event
      return Start(id: id, policy: lanes[index].policy, occurrence: occurrence)
    }
    return nil
  }

  /// A run is over. Requires: `next` gave it, and it was not over yet.
  package mutating func ended(_ id: UInt64, _ outcome: Outcome) {
    guard let event = events.removeValue(forKey: id) else {
      preconditionFailure("a run ends once")
    }
    for index in lanes.indices { lanes[index].running.remove(id) }
    add(outcome, event)
  }

  private func wants(_ policy: HookPolicy, _ occurrence: Occurrence) -> Bool {
    guard policy.events.contains(occurrence.event) else { return false }
    return policy.pools?.contains(occurrence.pool) ?? true
  }

  /// False where so many rest already that one more cannot be remembered.
  private mutating func cool(_ index: Int, _ key: CooldownKey, _ now: Nanoseconds) -> Bool {
    let pause = lanes[index].policy.cooldown
    if pause == .zero { return true }
    if lanes[index].cooling.count >= Self.coolingMax {
      // A storm does not look through all of them each time.
      guard now >= lanes[index].purgeAt else { return false }
      lanes[index].purgeAt = now + .seconds(1)
      lanes[index].cooling = lanes[index].cooling.filter { now < $0.value }
      guard lanes[index].cooling.count < Self.coolingMax else { return false }
    }
    lanes[index].cooling[key] = now + pause
    return true
  }

  private mutating func add(_ outcome: Outcome, _ event: HookEvent) {
    counts[event, default: [:]][outcome, default: 0] += 1
  }
}
