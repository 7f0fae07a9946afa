// A bound for all bytes that a worker holds for peers that do not take them, or that are not whole
// yet. Beyond it the clients that hold most are cut, those first that take nothing.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// How often held heads and contents are summed up where they might be too much together, and
  /// clients are looked for where cutting did not help.
  private static var recheckBuffers: Nanoseconds { .milliseconds(100) }
  /// Who has been behind for less than this may only be slow.
  private static var slack: Nanoseconds { .milliseconds(250) }
  private static var pageBytes: Int { 4_096 }

  /// Bytes in whole blocks that wait to be sent, or are kept for repeats.
  var queuedByteCount: Int {
    @inline(__always) mutating get { io.queuedByteCount + replays.byteCount }
  }

  /// After an event: no more waits to be sent than may.
  @inline(__always)
  mutating func boundQueues() {
    if queuedByteCount > bufferedBytesMax, io.now >= buffersDueAt {
      cutHungriest(excess: queuedByteCount - bufferedBytesMax)
    }
  }

  /// At the end of a turn: counts heads and contents that are not whole too, of which blocks alone
  /// do not say how full they are.
  mutating func boundBuffers() {
    context.metrics.room.set(worker: workerIndex, .bufferedBytes, UInt64(queuedByteCount))
    guard queuedByteCount + blocks.usedByteCount > bufferedBytesMax, io.now >= buffersDueAt
    else { return }
    buffersDueAt = io.now + Self.recheckBuffers
    var sum = queuedByteCount
    for index in 0..<io.capacity {
      if let id = client(at: index) { sum += heldByteCount(id) }
    }
    if sum > bufferedBytesMax { cutHungriest(excess: sum - bufferedBytesMax) }
  }

  /// Cuts clients until so much and an eighth of the bound are free.
  private mutating func cutHungriest(excess: Int) {
    var most = 0
    for index in 0..<io.capacity {
      if let id = client(at: index) { most = max(most, bufferedByteCount(id)) }
    }
    var left = excess + bufferedBytesMax / 8
    let least = max(1, most / 2)
    left = cut(holding: least, until: left, sparesReaders: true)
    left = cut(holding: least, until: left, sparesReaders: false)
    if left > excess { buffersDueAt = io.now + Self.recheckBuffers }
  }

  /// Cuts clients that hold so much, in the order of their places. Returns what is left to free.
  private mutating func cut(holding least: Int, until left: Int, sparesReaders: Bool) -> Int {
    var left = left
    for index in 0..<io.capacity where left > 0 {
      guard let id = client(at: index) else { continue }
      let count = bufferedByteCount(id)
      guard count >= least, !(sparesReaders && isReading(id)) else { continue }
      left -= count
      cutHungry(id)
    }
    return left
  }

  private mutating func cutHungry(_ id: ClientID) {
    context.metrics.room.count(worker: workerIndex, .bufferCuts)
    switch slab.downstream[id.index].phase {
    case .tunnel: cutTunnel(exchangeID(id))
    case .exchange:
      io.resetOnClose(id.connection)
      abortExchange(exchangeID(id), .abandoned, code: .canceled)
    case .preface, .head, .lingering, .closing:
      io.resetOnClose(id.connection)
      closeDownstream(id)
    }
  }

  /// It has fallen behind a moment ago, or has taken some of what it was sent since then. A system
  /// call.
  private mutating func isReading(_ id: ClientID) -> Bool {
    guard io.unsentByteCount(id.connection) > 0 else { return false }
    let timeout = plan.listener(io.tag(id.connection))?.sendTimeout ?? .seconds(60)
    return io.deadline(id.connection) > io.now + timeout - Self.slack
      || io.untakenByteCount(id.connection) < slab.downstream[id.index].untakenNoted
  }

  // MARK: What a client holds

  /// All that is held for the client and its exchange, in bytes of memory.
  private mutating func bufferedByteCount(_ id: ClientID) -> Int {
    var count = heldByteCount(id) + blocksOf(io.unsentByteCount(id.connection))
    guard slab.downstream[id.index].exchange != .none else { return count }
    let exchange = exchanges[exchangeID(id)]
    let upstream = exchange.pointee.upstream.connection
    if upstream != .none { count += blocksOf(io.unsentByteCount(upstream.connection)) }
    return count + replays.byteCount(of: exchange.pointee.replay)
  }

  /// Heads and contents in blocks, as far as they are touched.
  private mutating func heldByteCount(_ id: ClientID) -> Int {
    var count = pages(slab.downstream[id.index].input)
    guard slab.downstream[id.index].exchange != .none else { return count }
    let exchange = exchanges[exchangeID(id)]
    count += pages(exchange.pointee.replay.first) + pages(exchange.pointee.kept.held)
    let upstream = exchange.pointee.upstream.connection
    if upstream != .none { count += pages(slab.upstream[upstream.index].input) }
    return count
  }

  private mutating func pages(_ held: HeldBytes) -> Int {
    (held.end + Self.pageBytes - 1) / Self.pageBytes * Self.pageBytes
  }

  private mutating func blocksOf(_ byteCount: Int) -> Int {
    (byteCount + IOLoop.outputBlockBytes - 1) / IOLoop.outputBlockBytes * IOLoop.outputBlockBytes
  }
}
