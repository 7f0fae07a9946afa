// The state of one connection, of the endpoints' side or the clients'. Trivial: a slab of them is
// indexed by descriptor.
import HTTP

/// What a request head asks.
struct RequestPlan {
  var answer = Answer.notFound
  /// The answer's bytes, where they were rendered before.
  var rendered: RenderedAnswer?
  var framing = Framing.none
  var isPersistent = true
  var isHead = false
  /// HTTP/1.0 knows no chunks.
  var knowsChunks = true
}

/// What an answer's head says.
struct AnswerPlan {
  var status = 0
  var framing = Framing.none
  var isPersistent = true
}

struct Peer {
  enum Kind: UInt8 {
    case none, listener, orders, endpoint, drive, stream, idle
    /// A client's that has its answer and waits for the other side to close.
    case parting
  }
  enum Phase: UInt8 {
    case connecting
    /// A client's without a request.
    case free
    /// A head is to come: of a request (endpoint) or of the answer (client).
    case head
    /// `left` bytes of content are to come.
    case counted
    case chunked
    case untilClose
    /// An endpoint's that sends its answer; what comes meanwhile stays in the kernel.
    case answering
  }

  var kind = Kind.none
  var phase = Phase.head
  /// The peer's end is near: reading goes on until it is seen.
  var hasHangup = false
  /// There may be bytes that were left in the kernel.
  var isUnread = false
  /// An endpoint's: counted among what runs there.
  var isRunning = false
  /// An endpoint's or a listener's: which endpoint.
  var number: Int32 = 0
  /// Counts a descriptor's uses: what is due for an earlier one is void.
  var use: UInt32 = 0
  /// An endpoint's: what is asked of it.
  var request = RequestPlan()
  /// A client's: what it is answered.
  var answer = AnswerPlan()
  var left = 0
  var content = ContentReader(.none)
  /// Bytes of a head that is not complete, `stashCount` of `Peer.stashMax`.
  var stash: UnsafeMutableRawPointer?
  var stashCount = 0
  /// To be sent: these bytes, then `fill` bytes of filling.
  var out: UnsafeRawPointer?
  var outCount = 0
  var fill = 0
  /// What `out` points into where it is to be given back with free(3).
  var owned: UnsafeMutableRawPointer?
  /// A request began, or an open loop had planned it, ns.
  var startedAt: Int64 = 0
  /// A stream's: tokens still to be sent, or still to come.
  var tokensLeft = 0

  static let stashMax = HeadParser.byteCountMax
}
