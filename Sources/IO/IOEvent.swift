// What a loop reports: things that have completed, never mere readiness.

/// A connection of a loop: its place in the slab and which use of that place it is.
@frozen public struct ConnectionID: Hashable, Sendable {
  /// 0..<capacity; the owner's own slab may use the same index.
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
    /// A new connection on a listener; its tag is the listener's.
    case accepted
    /// A `connect` succeeded.
    case connected
    /// `value` bytes are in `IOLoop.received` until the next call of `next`.
    case received
    /// `value` bytes went on to the connection that `IOLoop.move` named.
    case moved
    /// The peer sends no more; everything before it was received.
    case eof
    /// While reading is paused: the peer has closed or half-closed its side.
    case hangup
    /// The connection is useless; `value` is the errno. Still to be closed.
    case failed
    /// What had stayed unsent is gone.
    case drained
    /// The deadline passed (and is forgotten).
    case timeout
    /// Another thread called `Waker.wake`.
    case woken
  }
  public let kind: Kind
  public let tag: UInt32
  public let id: ConnectionID
  public let value: Int

  @inlinable init(_ kind: Kind, _ id: ConnectionID = .none, tag: UInt32 = 0, value: Int = 0) {
    self.kind = kind
    self.tag = tag
    self.id = id
    self.value = value
  }
}
