// Bounds the bytes that a worker holds: bytes that peers do not take, and heads and contents that
// are incomplete. Invariant: beyond the bound, the clients that hold most are cut, and those that
// read nothing are cut first.
// HOT PATH: no allocation, no lock, no existential.
import Fleet
import IO
import Primitives

extension Worker where Loop: ~Copyable {
  /// The interval at which incomplete heads and contents are summed while the sum may exceed the
  /// bound, and at which clients to cut are searched again after a search that freed too little.
  private static var recheckBuffers: Nanoseconds { .milliseconds(100) }
  /// A client that has been behind for less than this time may only be slow.
  private static var behindTimeMin: Nanoseconds { .milliseconds(250) }
  private static var pageBytes: Int { 4_096 }

  /// Bytes in whole blocks: those that wait to be sent and those that are kept for retries.
  var queuedByteCount: Int {
    @inline(__always) mutating get { io.queuedByteCount + replays.byteCount }
  }

  /// Called after an event. Cuts clients if more bytes wait to be sent than allowed.
  @inline(__always)
  mutating func boundQueues() {
    if queuedByteCount > bufferedBytesMax, io.now >= buffersDueAt {
      cutLargest(excess: queuedByteCount - bufferedBytesMax)
    }
  }

  /// Called at the end of a turn. Includes incomplete heads and contents, whose size is known only
  /// by walking the connections, because a block may be partly filled.
  mutating func boundBuffers() {
    context.metrics.room.set(worker: workerIndex, .bufferedBytes, UInt64(queuedByteCount))
    guard queuedByteCount + blocks.usedByteCount > bufferedBytesMax, io.now >= buffersDueAt
    else { return }
    buffersDueAt = io.now + Self.recheckBuffers
    var sum = queuedByteCount
    for index in 0..<io.capacity {
      if let id = client(at: index) { sum += heldByteCount(id) }
    }
    if sum > bufferedBytesMax { cutLargest(excess: sum - bufferedBytesMax) }
  }

  /// Cuts clients until `excess` bytes and an eighth of the bound are free.
  private mutating func cutLargest(excess: Int) {
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

  /// Cuts clients that hold at least `least` bytes, in index order. Returns the bytes left to free.
  private mutating func cut(holding least: Int, until left: Int, sparesReaders: Bool) -> Int {
    var left = left
    for index in 0..<io.capacity where left > 0 {
      guard let id = client(at: index) else { continue }
      let count = bufferedByteCount(id)
      guard count >= least, !(sparesReaders && isReading(id)) else { continue }
      left -= count
      cutClient(id)
    }
    return left
  }

  private mutating func cutClient(_ id: ClientID) {
    context.metrics.room.count(worker: workerIndex, .bufferCuts)
    switch slab.downstream[id.index].phase {
    case .tunnel: cutTunnel(exchangeID(id))
    case .exchange:
      io.resetOnClose(id.connection)
      abortExchange(exchangeID(id), .abandoned, code: .canceled)
    case .preface, .head, .lingering, .closing, .multiplexed:
      io.resetOnClose(id.connection)
      closeDownstream(id)
    }
  }

  /// Whether the client has fallen behind only a moment ago, or has taken some bytes since then.
  /// Makes a system call.
  private mutating func isReading(_ id: ClientID) -> Bool {
    guard io.unsentByteCount(id.connection) > 0 else { return false }
    let timeout = plan.listener(io.tag(id.connection))?.sendTimeout ?? .seconds(60)
    return io.deadline(id.connection) > io.now + timeout - Self.behindTimeMin
      || io.untakenByteCount(id.connection) < slab.downstream[id.index].untakenNoted
  }

  // MARK: The memory of a client

  /// The memory that is held for the client and its exchange, in bytes.
  private mutating func bufferedByteCount(_ id: ClientID) -> Int {
    var count = heldByteCount(id) + blocksOf(io.unsentByteCount(id.connection))
    guard slab.downstream[id.index].exchange != .none else { return count }
    let exchange = exchanges[exchangeID(id)]
    let upstream = exchange.pointee.upstream.connection
    if upstream != .none { count += blocksOf(io.unsentByteCount(upstream.connection)) }
    return count + replays.byteCount(of: exchange.pointee.replay)
  }

  /// The memory of incomplete heads and contents: the touched pages of their blocks, in bytes.
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
