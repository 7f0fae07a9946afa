// The state of one connection of HTTP/2 (RFC 9113): its windows, its streams, the frame that is
// being received and the frames that are about to be sent. Invariant: a session is a value in a
// slab, by the index of its connection, that only its loop uses.
// HOT PATH: no allocation, no lock, no existential, no clock.
import HTTP
import IO
import Primitives

/// The limits of a connection of HTTP/2.
struct SessionLimits {
  /// The most streams that may be open at once. Range 1...1_000.
  var streamsMax = 100
  /// The most streams that the peer is taken to allow before it says so.
  var peerStreamsMax = 100
  /// The longest time without a stream.
  var idle = Nanoseconds.seconds(75)
  /// The longest time from the first byte of a head to its end.
  var head = Nanoseconds.seconds(10)
  /// The longest time for a peer that reads nothing to take what waits for it.
  var send = Nanoseconds.seconds(60)
  /// The age at which the peer is asked to connect again; nil: never.
  var ageMax: Nanoseconds?
  /// The number of streams after which the peer is asked to connect again; nil: any number.
  var requestsMax: Int?
}

struct Session {
  /// Buckets of the table of streams by number.
  static let bucketCount = 16

  /// How far the connection has come to its end.
  enum Ending: UInt8 {
    case none
    /// GOAWAY with the highest number was sent: the peer opens no more streams, but some may be on
    /// their way.
    case announced
    /// GOAWAY with the last stream that is processed was sent or received.
    case final
  }

  /// The connection; `.none`: the entry is not in use.
  var connection = ConnectionID.none
  var coder: HeadCoder
  /// Steelyard opens the streams.
  var isClient: Bool
  /// A client connection before its handshake or a connection that is being opened.
  var isConnecting = false
  var isSecure = false
  var ending = Ending.none
  /// The bytes of the preface that are still to come (RFC 9113 §3.4).
  var prefaceLeft: UInt8 = 0
  var hasSettings = false
  /// Frames wait in the kernel or the loop: no content is added.
  var isBlocked = false
  /// In the list of sessions with frames to flush.
  var isDirty = false
  /// Reading is paused, because the peer does not read the answers to its frames.
  var isHeldBack = false
  /// Everything was said: what the peer still sends is dropped until it closes the connection.
  var isClosing = false
  var limits: SessionLimits
  var floods: FloodGauge

  // Streams.
  /// The first stream of each bucket, as an index + 1; 0: none.
  var buckets:
    (
      Int32, Int32, Int32, Int32, Int32, Int32, Int32, Int32,
      Int32, Int32, Int32, Int32, Int32, Int32, Int32, Int32
    ) = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
  var openCount: Int32 = 0
  var requestCount = 0
  /// The highest number of a stream of the peer.
  var lastPeerNumber: Int32 = 0
  /// The number of the next stream that steelyard opens.
  var nextNumber: Int32 = 1
  /// The most streams that the peer allows.
  var peerStreamsMax: Int
  /// The time when steelyard last reset a stream: frames for it may be on the way.
  var resetAt = Nanoseconds.zero

  // Windows.
  var sendWindow = 65_535
  var receiveWindow: Int
  var dueCredit = 0
  var peerInitialWindow = 65_535
  /// The first and the last stream with bytes to send, as indexes + 1.
  var firstSender: Int32 = 0
  var lastSender: Int32 = 0
  /// A window has grown.
  var isPumpDue = false
  /// When the last bytes of the connection's window are used, if no more of it comes;
  /// `.distantFuture`: they are used, or not needed.
  var fragmentDueAt = Nanoseconds.distantFuture
  /// They are used now.
  var mayFragment = false

  // The frame that is being received.
  /// A frame of which a part was received.
  var partial = HeldBytes()
  /// The header block that CONTINUATION frames complete.
  var block = HeldBytes()
  var blockNumber: Int32 = 0
  var blockFlags: UInt8 = 0
  var blockParts: UInt8 = 0
  /// The content and the padding of a DATA frame that are still to come, bytes.
  var contentLeft = 0
  var paddingLeft = 0
  var contentNumber: Int32 = 0
  var contentEnds = false

