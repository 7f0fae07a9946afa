// The state of a client connection. Invariant: it is a value in a slab that only its worker uses,
// and it fits in one cache line.
import IO
import Primitives

enum DownstreamPhase: UInt8 {
  /// The PROXY header is incomplete.
  case preface
  /// Between exchanges, or inside a head.
  case head
  case exchange
  /// The connection speaks HTTP/2: its streams are connections of their own.
  case multiplexed
  /// The protocol was changed: bytes are passed in both directions.
  case tunnel
  /// The answer was sent; further bytes are discarded until the client closes (RFC 9112 §9.6).
  case lingering
  /// The answer was given; the connection closes when all bytes are sent.
  case closing
}

/// One client connection. It fits in one cache line, because most connections are idle.
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

/// The address that a client connected to, from a PROXY header.
struct Destination {
  var address: IPAddress
  var port: UInt16
}
