// The operations that a worker needs of its event loop. The program runs on `IOLoop`; tests supply
// a loop that simulates connections and the clock, so that the worker itself meets faults that real
// sockets show rarely. Invariant: a worker is specialised for its loop, so that no call goes
// through a witness table.
import IO
import Primitives

/// An event loop with connections. The members of `IOLoop` document each operation.
protocol ConnectionLoop: ~Copyable {
  // The turn.
  var now: Nanoseconds { get }
  var lastTurnLength: Nanoseconds? { get }
  var lastPause: Nanoseconds { get }
  mutating func wait(until deadline: Nanoseconds)
  mutating func next() -> IOEvent

  // Listeners.
  var acceptRoom: Int { get set }
  var isFull: Bool { get }
  var shortageCount: UInt64 { get }
  var acceptedPeer: (address: IPAddress, port: UInt16) { get }
  mutating func listen(_ socket: consuming ListenSocket, tag: UInt32) throws(IOError)
  mutating func keepListeners(where isWanted: (UInt32) -> Bool)
  mutating func resumeAccepting()

  // Connections.
  var capacity: Int { get }
  var connectionCount: Int { get }
  var freeConnectionCount: Int { get }
  var queuedByteCount: Int { get }
  func isOpen(_ id: ConnectionID) -> Bool
  func openID(at index: Int32) -> ConnectionID?
  func tag(_ id: ConnectionID) -> UInt32
  func localAddress(_ id: ConnectionID) -> (address: IPAddress, port: UInt16)?
  mutating func connect(to address: KernelAddress, tag: UInt32) throws(IOError) -> ConnectionID
  mutating func close(_ id: ConnectionID)
  mutating func finish(_ id: ConnectionID)
  mutating func resetOnClose(_ id: ConnectionID)

  // TLS.
  mutating func startTLS(
    _ id: ConnectionID, _ context: ServerContext, received: UnsafeRawBufferPointer)
  mutating func startTLS(_ id: ConnectionID, _ peer: TLSPeer)
  mutating func leaveTLS(_ id: ConnectionID)
  func isSecure(_ id: ConnectionID) -> Bool
  func isHandshaking(_ id: ConnectionID) -> Bool
  func isHTTP2(_ id: ConnectionID) -> Bool
  func hasPeer(_ id: ConnectionID, like peer: TLSPeer?) -> Bool
  func isResumed(_ id: ConnectionID) -> Bool
  func tlsFailure(_ id: ConnectionID) -> TLSFailure?
  func servesHost(_ id: ConnectionID, _ host: UnsafeRawBufferPointer) -> Bool
  func clientCertificate(
    _ id: ConnectionID
  ) -> (subject: UnsafeRawBufferPointer, names: UnsafeRawBufferPointer)?

  // Reading.
  var received: UnsafeMutableRawBufferPointer { get }
  mutating func setPaused(_ id: ConnectionID, _ isPaused: Bool)
  mutating func setReadLimit(_ id: ConnectionID, _ byteCount: Int)
  mutating func hasInput(_ id: ConnectionID) -> Bool
  func hasUnread(_ id: ConnectionID) -> Bool

  // Sending.
  var canMoveContent: Bool { get }
  @discardableResult
  mutating func send(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer) -> Bool
  mutating func move(_ id: ConnectionID, to target: ConnectionID, byteCount: Int)
  func unsentByteCount(_ id: ConnectionID) -> Int
  func untakenByteCount(_ id: ConnectionID) -> Int
  func hasFailed(_ id: ConnectionID) -> Bool
  func wasEndedFirst(_ id: ConnectionID) -> Bool

  // Timeouts.
  func deadline(_ id: ConnectionID) -> Nanoseconds
  mutating func setDeadline(_ id: ConnectionID, _ deadline: Nanoseconds?)
  mutating func setTimer(_ index: Int, _ deadline: Nanoseconds?)
}

extension IOLoop: ConnectionLoop {}
