// What a worker knows of each of its connections, by the loop's index: a downstream one with its
// exchange, or an upstream one. Structs in a slab, touched only by their worker.
import Fleet
import HTTP
import IO
import Primitives

/// A block of memory with bytes in `start..<end`.
struct HeldBytes {
  var block: UnsafeMutableRawPointer?
  var start = 0
  var end = 0

  var isEmpty: Bool { start == end }
  var bytes: UnsafeRawBufferPointer {
    guard let block else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(start: block + start, count: end - start)
  }
}

enum DownstreamPhase: UInt8 {
  /// Before a PROXY header is complete.
  case preface
  /// Between exchanges, or in the middle of a head.
  case head
  case exchange
  /// The protocol was changed: bytes go both ways.
  case tunnel
  /// Answered; what still comes is thrown away until the client closes (RFC 9112 §9.6).
  case lingering
  /// Answered; closes once everything is sent.
  case closing
}

enum UpstreamPhase: UInt8 {
  case connecting, head, content, tunnel, idle
}

/// Which sides of a tunnel have ended.
struct TunnelEnds {
  var hasClientEnded = false
  var hasEndpointEnded = false
}

struct Downstream: ~Copyable {
  var phase = DownstreamPhase.head
  /// The beginning of a head, or what came after the running request.
  var input = HeldBytes()
  var hasDeadlineForHead = false
  var client = ClientIdentity()
  /// Where the client's connections are counted, −1 where they are not.
  var clientCell: Int32 = -1

  // The exchange.
  var upstream = ConnectionID.none
  var lease: InFlightLease?
  var method = Method.other
  var minorVersion: UInt8 = 1
  var isPersistent = true
  /// The client offered another protocol, and the endpoint was told.
  var asksUpgrade = false
  var tunnel = TunnelEnds()
  var pace = BodyPace(rate: nil)
  var request = ContentReader(.none)
  var response = ContentReader(.none)
  var contentCount = 0
  /// The route's limit of it.
  var contentMax = 0
  /// A final response head was passed on.
  var hasResponse = false
  var status = 0
  /// The client is 1.0, the response chunked: only the content is passed on.
  var unwrapsChunks = false
  var closesAfter = false
  var isUpstreamPaused = false
  var startedAt = Nanoseconds.zero
  var timeouts = ExchangeTimeouts()
  /// When the exchange is over in any case; mostly never.
  var endsAt = Nanoseconds.distantFuture
  /// Bytes not taken when a deadline for sending was set: fewer at that deadline are progress.
  var untakenNoted = 0
  /// What was sent upstream, kept until a response begins or it no longer fits.
  var replay = Replay()
  var replayBytesMax = 0
  /// An endpoint's whole answer to an attempt that was made again, should no better one come.
  var kept = HeldBytes()
  var keptStatus = 0
  var keptSlot = 0
  var keptHeadCount = 0
  var keptCloses = false
  /// An index into the plan of `fleetRevision`; of no use with another.
  var pool = 0
  var fleetRevision: UInt64 = 0
  var retriesLeft = 0
  /// The request may be made again, by its method or because its route says so.
  var isIdempotent = false
  /// The running attempt is a repeat.
  var isRepeat = false
  var tried = TriedSet()
  /// The exchange has a record for the access log.
  var isLogged = false
  var pickKey = PickKey()
  var admission = AdmissionState()
}

struct Upstream {
  var phase = UpstreamPhase.connecting
  var downstream = ConnectionID.none
  var slot = 0
  /// It carried an exchange before: the endpoint may have closed it meanwhile.
  var isReused = false
  var isPersistent = false
  /// Exchanges that it has carried, the present one included.
  var exchangeCount = 0
  /// As for `Downstream`.
  var untakenNoted = 0
  /// It began with one client's PROXY header.
  var isPrivate = false
  /// The beginning of a response head.
  var input = HeldBytes()
  // The idle list of its endpoint.
  var previous = ConnectionID.none
  var next = ConnectionID.none
}

/// The slab. Downstream and upstream state lie apart, so that each is compact.
struct ChannelSlab: ~Copyable {
  let downstream: UnsafeMutablePointer<Downstream>
  let upstream: UnsafeMutablePointer<Upstream>
  /// 46 bytes of text for each connection: its client's address.
  let addresses: UnsafeMutableRawPointer
  /// `RequestID.byteCountMax` bytes for each connection.
  let requestIDs: UnsafeMutableRawPointer
  private let capacity: Int

  init(capacity: Int) {
    self.capacity = capacity
    downstream = .allocate(capacity: capacity)
    upstream = .allocate(capacity: capacity)
    addresses = .allocate(byteCount: capacity * 46, alignment: 1)
    requestIDs = .allocate(byteCount: capacity * RequestID.byteCountMax, alignment: 64)
  }

  deinit {
    downstream.deallocate()
    upstream.deallocate()
    addresses.deallocate()
    requestIDs.deallocate()
  }

  func address(_ index: Int, count: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: addresses + index * 46, count: count)
  }

  func requestID(_ index: Int, count: Int) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: requestIDs + index * RequestID.byteCountMax, count: count)
  }
}

/// Idle upstream connections of each endpoint, the newest first.
struct IdleStore: ~Copyable {
  private let heads: UnsafeMutablePointer<ConnectionID>
  private let counts: UnsafeMutablePointer<Int32>
  let slotCount: Int

  init(slotCount: Int) {
    self.slotCount = slotCount
    heads = .allocate(capacity: slotCount)
    heads.initialize(repeating: .none, count: slotCount)
    counts = .allocate(capacity: slotCount)
    counts.initialize(repeating: 0, count: slotCount)
  }

  deinit {
    heads.deallocate()
    counts.deallocate()
  }

  func count(_ slot: Int) -> Int { Int(counts[slot]) }

  /// The same by slot.
  var countsBySlot: UnsafePointer<Int32> { UnsafePointer(counts) }

  func newest(_ slot: Int) -> ConnectionID? { heads[slot] == .none ? nil : heads[slot] }

  mutating func insert(_ id: ConnectionID, in slab: borrowing ChannelSlab) {
    let entry = slab.upstream + Int(id.index)
    let slot = entry.pointee.slot
    entry.pointee.previous = .none
    entry.pointee.next = heads[slot]
    if heads[slot] != .none { slab.upstream[Int(heads[slot].index)].previous = id }
    heads[slot] = id
    counts[slot] += 1
  }

  mutating func remove(_ id: ConnectionID, in slab: borrowing ChannelSlab) {
    let entry = slab.upstream[Int(id.index)]
    if entry.previous != .none {
      slab.upstream[Int(entry.previous.index)].next = entry.next
    } else {
      heads[entry.slot] = entry.next
    }
    if entry.next != .none { slab.upstream[Int(entry.next.index)].previous = entry.previous }
    counts[entry.slot] -= 1
  }
}
