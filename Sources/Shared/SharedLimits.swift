// Keeps the leases of all shared limits: in rounds, ten a second, it looks at the keys that workers
// touched, asks the common store about them in a few calls, and gives workers what was granted.
// While the store cannot be asked, every key is settled with this replica's own share.
// Invariant: workers never wait for this; every claim ends settled or lost.
package import Balancer
package import Fleet
package import IO
package import Primitives

package struct SharedLimits {
  /// One limit that is shared.
  package struct Limit: Sendable {
    /// The same at every replica.
    package let name: String
    package let rule: LeaseRule
    package let table: SharedTable

    package init(name: String, rule: LeaseRule, table: SharedTable) {
      self.name = name
      self.rule = rule
      self.table = table
    }
  }

  /// What a configuration wants: how the store is reached, and what is kept there.
  package struct Settings: Sendable, Equatable {
    package var link: RedisLink.Settings
    /// Of the names of keys, made of the secret.
    package var identity: UInt64

    package init(_ link: RedisLink.Settings, identity: UInt64) {
      self.link = link
      self.identity = identity
    }
  }

  private struct Ledger {
    let limit: Limit
    /// What its keys in the store begin with.
    let prefix: String
    var ledger: LeaseLedger
  }

  private struct Claim {
    let ledger: Int
    let claim: LeaseClaim
  }

  /// The time from one round to the next: 100 ms, and up to 20 ms more, so that replicas do not
  /// stay in step.
  private static let roundTime = Nanoseconds.milliseconds(100)
  private static let roundSpread = 20_000_000
  /// The longest time without a call: the store has to know that this replica is there.
  private static let presenceTime = Nanoseconds.seconds(1)
  /// The most calls that wait for an answer.
  private static let callsMax = 8

  private let tag: UInt32
  private let waker: Waker
  private var random: RandomSource
  /// Who this replica is to the store.
  private let replica: String
  private var settings: Settings?
  /// A configuration that is not followed yet.
  private var coming: (Settings?, [Limit])?
  private var link: RedisLink?
  private var ledgers: [Ledger] = []
  /// Claims that are not sent yet, and those of each call.
  private var waiting: [Claim] = []
  private var calls: [Int: [Claim]] = [:]
  private var nextCall = 0
  private var roundAt = Nanoseconds.zero
  private var calledAt = Nanoseconds.zero
  private var replicas = 1
  /// The server's clock less this machine's, µs; nil: not known on this connection.
  private var clockOffset: Int64?

  package var status = SharedStatus()

  /// Events of connections with `tag` are this driver's. `waker` is the control loop's. `seed` has
  /// to differ between replicas.
  package init(tag: UInt32, waker: Waker, seed: UInt64) {
    self.tag = tag
    self.waker = waker
    random = RandomSource(seed: seed)
    replica = String(random.next(), radix: 16)
  }

  /// When `turn` has something to do, events apart.
  package var nextDue: Nanoseconds {
    if coming != nil { return .zero }
    guard settings != nil else { return .distantFuture }
    return min(roundAt, link?.nextDue ?? .distantFuture)
  }

  /// Takes a configuration at the next `turn`; nil: nothing is shared. Limits that stay keep what
  /// is known of their keys.
  package mutating func apply(_ next: Settings?, _ limits: [Limit]) { coming = (next, limits) }

  private mutating func follow(_ next: Settings?, _ limits: [Limit], _ io: inout IOLoop) {
    loseCalls(now: io.now)
    if next != settings {
      link?.close(&io)
      link = next.map { RedisLink($0.link, tag: tag, waker: waker, seed: random.next()) }
      if next?.identity != settings?.identity { ledgers = [] }
      settings = next
      replicas = next?.link.policy.replicas ?? 1
      status = SharedStatus()
      status.isConfigured = next != nil
    }
    guard let next else {
      ledgers = []
      return
    }
    let known = ledgers
    ledgers = limits.map { limit in
      if let old = known.first(where: {
        $0.limit.table === limit.table && $0.limit.rule == limit.rule
      }) {
        return old
      }
      let hash = SipHash(next.identity, 0)
      let id = Array(limit.name.utf8).withUnsafeBytes { hash($0) }
      return Ledger(
        limit: limit, prefix: "\(next.link.policy.prefix)rate:\(String(id, radix: 16)):",
        ledger: LeaseLedger(limit.rule))
    }
    noteReplicas(replicas)
  }

  /// Handles an event of a connection with this driver's tag.
  package mutating func handle(
    _ event: IOEvent, _ io: inout IOLoop, context: (ClientTLS) -> ClientContext?
  ) {
    var replies: [(Int, RESPValue)] = []
    if link == nil {
      if io.isOpen(event.id) { io.close(event.id) }
      return
    }
    link?.handle(event, &io, context: context) { replies.append(($0, $1)) }
    for (number, reply) in replies { take(number, reply, &io) }
    noteLink(now: io.now)
  }

  /// Does what is due: the connection, a round, calls.
  package mutating func turn(_ io: inout IOLoop, context: (ClientTLS) -> ClientContext?) {
    if let (next, limits) = coming {
      coming = nil
      follow(next, limits, &io)
    }
    guard settings != nil else { return }
    link?.turn(&io, context: context)
    noteLink(now: io.now)
    if io.now >= roundAt {
      let spread = Int64(random.index(below: Self.roundSpread))
      roundAt = io.now + Self.roundTime + Nanoseconds(spread)
      look(now: io.now)
    }
    send(&io)
  }

  // MARK: Rounds

  private var isLinked: Bool { link?.isReady ?? false }

  private var around: LeaseLedger.Surroundings {
    LeaseLedger.Surroundings(replicas: replicas, isLinked: isLinked)
  }

  private mutating func look(now: Nanoseconds) {
    status.keyCount = 0
    for index in ledgers.indices {
      var tags = Set(ledgers[index].ledger.due(now: now))
      ledgers[index].limit.table.takeMarked { tag, _ in tags.insert(tag) }
      for tag in tags { look(index, tag, now: now) }
      status.keyCount += ledgers[index].ledger.keyCount
    }
  }

  private mutating func look(_ index: Int, _ tag: UInt64, now: Nanoseconds) {
    let table = ledgers[index].limit.table
    let bucket = table.bucket(of: tag)
    switch ledgers[index].ledger.look(tag, bucket, now: now, around) {
    case .nothing: break
    case .forget: if let bucket { table.forget(tag, bucket) }
    case .update(let update):
      if !isLinked { status.ownGrants += UInt64(update.grant) }
      apply(update, table)
    case .claim(let claim): waiting.append(Claim(ledger: index, claim: claim))
    }
  }

  private func apply(_ update: LeaseUpdate, _ table: SharedTable) {
    table.settle(update.tag, spent: update.spent, grant: update.grant, wait: update.wait)
  }

  private mutating func send(_ io: inout IOLoop) {
    guard isLinked, let policy = settings?.link.policy else { return }
    let mustShow = io.now >= calledAt + Self.presenceTime && calls.isEmpty
    while calls.count < Self.callsMax, !waiting.isEmpty || (mustShow && calls.isEmpty) {
      let claims = Array(waiting.prefix(LeaseScript.keysMax))
      waiting.removeFirst(claims.count)
      let items = claims.map {
        let ledger = ledgers[$0.ledger]
        return (
          key: ledger.prefix + String($0.claim.tag, radix: 16), rule: ledger.limit.rule,
          claim: $0.claim
        )
      }
      nextCall += 1
      calls[nextCall] = claims
      calledAt = io.now
      status.calls += 1
      let command = LeaseScript.command(
        replicas: policy.prefix + "replicas", replica: replica, deadline: deadline(now: io.now),
        items)
      link?.send(nextCall, command, &io)
    }
  }

  /// When nobody waits any more for the answer of a call, by the server's clock; 0: not known. A
  /// server that stood still does not carry out what it finds then.
  private func deadline(now: Nanoseconds) -> Int64 {
    guard let clockOffset, let timeout = settings?.link.policy.timeout else { return 0 }
    let last = now + timeout + (link?.roundTrip ?? .zero)
    return last.rawValue / 1_000 + clockOffset
  }

  // MARK: Answers

  private mutating func take(_ number: Int, _ value: RESPValue, _ io: inout IOLoop) {
    // A reload has given up the call.
    guard let claims = calls.removeValue(forKey: number) else { return }
    guard let reply = LeaseScript.reply(value, count: claims.count) else {
      calls[number] = claims
      lose(number, now: io.now)
      let failure =
        LeaseScript.isLate(value)
        ? RedisFailure(.timeout, "a call came too late, or the server's clock has changed")
        : RedisFailure(.protocolError, "an answer that is not the script's")
      link?.fail(failure, &io)
      return
    }
    clockOffset = reply.time - io.now.rawValue / 1_000
    noteReplicas(reply.replicas)
    status.roundTrip = link?.roundTrip
    for (claim, answer) in zip(claims, reply.answers) {
      status.grants += UInt64(answer.grant)
      let update = ledgers[claim.ledger].ledger.settle(
        claim.claim, answer, now: io.now, around)
      if let update { apply(update, ledgers[claim.ledger].limit.table) }
    }
  }

  private mutating func noteReplicas(_ count: Int) {
    replicas = count
    status.replicas = count
    for ledger in ledgers {
      ledger.limit.table.setShare(ledger.limit.rule.lease(replicas: count))
    }
  }

  private mutating func noteLink(now: Nanoseconds) {
    for number in link?.takeLost() ?? [] { lose(number, now: now) }
    for notice in link?.takeNotices() ?? [] { status.note(notice, now: now) }
    if let failures = link?.failures { status.failures = failures }
    status.isLinked = isLinked
    if !isLinked { clockOffset = nil }
    // Claims that were not sent are made again, to this replica's own buckets.
    if !isLinked, !waiting.isEmpty {
      for claim in waiting { ledgers[claim.ledger].ledger.lose(claim.claim, now: now) }
      waiting = []
    }
  }

  private mutating func lose(_ number: Int, now: Nanoseconds) {
    for claim in calls.removeValue(forKey: number) ?? [] {
      ledgers[claim.ledger].ledger.lose(claim.claim, now: now)
    }
  }

  private mutating func loseCalls(now: Nanoseconds) {
    for number in calls.keys.sorted() { lose(number, now: now) }
    for claim in waiting { ledgers[claim.ledger].ledger.lose(claim.claim, now: now) }
    waiting = []
  }
}
