// The state of a worker's running exchanges, separate from its connections: an idle connection has
// no exchange. The next exchange reuses the memory of the one that ended last, which is still in
// the cache; memory that no exchange has touched is not resident.
// Invariant: an identifier is valid from the beginning of its exchange to its end.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem
import Fleet
import HTTP
import IO
import Primitives

/// The complete answer to a failed attempt, kept in case no later attempt gets a better one.
struct KeptAnswer {
  var held = HeldBytes()
  var headCount: Int32 = 0
  var endpointIndex: Int32 = 0
  var status: Int16 = 0
  var closes = false
}

/// The attempt whose interim answers (RFC 9110 §15.2) the client was sent: those of one attempt
/// only, whatever its result.
enum InterimSource: UInt8 {
  case none, sent, sentBefore
}

/// A running exchange.
struct Exchange: ~Copyable {
  // Blank at the beginning of each exchange.
  /// The phase of the exchange.
  var machine = ExchangeMachine()
  /// The stream that the request comes from.
  var client = ClientStream.none
  /// The stream that the running attempt's request is sent on; `.none` between two attempts.
  var upstream = EndpointStream.none
  var lease: InFlightLease?
  /// The timers that are set.
  var timers = ExchangeTimers()
  var method = Method.other
  var version = HTTPVersion.http11
  var isPersistent = true
  /// The request is a call of gRPC.
  var isGRPC = false
  /// The attempts of a call before the running one.
  var callRepeats: UInt8 = 0
  /// Steelyard tells the endpoint of them.
  var hasRepeatsField = false
  /// The end of the time that the client of a call gives; `.distantFuture`: it gives any.
  var callEndsAt = Nanoseconds.distantFuture
  /// The client offered another protocol, and the offer was passed to the endpoint.
  var asksUpgrade = false
  /// Content of the response was received. Streaming servers send the head before they have any
  /// content.
  var hasContent = false
  /// The client speaks HTTP/1.0 and the response is chunked: only the content is passed on.
  var unwrapsChunks = false
  var closesAfter = false
  /// The exchange has a record for the access log.
  var isLogged = false
  /// The request may be repeated, by its method or because its route says so.
  var isIdempotent = false
  /// The running attempt is a retry.
  var isRepeat = false
  /// The number of pauses before attempts so far.
  var pauseCount: Int8 = 0
  var interims = InterimSource.none
  /// Bytes of interim answers in this attempt.
  var interimByteCount: Int32 = 0
  /// The reason why the running attempt is about to fail, if it is more precise than the local
  /// reason.
  var failure: FailureReason?
  /// The number of retries that the exchange may still make, at most 7.
  var retriesLeft: Int8 = 0
  var status = 0
  /// The `Retry-After` of an answer that refuses the request; otherwise 0.
  var retryAfterSeconds: UInt16 = 0
  var contentCount = 0
  /// The client's identity.
  var sender = ClientIdentity()
  var tried = TriedSet()
  var pickKey = PickKey()
  /// The trace that the exchange belongs to; zeros: none.
  var traceHigh: UInt64 = 0
  var traceLow: UInt64 = 0
  var admission = AdmissionState()
  /// An index into the present plan; nil before a route is chosen, and after the pool was removed.
  var pool: Int?
  var upload = UploadState()
  /// The request bytes sent to the endpoint, kept until a response begins or the limit is
  /// exceeded.
  var replay = Replay()
  var kept = KeptAnswer()

  // Written before it is read: with the head of the request, or with that of the response.
  var request = ContentReader(.none)
  var response = ContentReader(.none)
  var startedAt = Nanoseconds.zero
  /// The time when the request was received, with the content that is buffered before a pick; it
  /// determines the order in the queue. Until then: the time when content was last received.
  var arrivedAt = Nanoseconds.zero
  /// The time when the exchange was admitted: at its beginning, or at the end of its wait in the
  /// queue.
  var admittedAt = Nanoseconds.zero
  /// The time when the request was sent to the present endpoint, or when its connection was ready
  /// for it.
  var sentAt = Nanoseconds.zero
  var timeouts = ExchangeTimeouts()
  /// The route's limit of `contentCount`.
  var contentMax = 0
  var replayBytesMax = 0
  var pace = BodyPace(rate: nil)
}

/// The exchanges of a worker. Each is followed by room for two texts.
struct ExchangeSlab: ~Copyable {
  /// The part after an exchange and before the texts. All zeros at first.
  private struct Tail {
    /// If no exchange runs here: the index of the next free one + 1, 0 for the last.
    var nextFree: Int32
    /// Odd while an exchange runs.
    var generation: UInt32
    /// The address whose text is stored; `count` 0: none is.
    var address: IPAddress
    var addressCount: Int
  }
  private static let tailStart = MemoryLayout<Exchange>.stride
  private static let addressStart = tailStart + MemoryLayout<Tail>.stride
  private static let requestIDStart = addressStart + 48
  private static let stride = (requestIDStart + RequestID.byteCountMax + 63) & ~63

  private let memory: UnsafeMutableRawPointer
  private let capacity: Int
  /// The state of every exchange at its beginning, and the number of its bytes that have to be
  /// copied.
  private let blank: UnsafeMutablePointer<Exchange>
  private let blankByteCount: Int
  /// The index of the exchange that ended last + 1; 0: all exchanges that ever began are running.
  private var firstFree: Int32 = 0
  /// The number of exchanges whose memory was touched.
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

  /// The exchange's state. Requires: it is running.
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

  /// The identifier of the exchange at the index. Requires: one is running there.
  func id(at index: Int) -> ExchangeID {
    ExchangeID(index: index, generation: Self.tail(of: pointer(index)).pointee.generation)
  }

  /// Begins an exchange with blank state. Requires: fewer than `capacity` are running.
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
    // The blank state has no lease: it holds nothing that must not be copied.
    UnsafeMutableRawPointer(exchange).copyMemory(from: blank, byteCount: blankByteCount)
    let tail = Self.tail(of: exchange)
    tail.pointee.generation &+= 1
    return ExchangeID(index: index, generation: tail.pointee.generation)
  }

  /// Ends an exchange. Requires: it is running, and holds no lease and no block any more.
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

  /// The address as text. The text is made only if an earlier exchange has not left it here.
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

  /// Room for `RequestID.byteCountMax` bytes.
  static func requestIDRoom(_ exchange: UnsafeMutablePointer<Exchange>) -> UnsafeMutableRawPointer {
    UnsafeMutableRawPointer(exchange) + requestIDStart
  }

  private static func tail(of exchange: UnsafeMutablePointer<Exchange>) -> UnsafeMutablePointer<
    Tail
  > {
    (UnsafeMutableRawPointer(exchange) + tailStart).assumingMemoryBound(to: Tail.self)
  }
}
