// The state of a worker's connections, by the loop's index. A downstream connection leads to its
// exchange; an upstream connection belongs to an endpoint. Structs in a slab that only their worker
// touches.
import CSystem
import HTTP
import IO
import Primitives

/// A block of memory; the bytes in `start..<end` are valid.
struct HeldBytes {
  var block: UnsafeMutableRawPointer?
  private var startOffset: Int32
  private var endOffset: Int32

  init(block: UnsafeMutableRawPointer? = nil, end: Int = 0) {
    self.block = block
    startOffset = 0
    endOffset = Int32(truncatingIfNeeded: end)
  }

  var start: Int {
    get { Int(startOffset) }
    set { startOffset = Int32(truncatingIfNeeded: newValue) }
  }
  var end: Int {
    get { Int(endOffset) }
    set { endOffset = Int32(truncatingIfNeeded: newValue) }
  }
  var isEmpty: Bool { startOffset == endOffset }
  var bytes: UnsafeRawBufferPointer {
    guard let block else { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(start: block + start, count: end - start)
  }

  /// The end of the first occurrence of the text; nil: it does not occur.
  func endOfFirst(_ text: UnsafeRawBufferPointer) -> UnsafeMutableRawPointer? {
    guard let block, let wanted = text.baseAddress, end - start >= text.count else { return nil }
    for offset in start...end - text.count
    where memcmp(block + offset, wanted, text.count) == 0 {
      return block + offset + text.count
    }
    return nil
  }
}

enum DownstreamPhase: UInt8 {
  /// The PROXY header is incomplete.
  case preface
  /// Between exchanges, or inside a head.
  case head
  case exchange
  /// The protocol was changed: bytes are passed in both directions.
  case tunnel
  /// The answer was sent; further bytes are discarded until the client closes (RFC 9112 §9.6).
  case lingering
  /// The answer was given; the connection closes when all bytes are sent.
  case closing
}

enum UpstreamPhase: UInt8 {
  case connecting, head, content, tunnel, idle
  /// The connection carries no request: it tests whether an ejected endpoint accepts connections.
  case trial
}

/// One cache line: most connections are idle most of the time.
struct Downstream {
  /// The running exchange or tunnel; `.none`: there is none.
  var exchange = ExchangeID.none
  /// The beginning of a head, or bytes received after the running request.
  var input = HeldBytes()
  /// The client's address: the socket's peer, or the address in a PROXY header.
  var peer = IPAddress.none
  /// The links of `ReusableClients`; 0: the connection is in none of its lists.
  var previousReusable: Int32 = 0
  var nextReusable: Int32 = 0
  private var untakenCount: Int32 = 0
  /// The cell that counts the client's connections; −1: they are not counted.
  var clientCell: Int32 = -1
  var peerPort: UInt16 = 0
  var phase = DownstreamPhase.head
  /// While lingering: the number of deadlines that have passed.
  var lingering: UInt8 = 0
  /// While lingering: bytes came since the last deadline.
  var hasSentMore = false
  var hasDeadlineForHead = false
  /// A PROXY header named the destination address.
  var hasDestination = false
  /// The connection is idle between two exchanges.
  var isKept = false

  /// The unsent bytes when a send deadline was set: fewer at that deadline mean progress.
  var untakenNoted: Int {
    get { Int(untakenCount) }
    set { untakenCount = Int32(clamping: newValue) }
  }
}

struct Upstream {
  var phase = UpstreamPhase.connecting
  /// The exchange whose request the connection carries; `.none` between two exchanges.
  var exchange = ExchangeID.none
  var endpointIndex = 0
  /// The connection carried an exchange before, and no byte of the present answer has come: the
  /// endpoint may have closed it meanwhile.
  var isReused = false
  var isPersistent = false
  /// When the endpoint last sent something.
  var heardAt = Nanoseconds.zero
  /// The number of exchanges carried, the present one included.
  var exchangeCount = 0
  /// As in `Downstream`.
  var untakenNoted = 0
  /// The connection began with the PROXY header of one client.
  var isPrivate = false
  /// The beginning of a response head.
  var input = HeldBytes()
  /// Bytes of the request that were sent or are waiting to be sent.
  var sentCount = 0
  /// The endpoint's `Keep-Alive: timeout`; −1: it gave none.
  var keepAliveSeconds: Int32 = -1
  // While idle: since when, and until when the connection may be used.
  var idleSince = Nanoseconds.zero
  var idleUntil = Nanoseconds.zero
  // Links of the endpoint's list of idle connections.
  var previous = EndpointConnectionID.none
  var next = EndpointConnectionID.none
}

/// The address that a client connected to, from a PROXY header.
struct Destination {
  var address: IPAddress
  var port: UInt16
}

/// The slab. Downstream and upstream state and exchanges are separate, so that each is compact.
struct ChannelSlab: ~Copyable {
  let downstream: UnsafeMutablePointer<Downstream>
  let upstream: UnsafeMutablePointer<Upstream>
  /// Destinations of the connections that have one.
  let destinations: UnsafeMutablePointer<Destination>
  private let capacity: Int

