// What a worker knows of a running exchange, apart from its connections: an idle connection has
// none. The exchange that ended last leaves its memory to the next one, which finds it in the
// cache; memory that no exchange has touched is not resident.
// Invariant: an identifier is valid from the beginning of its exchange to its end.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem
import Fleet
import HTTP
import IO
import Primitives

/// Which sides of a tunnel have ended.
struct TunnelEnds {
  var hasClientEnded = false
  var hasEndpointEnded = false
}

/// An endpoint's whole answer to an attempt that was made again, should no better one come.
struct KeptAnswer {
  var held = HeldBytes()
  var headCount: Int32 = 0
  var endpointIndex: Int32 = 0
  var status: Int16 = 0
  var closes = false
}

/// Which attempt's interim answers (RFC 9110 §15.2) the client was sent: those of one, whatever
/// comes of it.
enum InterimSource: UInt8 {
  case none, sent, sentBefore
}

/// A running exchange.
struct Exchange: ~Copyable {
  // Blank at the beginning of each.
  /// Where its request comes from.
  var client = ClientStream.none
  /// Where the running attempt's request goes; `.none` between two attempts.
  var upstream = EndpointStream.none
  var lease: InFlightLease?
  /// When the exchange is over in any case; mostly never.
  var endsAt = Nanoseconds.distantFuture
  var method = Method.other
  var minorVersion: UInt8 = 1
  var isPersistent = true
  /// The client offered another protocol, and the endpoint was told.
  var asksUpgrade = false
  /// A final response head was passed on.
  var hasResponse = false
  /// Content of it came: servers of streams send the head before they have anything to say.
  var hasContent = false
  /// The client is 1.0, the response chunked: only the content is passed on.
  var unwrapsChunks = false
  var closesAfter = false
  var isUpstreamPaused = false
  /// The exchange has a record for the access log.
  var isLogged = false
  /// The request may be made again, by its method or because its route says so.
  var isIdempotent = false
  /// The running attempt is a repeat.
  var isRepeat = false
  /// It waits for its next attempt, at the endpoint that failed.
  var isPausing = false
  /// Such waits so far.
  var pauseCount: Int8 = 0
  var interims = InterimSource.none
  /// Heads of interim answers in this attempt.
  var interimByteCount: Int32 = 0
  var tunnel = TunnelEnds()
  /// Why the running attempt is about to fail, where more is known than its local reason says.
  var failure: FailureReason?
  /// At most 7.
  var retriesLeft: Int8 = 0
  var status = 0
  /// What the answer asks for, where it refuses the request; else 0.
  var retryAfterSeconds: UInt16 = 0
  var contentCount = 0
  /// Who asks.
  var sender = ClientIdentity()
  var tried = TriedSet()
  var pickKey = PickKey()
  /// The trace that it belongs to; zeros where to none.
  var traceHigh: UInt64 = 0
  var traceLow: UInt64 = 0
  var admission = AdmissionState()
  /// An index into the present plan; nil before a route is chosen, and once the pool is gone.
  var pool: Int?
  var upload = UploadState()
  /// What was sent upstream, kept until a response begins or it no longer fits.
  var replay = Replay()
  var kept = KeptAnswer()

  // Written before it is read: with the head of the request, or that of the response.
  var request = ContentReader(.none)
  var response = ContentReader(.none)
  var startedAt = Nanoseconds.zero
  /// When the request had come, with the content that is waited for: its place in a queue. Until
  /// then, when content last came.
  var arrivedAt = Nanoseconds.zero
  /// When it was let in: with its begin, or at the end of its wait in the queue.
  var admittedAt = Nanoseconds.zero
  /// When the present endpoint was sent the request, or its connection was ready for it.
  var sentAt = Nanoseconds.zero
  var timeouts = ExchangeTimeouts()
  /// The route's limit of `contentCount`.
  var contentMax = 0
  var replayBytesMax = 0
  var pace = BodyPace(rate: nil)
}

/// A worker's exchanges. Each has room for two texts behind it.
struct ExchangeSlab: ~Copyable {
  /// Behind an exchange, before the texts. Zeros are its beginning.
  private struct Tail {
    /// Where no exchange runs: the index of the next free one + 1, 0 behind the last.
    var nextFree: Int32
    /// Odd while an exchange runs.
    var generation: UInt32
    /// Whose text is there; its count is 0 where there is none.
    var address: IPAddress
    var addressCount: Int
  }
  private static let tailStart = MemoryLayout<Exchange>.stride
  private static let addressStart = tailStart + MemoryLayout<Tail>.stride
  private static let requestIDStart = addressStart + 48
  private static let stride = (requestIDStart + RequestID.byteCountMax + 63) & ~63

