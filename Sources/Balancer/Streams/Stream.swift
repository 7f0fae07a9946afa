// The state of one stream of HTTP/2, which the worker sees as a connection.
// Invariant: a stream is a value in a slab that only its loop uses; bytes that the worker or the
// peer does not take yet lie in its two queues, which the windows bound.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem
import HTTP
import IO
import Primitives

/// Why a stream failed, as far as the worker does something else about it.
enum StreamEnd: Equatable {
  /// The stream was reset, or its connection ended.
  case cut
  /// The peer did not process the request, so that it may be repeated (RFC 9113 §8.7): it refused
  /// the stream, or its GOAWAY names an earlier one.
  case refused, unprocessed
  /// The endpoint does not speak HTTP/2.
  case otherProtocol
  /// TLS with the endpoint failed.
  case tls(TLSFailure)
}

/// One stream. Its index in the slab, plus the number of connections, is that of its identifier.
struct Stream {
  /// What the next bytes that the worker sends are.
  enum Output: UInt8 {
    case head, content
    /// The message was sent, or the stream was reset: further bytes are dropped.
    case ended
  }

  /// Odd while the stream is open.
  var generation: UInt32 = 0
  var tag: UInt32 = 0
  /// Steelyard has opened the stream.
  var isOfEndpoint = false
  /// Its connection uses TLS.
  var isSecure = false
  /// The connection that carries the stream.
  var connection = ConnectionID.none
  /// The number of the stream on its connection (RFC 9113 §5.1.1).
  var number: Int32 = 0
  /// The next stream of the same bucket of the session, as an index + 1; 0: none. While the stream
  /// is free: the next free one.
  var next: Int32 = 0
  // The links of the session's streams with bytes to send, as indexes + 1.
  var previousSender: Int32 = 0
  var nextSender: Int32 = 0
  var isSender = false

  // From the peer.
  /// What the peer may still send, bytes.
  var receiveWindow: Int32 = 0
  /// Bytes that were received and not taken by the other side yet.
  var heldCredit: Int32 = 0
  /// Bytes that were taken, and that the peer was not told of yet.
  var dueCredit: Int32 = 0
  /// The bytes of content that the peer has announced and not sent; −1: it has announced none.
  var expectedCount = -1
  /// The content is passed to the worker in chunks.
  var isChunked = false
  /// The final head was received.
  var hasInputHead = false
  /// The peer ended the stream.
  var hasInputEnded = false
  var input = OutputQueue()
  /// The `grpc-status` of the response; −1: none was received, 17: it is not known.
  var grpcStatus: Int16 = -1
  /// The errno that the worker is told; 0: none.
  var failure: Int16 = 0
  var isFailureTold = false
  /// Why it failed.
  var end = StreamEnd.cut

  // To the peer.
  var output = Output.head
  var method = Method.other
  /// What may be sent, bytes. Negative after the peer has made its windows smaller.
  var sendWindow: Int = 0
  var content = ContentReader(.none)
  var isUntilClose = false
  var queue = OutputQueue()
  /// The stream ends after the queued bytes.
  var endsAfterQueue = false
  /// The trailer section received so far, if it came in several parts.
  var trailers = HeldBytes()
  /// Whether END_STREAM was sent.
  var hasOutputEnded = false
  var resetsOnClose = false
  /// The worker has sent all, and waits for the peer's end.
  var isFinishing = false
  var isEndTold = false

  // For the worker.
  var isPaused = false
  var isInReady = false
  var isConnectedDue = false
  var isDrainedDue = false
  var readLimit: Int32 = 0
  var deadline = Nanoseconds.distantFuture
}

/// The streams of a loop. Memory that no stream has used is not resident.
struct StreamSlab: ~Copyable {
  let streams: UnsafeMutablePointer<Stream>
  let capacity: Int
  private(set) var openCount = 0
  private var firstFree: Int32 = 0
  private var usedCount = 0

  init(capacity: Int) {
    self.capacity = capacity
    guard let memory = sy_map(capacity * MemoryLayout<Stream>.stride) else {
      fatalError("out of memory for \(capacity) streams")
    }
    streams = memory.bindMemory(to: Stream.self, capacity: capacity)
  }

  deinit { sy_unmap(streams, capacity * MemoryLayout<Stream>.stride) }

  /// Opens a stream with blank state; nil: none is free.
  mutating func open() -> Int? {
    let index: Int
    if firstFree > 0 {
      index = Int(firstFree) - 1
      firstFree = streams[index].next
    } else {
      guard usedCount < capacity else { return nil }
      index = usedCount
      usedCount += 1
    }
    let generation = streams[index].generation &+ 1
    let wasInReady = streams[index].isInReady
    (streams + index).initialize(to: Stream())
    streams[index].generation = generation
    streams[index].isInReady = wasInReady
    openCount += 1
    return index
  }

  /// Closes a stream. Requires: it is open, and holds no blocks.
  mutating func close(_ index: Int) {
    streams[index].generation &+= 1
    streams[index].next = firstFree
    firstFree = Int32(truncatingIfNeeded: index + 1)
    openCount -= 1
  }
}