  init(capacity: Int) {
    self.capacity = capacity
    downstream = Self.map(capacity + ReusableClients.headCount)
    upstream = Self.map(capacity)
    destinations = Self.map(capacity)
  }

  deinit {
    Self.unmap(downstream, capacity + ReusableClients.headCount)
    Self.unmap(upstream, capacity)
    Self.unmap(destinations, capacity)
  }

  /// Maps memory that becomes resident only where it is touched.
  private static func map<Value>(_ capacity: Int) -> UnsafeMutablePointer<Value> {
    guard let memory = sy_map(capacity * MemoryLayout<Value>.stride) else {
      fatalError("out of memory for \(capacity) connections")
    }
    return memory.bindMemory(to: Value.self, capacity: capacity)
  }

  private static func unmap<Value>(_ memory: UnsafeMutablePointer<Value>, _ capacity: Int) {
    sy_unmap(memory, capacity * MemoryLayout<Value>.stride)
  }
}

/// Idle upstream connections of each endpoint, the most recent first.
struct IdleStore: ~Copyable {
  /// An endpoint that closes a connection this soon after an answer does so after every answer: an
  /// idle time-out would take seconds.
  private static let earlyMax = Nanoseconds.milliseconds(500)
  /// How long an early end is remembered.
  private static let memory = Nanoseconds.seconds(2)

  private let heads: UnsafeMutablePointer<EndpointConnectionID>
  private let counts: UnsafeMutablePointer<Int32>
  private let earlyUntil: UnsafeMutablePointer<Nanoseconds>
  let endpointLimit: Int

  init(endpointLimit: Int) {
    self.endpointLimit = endpointLimit
    heads = .allocate(capacity: endpointLimit)
    heads.initialize(repeating: .none, count: endpointLimit)
    counts = .allocate(capacity: endpointLimit)
    counts.initialize(repeating: 0, count: endpointLimit)
    earlyUntil = .allocate(capacity: endpointLimit)
    earlyUntil.initialize(repeating: .zero, count: endpointLimit)
  }

  deinit {
    heads.deallocate()
    counts.deallocate()
    earlyUntil.deallocate()
  }

  func count(_ endpointIndex: Int) -> Int { Int(counts[endpointIndex]) }

  /// The number of idle connections by endpoint index.
  var countsByEndpoint: UnsafePointer<Int32> { UnsafePointer(counts) }

  /// A connection of the endpoint that has the most idle ones; nil: there are none.
  var spare: EndpointConnectionID? {
    var fullest = 0
    for endpointIndex in 0..<endpointLimit where counts[endpointIndex] > counts[fullest] {
      fullest = endpointIndex
    }
    return endpointLimit > 0 ? newest(fullest) : nil
  }

  func newest(_ endpointIndex: Int) -> EndpointConnectionID? {
    heads[endpointIndex] == .none ? nil : heads[endpointIndex]
  }

  /// Whether the endpoint has recently closed connections right after an answer without announcing
  /// it.
  func endsEarly(_ endpointIndex: Int, now: Nanoseconds) -> Bool { now < earlyUntil[endpointIndex] }

  /// Notes that a connection ended while it was idle, or when it was taken again.
  mutating func noteEnd(_ connection: Upstream, now: Nanoseconds) {
    if now - connection.idleSince <= Self.earlyMax {
      noteEarlyEnd(connection.endpointIndex, now: now)
    }
  }

  /// Notes that a connection ended right after an answer.
  mutating func noteEarlyEnd(_ endpointIndex: Int, now: Nanoseconds) {
    earlyUntil[endpointIndex] = now + Self.memory
  }

  mutating func insert(_ id: EndpointConnectionID, in slab: borrowing ChannelSlab) {
    let entry = slab.upstream + id.index
    let endpointIndex = entry.pointee.endpointIndex
    entry.pointee.previous = .none
    entry.pointee.next = heads[endpointIndex]
    if heads[endpointIndex] != .none {
      slab.upstream[heads[endpointIndex].index].previous = id
    }
    heads[endpointIndex] = id
    counts[endpointIndex] += 1
  }

  mutating func remove(_ id: EndpointConnectionID, in slab: borrowing ChannelSlab) {
    let entry = slab.upstream[id.index]
    if entry.previous != .none {
      slab.upstream[entry.previous.index].next = entry.next
    } else {
      heads[entry.endpointIndex] = entry.next
    }
    if entry.next != .none { slab.upstream[entry.next.index].previous = entry.previous }
    counts[entry.endpointIndex] -= 1
  }
}
