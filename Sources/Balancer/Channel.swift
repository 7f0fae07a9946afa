// What a worker knows of each of its connections, by the loop's index: a downstream one, with what
// leads to its exchange, or an upstream one. Structs in a slab, touched only by their worker.
import CSystem
import HTTP
import IO
import Primitives

/// A block of memory with bytes in `start..<end`.
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

  /// Where the first occurrence of the text ends; nil where there is none.
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
  /// No request's: it is opened to see whether an ejected endpoint takes connections.
  case trial
}

/// One cache line: most connections are idle most of the time.
struct Downstream {
  /// The exchange or the tunnel that runs; `.none` where none does.
  var exchange = ExchangeID.none
  /// The beginning of a head, or what came after the running request.
  var input = HeldBytes()
  /// Who the connection comes from: the socket's peer, or whom a PROXY header names.
  var peer = IPAddress.none
  /// As `ReusableClients` has it; 0: in none of its lists.
  var previousReusable: Int32 = 0
  var nextReusable: Int32 = 0
  private var untakenCount: Int32 = 0
  /// Where the client's connections are counted, −1 where they are not.
  var clientCell: Int32 = -1
  var peerPort: UInt16 = 0
  var phase = DownstreamPhase.head
  /// While it lingers: how many deadlines have passed.
  var lingering: UInt8 = 0
  /// While it lingers: bytes came since the last deadline.
  var hasSentMore = false
  var hasDeadlineForHead = false
  /// A PROXY header said where the peer connected to.
  var hasDestination = false
  /// It is idle between two exchanges.
  var isKept = false

  /// Bytes not taken when a deadline for sending was set: fewer at that deadline are progress.
  var untakenNoted: Int {
    get { Int(untakenCount) }
    set { untakenCount = Int32(clamping: newValue) }
  }
}

struct Upstream {
  var phase = UpstreamPhase.connecting
  /// Whose request it carries; `.none` between two exchanges.
  var exchange = ExchangeID.none
  var endpointIndex = 0
  /// It carried an exchange before and no byte of this one's answer has come: the endpoint may have
  /// closed it meanwhile.
  var isReused = false
  var isPersistent = false
  /// When something came from the endpoint last.
  var heardAt = Nanoseconds.zero
  /// Exchanges that it has carried, the present one included.
  var exchangeCount = 0
  /// As for `Downstream`.
  var untakenNoted = 0
  /// It began with one client's PROXY header.
  var isPrivate = false
  /// The beginning of a response head.
  var input = HeldBytes()
  /// Bytes of the request that the kernel took or that wait.
  var sentCount = 0
  /// What the endpoint said in `Keep-Alive: timeout`, −1 where it said nothing.
  var keepAliveSeconds: Int32 = -1
  // While it is idle: since when, and until when it may be used.
  var idleSince = Nanoseconds.zero
  var idleUntil = Nanoseconds.zero
  // The idle list of its endpoint.
  var previous = EndpointConnectionID.none
  var next = EndpointConnectionID.none
}

/// Where a client connected to, as a PROXY header said.
struct Destination {
  var address: IPAddress
  var port: UInt16
}

/// The slab. Downstream and upstream state lie apart, so that each is compact, and so do exchanges.
struct ChannelSlab: ~Copyable {
  let downstream: UnsafeMutablePointer<Downstream>
  let upstream: UnsafeMutablePointer<Upstream>
  /// Of the connections that have one.
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

  /// Memory that is resident only where it was touched.
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

/// Idle upstream connections of each endpoint, the newest first.
struct IdleStore: ~Copyable {
  /// An endpoint that closes a connection so soon after an answer does so after each: its idle
  /// time-out would be seconds.
  private static let earlyMax = Nanoseconds.milliseconds(500)
  /// So long this is remembered.
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

  /// The same by endpoint index.
  var countsByEndpoint: UnsafePointer<Int32> { UnsafePointer(counts) }

  /// One connection of the endpoint that has the most of them; nil where there are none.
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

  /// Whether the endpoint has lately closed connections right after an answer, unannounced.
  func endsEarly(_ endpointIndex: Int, now: Nanoseconds) -> Bool { now < earlyUntil[endpointIndex] }

  /// A connection ended while it was idle, or when it was taken again.
  mutating func noteEnd(_ connection: Upstream, now: Nanoseconds) {
    if now - connection.idleSince <= Self.earlyMax {
      noteEarlyEnd(connection.endpointIndex, now: now)
    }
  }

  /// A connection ended right after an answer.
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
