// Decides what is settled for the keys of one shared limit, with the common store or, while that
// cannot be reached, with this replica's own share. Pure: what workers did and the time are
// arguments.
//
// A key is fresh or settled. A fresh one may admit a lease in debt. A settled one admits what it
// holds, which is charged in the store already. It becomes fresh again when it
// is idle and the store's bucket lacks no more than what is held here: time gave that back.
// Invariant: a replica has at most one lease of a key that the store does not know of. With n
// replicas no period has more requests than the limit and n − 1 leases: what one of them holds is
// missing from the bucket, and n leases are not more than the burst.
package import Balancer
package import Primitives

/// A question to the common store about one key.
package struct LeaseClaim: Sendable, Equatable {
  package let tag: UInt64
  /// The spent requests that the answer settles.
  package let spent: Int
  /// Requests that were admitted and are not charged yet.
  package let charge: Int
  /// Requests that shall be granted.
  package let ask: Int
}

/// What is changed in the bucket of a key.
package struct LeaseUpdate: Sendable, Equatable {
  package let tag: UInt64
  package let spent: Int
  package let grant: Int
  package let wait: Nanoseconds
}

/// The keys of one limit that are not full.
package struct LeaseLedger: Sendable {
  /// What is to be done for a key.
  package enum Step: Sendable, Equatable {
    case nothing
    /// The key becomes fresh.
    case forget
    /// The store is to be asked; `settle` or `lose` follows.
    case claim(LeaseClaim)
    case update(LeaseUpdate)
  }

  /// What is known of the other replicas and of the store.
  package struct Surroundings: Sendable {
    /// The replicas, this one included. At least 1.
    package var replicas: Int
    /// The store can be asked.
    package var isLinked: Bool

    package init(replicas: Int, isLinked: Bool) {
      self.replicas = replicas
      self.isLinked = isLinked
    }
  }

  private struct Entry {
    /// When the bucket is full, as it was told last: the store's, or this replica's own. The latest
    /// time, and how much earlier it may be, because the answer took so long.
    var fullAt = Nanoseconds.zero
    var slack = Nanoseconds.zero
    var askedAt = Nanoseconds.zero
    /// Nothing is earned before.
    var askAt = Nanoseconds.zero
    /// The present place in the queue of `due`.
    var wakeAt = Nanoseconds.zero
    /// The wait that was told last.
    var wait = Nanoseconds.zero
    /// The bucket is this replica's own.
    var isOwn = false
    var isAsked = false
    /// The requests of a look, those of former looks halved each time.
    var pace = 0
  }

  private struct Wake: HeapElement, Sendable {
    let time: Nanoseconds
    let tag: UInt64
    func isBefore(_ other: Wake) -> Bool { time < other.time }
  }

  package let rule: LeaseRule
  private var entries: [UInt64: Entry] = [:]
  private var wakes = BinaryHeap<Wake>()

  package init(_ rule: LeaseRule) { self.rule = rule }

  /// The number of keys that are not full.
  package var keyCount: Int { entries.count }

  /// The keys that have to be looked at although no worker touched them.
  package mutating func due(now: Nanoseconds) -> [UInt64] {
    var tags: [UInt64] = []
    while let first = wakes.first, first.time <= now {
      _ = wakes.popFirst()
      guard entries[first.tag]?.wakeAt == first.time else { continue }
      entries[first.tag]?.wakeAt = .zero
      tags.append(first.tag)
    }
    return tags
  }

  /// Looks at a key. `bucket` nil: its memory was given to another key.
  package mutating func look(
    _ tag: UInt64, _ bucket: SharedBucket?, now: Nanoseconds, _ around: Surroundings
  ) -> Step {
    guard let bucket, !bucket.isFree else {
      if entries[tag]?.isAsked != true { entries[tag] = nil }
      return .nothing
    }
    var entry = entries[tag] ?? Entry()
    // What was spent meanwhile is looked at again when the answer has come.
    guard !entry.isAsked else { return .nothing }
    let held = bucket.isSettled ? max(0, bucket.granted - bucket.spent) : 0
    let unpaid = bucket.isSettled ? max(0, bucket.spent - bucket.granted) : bucket.spent
    if !around.isLinked, !entry.isOwn { leaveStore(&entry, held: held, now: now, around) }
    let rule = account(isOwn: entry.isOwn, around)
    let deficit = rule.count(in: entry.fullAt - now)
    if bucket.isSettled, bucket.spent == 0, deficit <= Double(held) {
      entries[tag] = nil
      return .forget
    }
    // Time gave back what was held before it was spent: that is charged again.
    let charged = rule.count(in: entry.fullAt - entry.slack - now)
    let regained = min(bucket.spent, bucket.granted) + held - Int(charged.rounded(.down))
    let owed = unpaid + (bucket.isSettled ? max(0, regained) : 0)
    // What this replica's own bucket lacks is charged where the replicas meet again.
    let carried = entry.isOwn && around.isLinked ? Int(deficit.rounded(.up)) : 0
    entry.pace = max(bucket.spent + bucket.refused, entry.pace / 2)
    let target = holding(entry.pace, deficit: deficit + Double(owed), held: held, around)
    let missing = max(0, target - held)
    let isWorthIt = missing >= max(1, target / 4) || held == 0
    let ask = now >= entry.askAt || carried > 0 ? missing : 0
    guard owed + carried > 0 || (ask > 0 && isWorthIt) else {
      schedule(&entry, tag, held: held, isShort: isWorthIt && missing > 0, now: now, rule)
      entries[tag] = entry
      if bucket.spent + bucket.refused == 0 { return .nothing }
      return .update(LeaseUpdate(tag: tag, spent: bucket.spent, grant: 0, wait: entry.wait))
    }
    let claim = LeaseClaim(tag: tag, spent: bucket.spent, charge: owed + carried, ask: ask)
    entry.isAsked = true
    entry.askedAt = now
    if around.isLinked {
      entries[tag] = entry
      return .claim(claim)
    }
    let answer = rule.settle(fullAt: entry.fullAt, charge: owed, ask: ask, now: now)
    entries[tag] = entry
    return settle(claim, answer, held: held, isOwn: true, now: now, around).map(Step.update)
      ?? .nothing
  }

  /// Takes the store's answer. nil: the key is not known any more.
  package mutating func settle(
    _ claim: LeaseClaim, _ answer: LeaseAnswer, now: Nanoseconds, _ around: Surroundings
  ) -> LeaseUpdate? {
    settle(claim, answer, held: 0, isOwn: false, now: now, around)
  }

  /// The store did not answer: the claim is made again, to whoever can be asked then. If the store
  /// has charged it all the same, it is charged twice; what it granted is lost.
  package mutating func lose(_ claim: LeaseClaim, now: Nanoseconds) {
    guard var entry = entries[claim.tag] else { return }
    entry.isAsked = false
    wake(&entry, claim.tag, at: now)
    entries[claim.tag] = entry
  }

  // MARK: One key

  private mutating func settle(
    _ claim: LeaseClaim, _ answer: LeaseAnswer, held: Int, isOwn: Bool, now: Nanoseconds,
    _ around: Surroundings
  ) -> LeaseUpdate? {
    guard var entry = entries[claim.tag] else { return nil }
    entry.isAsked = false
    entry.isOwn = isOwn
    entry.fullAt = now + answer.untilFull
    entry.slack = now - entry.askedAt
    entry.askAt = now + answer.wait
    entry.wait = answer.wait
    schedule(
      &entry, claim.tag, held: held + answer.grant, isShort: answer.grant < claim.ask, now: now,
      account(isOwn: isOwn, around))
    entries[claim.tag] = entry
    return LeaseUpdate(
      tag: claim.tag, spent: claim.spent, grant: answer.grant, wait: answer.wait)
  }

  /// The store cannot be asked: this replica's own bucket lacks its part of what the store's lacks,
  /// and at least what is held.
  private func leaveStore(
    _ entry: inout Entry, held: Int, now: Nanoseconds, _ around: Surroundings
  ) {
    let own = rule.share(replicas: around.replicas)
    let part = rule.count(in: entry.fullAt - now) / Double(around.replicas)
    let deficit = min(Double(own.burst), max(Double(held), part))
    entry.isOwn = true
    entry.slack = .zero
    entry.fullAt = now + own.duration(of: deficit)
    entry.askAt = now
  }

  private func account(isOwn: Bool, _ around: Surroundings) -> LeaseRule {
    isOwn ? rule.share(replicas: around.replicas) : rule
  }

  /// How many requests the key shall hold: a fair part of what is left in the bucket, or what the
  /// replica is about to need of it, and never more than a lease.
  private func holding(
    _ pace: Int, deficit: Double, held: Int, _ around: Surroundings
  ) -> Int {
    let isAlone = !around.isLinked
    let lease = rule.lease(replicas: around.replicas)
    let size = Double(isAlone ? lease : rule.burst)
    let room = max(0, size - deficit + Double(held))
    return min(lease, max(2 * pace + 1, Int(room) / (isAlone ? 1 : around.replicas)))
  }

  private mutating func schedule(
    _ entry: inout Entry, _ tag: UInt64, held: Int, isShort: Bool, now: Nanoseconds,
    _ rule: LeaseRule
  ) {
    var time = entry.fullAt - rule.duration(of: Double(held))
    if isShort { time = min(time, entry.askAt) }
    wake(&entry, tag, at: max(now, time))
  }

  private mutating func wake(_ entry: inout Entry, _ tag: UInt64, at time: Nanoseconds) {
    guard entry.wakeAt != time else { return }
    entry.wakeAt = time
    wakes.insert(Wake(time: time, tag: tag))
  }
}