  private let memory: UnsafeMutableRawPointer
  private let capacity: Int
  /// What every exchange is at its beginning, and how many bytes of that have to be so.
  private let blank: UnsafeMutablePointer<Exchange>
  private let blankByteCount: Int
  /// The index of the exchange that ended last + 1; 0 where all that were ever begun run.
  private var firstFree: Int32 = 0
  /// Exchanges that lie in memory that was touched.
  private var usedCount = 0

  init(capacity: Int) {
    self.capacity = capacity
    guard let memory = sy_map((capacity + 1) * Self.stride) else {
      fatalError("out of memory for \(capacity) exchanges")
    }
    self.memory = memory
    blank = (memory + capacity * Self.stride).bindMemory(to: Exchange.self, capacity: 1)
    blank.initialize(to: Exchange())
    let end = withUnsafeMutablePointer(to: &blank.pointee.request) { UnsafeRawPointer($0) }
    blankByteCount = end - UnsafeRawPointer(blank)
  }

  deinit { sy_unmap(memory, (capacity + 1) * Self.stride) }

  /// The exchange's state. Requires: it runs.
  @inline(__always)
  subscript(id: ExchangeID) -> UnsafeMutablePointer<Exchange> {
    let exchange = pointer(id.index)
    assert(Self.tail(of: exchange).pointee.generation == id.generation, "the exchange is over")
    return exchange
  }

  /// Whether the exchange has not ended yet.
  func isRunning(_ id: ExchangeID) -> Bool {
    Self.tail(of: pointer(id.index)).pointee.generation == id.generation
  }

  /// The exchange that runs at the index. Requires: one does.
  func id(at index: Int) -> ExchangeID {
    ExchangeID(index: index, generation: Self.tail(of: pointer(index)).pointee.generation)
  }

  /// Begins an exchange with nothing of another one in it. Requires: fewer than `capacity` run.
  mutating func begin() -> ExchangeID {
    let index: Int
    if firstFree > 0 {
      index = Int(firstFree) - 1
      firstFree = Self.tail(of: pointer(index)).pointee.nextFree
    } else {
      precondition(usedCount < capacity, "an exchange was not ended")
      index = usedCount
      usedCount += 1
      (memory + index * Self.stride).bindMemory(to: Exchange.self, capacity: 1)
        .initialize(to: Exchange())
    }
    let exchange = pointer(index)
    // The blank one has no lease: there is nothing in it that must not be copied.
    UnsafeMutableRawPointer(exchange).copyMemory(from: blank, byteCount: blankByteCount)
    let tail = Self.tail(of: exchange)
    tail.pointee.generation &+= 1
    return ExchangeID(index: index, generation: tail.pointee.generation)
  }

  /// Requires: it runs, and holds no lease and no block any more.
  mutating func end(_ id: ExchangeID) {
    let tail = Self.tail(of: self[id])
    tail.pointee.generation &+= 1
    tail.pointee.nextFree = firstFree
    firstFree = Int32(truncatingIfNeeded: id.index + 1)
  }

  @inline(__always)
  private func pointer(_ index: Int) -> UnsafeMutablePointer<Exchange> {
    (memory + index * Self.stride).assumingMemoryBound(to: Exchange.self)
  }

  /// The address as text; made only where it is not there from an earlier exchange.
  static func text(
    of address: IPAddress, in exchange: UnsafeMutablePointer<Exchange>
  ) -> UnsafeRawBufferPointer {
    let tail = tail(of: exchange)
    let room = UnsafeMutableRawPointer(exchange) + addressStart
    if tail.pointee.address != address || tail.pointee.addressCount == 0 {
      tail.pointee.address = address
      tail.pointee.addressCount = address.write(to: room)
    }
    return UnsafeRawBufferPointer(start: room, count: tail.pointee.addressCount)
  }

  /// `RequestID.byteCountMax` bytes.
  static func requestIDRoom(_ exchange: UnsafeMutablePointer<Exchange>) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(exchange) + requestIDStart
  }

  private static func tail(of exchange: UnsafeMutablePointer<Exchange>) -> UnsafeMutablePointer<
    Tail
  > {
    (UnsafeMutableRawPointer(exchange) + tailStart).assumingMemoryBound(to: Tail.self)
  }
}
