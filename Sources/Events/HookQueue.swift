// The queue of hooks: which ones run, and when, by events, pools, a cooldown for each event of an
// endpoint, and the number of runs at once. Pure: time is an argument. Invariant: a hook has at
// most `concurrency` runs in progress and `waitingMax` waiting.
package import Fleet
package import Primitives

package struct HookQueue: Sendable {
  /// The result of a run, or why there was none.
  package enum Outcome: String, Sendable, CaseIterable {
    case ok, failed, timeout, dropped
  }

  /// A run to begin now. It must end with one call of `ended`.
  package struct Start: Sendable {
    package let id: UInt64
    package let policy: HookPolicy
    package let occurrence: Occurrence
  }

  private struct CooldownKey: Hashable {
    /// The event; of several that share a cooldown, the first one.
    let event: HookEvent
    let pool: String
    let endpoint: SocketAddress?
  }

  private struct Lane {
    let policy: HookPolicy
    var waiting: [Occurrence] = []
    var running: Set<UInt64> = []
    /// The end of the cooldown.
    var cooling: [CooldownKey: Nanoseconds] = [:]
    /// The time to look for cooldowns that are over.
    var purgeAt = Nanoseconds.zero
  }

  /// The most cooldowns that a hook remembers.
  package static let coolingMax = 4_096

  private var lanes: [Lane] = []
  private var events: [UInt64: HookEvent] = [:]
  private var nextID: UInt64 = 1
  private var counts: [HookEvent: [Outcome: UInt64]] = [:]

  package init() {}

  /// Runs in progress, those of removed hooks included.
  package var runningCount: Int { events.count }
  /// The number of waiting events.
  package var waitingCount: Int { lanes.reduce(0) { $0 + $1.waiting.count } }
  /// Whether there is any hook.
  package var isIdle: Bool { lanes.isEmpty }

  /// The number of runs of an event with this result.
  package func count(_ event: HookEvent, _ outcome: Outcome) -> UInt64 {
    counts[event]?[outcome] ?? 0
  }

  /// Events that a hook is for, or that have had a result, in their order.
  package var countedEvents: [HookEvent] {
    HookEvent.allCases.filter { event in
      counts[event] != nil || events.values.contains(event)
        || lanes.contains { $0.policy.events.contains(event) }
    }
  }

  /// Applies another configuration. Unchanged hooks keep their state; waiting events of the others
  /// are dropped and returned. Runs in progress go on.
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

  /// Takes an event. Returns true if a hook that wants it has no room: it is dropped there.
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

  /// The next run to begin; nil: there is none now.
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

  /// Takes the end of a run. Requires: `next` returned the run, and it has not ended yet.
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

  /// Begins a cooldown. Returns false if there are too many to remember another one.
  private mutating func cool(_ index: Int, _ key: CooldownKey, _ now: Nanoseconds) -> Bool {
    let pause = lanes[index].policy.cooldown
    if pause == .zero { return true }
    if lanes[index].cooling.count >= Self.coolingMax {
      // Expired cooldowns are searched only from time to time, which bounds the work in a storm of
      // events.
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
