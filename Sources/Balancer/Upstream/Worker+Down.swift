// Requests in flight at an endpoint that is found down. Requests that may be repeated are sent to
// another endpoint at once; the others end after a grace period in which the endpoint sent nothing.
// Invariant: a worker walks its exchanges once for each verdict and once for each end of a grace
// period.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import IO
import Primitives

/// The endpoints that one worker knows to be down, by endpoint index.
struct DownEndpoints {
  /// The time when the endpoint was found down; `.distantFuture`: it is not down.
  private(set) var since: [Nanoseconds]
  /// The grace period; nil: exchanges in flight keep their own timeouts.
  private(set) var endAfter: [Nanoseconds?]
  /// The time when exchanges may have to be ended; `.distantFuture`: none has to be.
  var endsAt = Nanoseconds.distantFuture

  init(endpointLimit: Int) {
    since = [Nanoseconds](repeating: .distantFuture, count: endpointLimit)
    endAfter = [Nanoseconds?](repeating: nil, count: endpointLimit)
  }

  func isDown(_ endpointIndex: Int) -> Bool { since[endpointIndex] != .distantFuture }

  /// Takes a verdict on an endpoint. Returns true if the endpoint was not down before.
  mutating func take(
    _ endpointIndex: Int, isDown: Bool, endAfter grace: Nanoseconds?, now: Nanoseconds
  ) -> Bool {
    guard isDown else {
      since[endpointIndex] = .distantFuture
      return false
    }
    endAfter[endpointIndex] = grace
    guard since[endpointIndex] == .distantFuture else { return false }
    since[endpointIndex] = now
    return true
  }

  /// Moves all times by `pause`, during which the process was stopped.
  mutating func postpone(by pause: Nanoseconds) {
    for endpointIndex in since.indices where isDown(endpointIndex) {
      since[endpointIndex] = since[endpointIndex] + pause
    }
    if endsAt != .distantFuture { endsAt = endsAt + pause }
  }
}

extension Worker where Loop: ~Copyable {
  /// Takes the table's verdicts on its endpoints. The verdict on an endpoint that was removed
  /// stays, because exchanges may still run there.
  mutating func takeVerdicts(_ table: WeightTable) {
    var isNew = false
    for endpointIndex in table.rows.indices {
      guard let isDown = table.rows[endpointIndex]?.isDown,
        let endpoint = plan.endpoints[endpointIndex],
        isDown || down.isDown(endpointIndex)
      else { continue }
      let grace = plan.pools[endpoint.pool].endAfter
      if down.take(endpointIndex, isDown: isDown, endAfter: grace, now: io.now) { isNew = true }
    }
    guard isNew else { return }
    down.endsAt = io.now
    for index in 0..<io.capacity {
      guard let id = exchange(at: index), slab.downstream[index].phase == .exchange,
        let endpointIndex = exchanges[id].pointee.lease?.endpointIndex,
        down.since[endpointIndex] == io.now
      else { continue }
      repeatElsewhere(id, endpointIndex)
    }
  }

  /// Repeats the request at another endpoint if that is safe and one is available. Otherwise the
  /// attempt goes on.
  private mutating func repeatElsewhere(_ id: ExchangeID, _ endpointIndex: Int) {
    let state = exchanges[id]
    let upstream = state.pointee.upstream.connection
    guard !state.pointee.machine.hasAnswer, upstream != .none, let pool = state.pointee.pool,
      state.pointee.retriesLeft > 0, isKept(id)
    else { return }
    let isUnsent = slab.upstream[upstream.index].phase == .connecting
    guard isUnsent || state.pointee.isIdempotent,
      plan.pools[pool].picker.hasOther(
        load: leases.load, tried: state.pointee.tried, room: room(pool)),
      mayRepeat(id, isUnsent ? .unsent : .down, endpointIndex)
    else { return }
    // The health check has already judged the endpoint, so the attempt is not counted against it.
    releaseAttempt(id, .abandoned)
    state.pointee.isRepeat = true
    attempt(id)
  }

  /// Ends the exchanges whose grace period has expired, and sets the time of the next check.
  mutating func endAtDownEndpoints() {
    down.endsAt = .distantFuture
    for index in 0..<io.capacity {
      guard let id = exchange(at: index),
        let endpointIndex = exchanges[id].pointee.lease?.endpointIndex,
        down.isDown(endpointIndex), let grace = down.endAfter[endpointIndex],
        exchanges[id].pointee.upstream != .none
      else { continue }
      let exchange = exchanges[id]
      let lastEvidenceAt = slab.upstream[exchange.pointee.upstream.connection.index].lastEvidenceAt
      // The endpoint's bytes may still be on their way to a slow client.
      let isClientBehind =
        exchange.pointee.machine.isReaderBehind
        || exchange.pointee.machine.hasAnswer && untakenByteCount(clientStream(id)) > 0
      let due = (isClientBehind ? io.now : max(down.since[endpointIndex], lastEvidenceAt)) + grace
      if io.now < due {
        down.endsAt = min(down.endsAt, due)
      } else if slab.downstream[index].phase == .tunnel {
        cutTunnel(id)
      } else if exchange.pointee.machine.hasAnswer {
        abortExchange(id, .failed(.timeout), code: .truncated)
      } else {
        let upstream = exchange.pointee.upstream.connection.index
        attemptFailed(
          id, .endpointDown, isUnsent: slab.upstream[upstream].phase == .connecting)
      }
    }
  }
}
