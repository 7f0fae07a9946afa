// Admission: connections per client, rate limits, and the permits of a pool's queue. Invariant: an
// exchange holds a permit from its admission to its end, and an endpoint's slot from the pick to
// the end of the attempt. Whoever gives one back admits the next exchange at the end of the turn.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import HTTP
import IO
import Primitives

/// The permits that an exchange holds, and its position in a queue.
struct AdmissionState {
  private var queueIndex: Int32 = -1
  private var occupiedSlot: Int32 = -1
  private var levelIndex: Int8 = 0
  /// The exchange was admitted before. It is counted once.
  var isAdmitted = false
  /// The exchange holds a permit of the pool.
  var holdsPermit = false

  /// The index of the pool's queue; −1: none.
  var queue: Int {
    get { Int(queueIndex) }
    set { queueIndex = Int32(truncatingIfNeeded: newValue) }
  }
  var level: Int {
    get { Int(levelIndex) }
    set { levelIndex = Int8(truncatingIfNeeded: newValue) }
  }
  /// The index of the endpoint of which the exchange occupies a slot; −1: none.
  var occupied: Int {
    get { Int(occupiedSlot) }
    set { occupiedSlot = Int32(truncatingIfNeeded: newValue) }
  }
}

extension Worker where Loop: ~Copyable {
  /// The interval at which waiting exchanges are checked for room without a wake-up, as a safety
  /// net.
  static var recheckInterval: Nanoseconds { .milliseconds(50) }

  // MARK: Connections

  /// Counts a new connection for its client. Returns false if the client has too many; the
  /// connection is then refused.
  mutating func admitConnection(_ id: ClientID) -> Bool {
    guard let clients = context.admission.clients else { return true }
    let index = id.index
    // The connections of a trusted proxy belong to many clients.
    let peer = slab.downstream[index].peer
    if plan.listener(io.tag(id.connection))?.trustedProxies.contain(peer) == true { return true }
    guard let room = scratch.baseAddress else { return true }
    let text = UnsafeRawBufferPointer(start: room, count: peer.write(to: room))
    switch clients.enter(ClientNetwork.hash(text, context.admission.hash)) {
    case .entered(let cell): slab.downstream[index].clientCell = cell
    case .uncounted: break
    case .refused:
      context.metrics.countLocal(worker: workerIndex, .tooManyConnections)
      // A client that speaks TLS could not read it.
      if plan.tls(io.tag(id.connection)) != nil {
        closeDownstream(id)
        return false
      }
      var writer = ByteWriter(scratch)
      LocalReason.tooManyConnections.write(
        to: &writer, date: date.current(turn: turn), isHead: false, closes: true, retryAfter: 1)
      io.send(id.connection, writer.written)
      closeDownstream(id)
      return false
    }
    return true
  }

  /// Subtracts a closed connection from its client's count.
  mutating func leaveClient(_ id: ClientID) {
    let cell = slab.downstream[id.index].clientCell
    guard cell >= 0 else { return }
    slab.downstream[id.index].clientCell = -1
    context.admission.clients?.leave(cell)
  }

  // MARK: Rate limits

  /// Takes a token of each rate limit of the route and its pool. nil: the request may proceed.
  /// Otherwise the seconds until it may be tried again; no token was taken.
  mutating func rateLimitWait(
    _ id: ExchangeID, _ route: Int, _ head: RequestHead, _ fields: FieldTable
  ) -> Int? {
    let count = limitCount(route)
    for step in 0..<count {
      let limit = plan.limits[limitIndex(route, step)]
      let hash = keyHash(limit, id, head, fields)
      guard let wait = limit.buckets.take(hash, limit.rule, now: io.now, worker: workerIndex) else {
        continue
      }
      // A refused request takes no token of any limit.
      for earlier in 0..<step {
        let limit = plan.limits[limitIndex(route, earlier)]
        limit.buckets.giveBack(keyHash(limit, id, head, fields), limit.rule)
      }
      limit.buckets.note(.limited, worker: workerIndex)
      return max(1, Int((wait.rawValue + 999_999_999) / 1_000_000_000))
    }
    for step in 0..<count {
      plan.limits[limitIndex(route, step)].buckets.note(.allowed, worker: workerIndex)
    }
    return nil
  }

  private mutating func limitCount(_ route: Int) -> Int {
    plan.routes[route].limits.count + poolLimits(route).count
  }

  private mutating func limitIndex(_ route: Int, _ step: Int) -> Int {
    let ofRoute = plan.routes[route].limits
    if step < ofRoute.count { return ofRoute.lowerBound + step }
    return poolLimits(route).lowerBound + step - ofRoute.count
  }

  private mutating func poolLimits(_ route: Int) -> Range<Int> {
    let pool = plan.routes[route].pool
    return pool >= 0 ? plan.pools[pool].limits : 0..<0
  }

  private mutating func keyHash(
    _ limit: PlannedLimit, _ id: ExchangeID, _ head: RequestHead,
    _ fields: FieldTable
  ) -> UInt64 {
    let hash = limit.hash
    switch limit.key {
    case .all: return 1
    case .clientIP: return ClientNetwork.hash(clientText(id), hash)
    case .path:
      return hash(UnsafeRawBufferPointer(rebasing: fields.bytes[head.targetStart..<head.pathEnd]))
    // Requests without a certificate share one key.
    case .clientCertificate(let part):
      let shown = io.clientCertificate(clientID(id).connection)
      let text = part == .subject ? shown?.subject : shown?.names
      return hash(text ?? UnsafeRawBufferPointer(start: nil, count: 0))
    case .header:
      // Requests without the field, or with several, share one key. Otherwise a second field would
      // give a client a bucket of its own.
      guard case .one(let value) = fields.find(limit.header) else {
        return hash(UnsafeRawBufferPointer(start: nil, count: 0))
      }
      return hash(value)
    }
  }
}
