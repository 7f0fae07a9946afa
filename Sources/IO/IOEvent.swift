// The events of a loop: completed operations, never mere readiness.

/// A connection of a loop: its index in the slab, and the generation of that index.
@frozen public struct ConnectionID: Hashable, Sendable {
  /// 0..<capacity; the owner may use the same index for its own slab.
  public let index: Int32
  /// Odd while open, so that a zeroed identifier is never valid.
  public let generation: UInt32

  @inlinable public init(index: Int32, generation: UInt32) {
    self.index = index
    self.generation = generation
  }
  @inlinable public static var none: ConnectionID { ConnectionID(index: -1, generation: 0) }
}

/// One completion.
@frozen public struct IOEvent: Sendable {
  public enum Kind: UInt8, Sendable {
    /// The turn is over: call `wait`.
    case none
    /// A new connection of a listener; its tag is the listener's.
    case accepted
    /// A `connect` succeeded; with TLS, the handshake on either side.
    case connected
    /// `value` bytes are in `IOLoop.received` until the next call of `next`.
    case received
    /// `value` bytes were moved to the connection named in `IOLoop.move`.
    case moved
    /// The peer has closed its side; everything before that was received. `value` is 1 if TLS does
    /// not confirm that (no close_notify): an attacker may have cut the connection.
    case eof
    /// While reading is paused: the peer has closed or half-closed its side.
    case hangup
    /// The connection has failed; `value` is the errno. It still has to be closed.
    case failed
    /// All unsent bytes have been sent.
    case drained
    /// The deadline has passed (and is cleared).
    case timeout
    /// The timer with the index `value` has expired (and is cleared).
    case timer
    /// Another thread called `Waker.wake`.
    case woken
  }
  public let kind: Kind
  public let tag: UInt32
  public let id: ConnectionID
  public let value: Int

  @inlinable public init(_ kind: Kind, _ id: ConnectionID = .none, tag: UInt32 = 0, value: Int = 0)
  {
    self.kind = kind
    self.tag = tag
    self.id = id
    self.value = value
  }
}