  // The frames that are about to be sent.
  var output = HeldBytes()
  /// Where the last frame begins in `output`, if it is DATA; −1 otherwise.
  var lastDataAt: Int32 = -1
  /// The reason of the connection's end, for metrics.
  var end = StreamMetrics.End.peer
  var startedAt: Nanoseconds
  /// The time when the peer last sent something.
  var receivedAt: Nanoseconds
  /// The time of the last PING that has to be answered; zero: there was none.
  var pingedAt = Nanoseconds.zero
  /// The time since when the connection has no stream. Only if it has none.
  var idleSince: Nanoseconds
  /// When a frame or a head that is incomplete has to be whole; `.distantFuture`: none is.
  var headDueAt = Nanoseconds.distantFuture
  /// When the peer has to have read what waits for it, while it is held back.
  var readDueAt = Nanoseconds.distantFuture
  /// When the second GOAWAY is sent, or the connection closed; `.distantFuture`: neither is due.
  var endsAt = Nanoseconds.distantFuture

  /// The connection carries no more streams than this, by both sides' wish.
  var streamRoom: Int {
    guard ending == .none, nextNumber < Int32.max - 2 else { return 0 }
    return min(limits.streamsMax, peerStreamsMax) - Int(openCount)
  }

  // MARK: Deadlines

  /// The silence of a client with open streams after which it is asked whether it is there.
  static var pingInterval: Nanoseconds { .seconds(30) }
  /// The time for the answer to a PING.
  static var pingTimeout: Nanoseconds { .seconds(5) }

  /// The peer has sent nothing since the last PING.
  var isPingOpen: Bool { pingedAt != .zero && receivedAt <= pingedAt }
  /// When the peer's first frame has to have come.
  var settingsDueAt: Nanoseconds {
    hasSettings || isConnecting ? .distantFuture : startedAt + limits.head
  }
  var pingDueAt: Nanoseconds { isPingOpen ? pingedAt + Self.pingTimeout : .distantFuture }
  /// When the connection is idle for too long.
  var idleDueAt: Nanoseconds { openCount == 0 ? idleSince + limits.idle : .distantFuture }
  /// When a client is asked whether it is there. Servers of gRPC take offence at a PING that no
  /// data explains.
  var silenceDueAt: Nanoseconds {
    openCount == 0 || isClient || isPingOpen ? .distantFuture : receivedAt + Self.pingInterval
  }

  /// When something is due; `.distantFuture`: nothing is.
  var dueAt: Nanoseconds {
    if isClosing { return endsAt }
    let first = min(min(fragmentDueAt, headDueAt), min(readDueAt, endsAt))
    return min(min(first, settingsDueAt), min(min(pingDueAt, idleDueAt), silenceDueAt))
  }

  init(
    _ connection: ConnectionID, coder: HeadCoder, isClient: Bool, limits: SessionLimits,
    receiveWindow: Int, now: Nanoseconds
  ) {
    self.connection = connection
    self.coder = coder
    self.isClient = isClient
    self.limits = limits
    peerStreamsMax = limits.peerStreamsMax
    self.receiveWindow = receiveWindow
    floods = FloodGauge(now: now)
    startedAt = now
    receivedAt = now
    idleSince = now
  }

  subscript(bucket number: Int32) -> Int32 {
    get {
      withUnsafeBytes(of: buckets) {
        $0.load(fromByteOffset: Self.offset(number), as: Int32.self)
      }
    }
    set {
      withUnsafeMutableBytes(of: &buckets) {
        $0.storeBytes(of: newValue, toByteOffset: Self.offset(number), as: Int32.self)
      }
    }
  }

  /// The first stream of the bucket, as an index + 1. Range of `bucket`: 0..<bucketCount.
  func head(ofBucket bucket: Int) -> Int32 {
    withUnsafeBytes(of: buckets) { $0.load(fromByteOffset: bucket * 4, as: Int32.self) }
  }

  /// Streams of one side have odd numbers, or even ones.
  private static func offset(_ number: Int32) -> Int {
    Int((number >> 1) & Int32(bucketCount - 1)) * 4
  }
}
