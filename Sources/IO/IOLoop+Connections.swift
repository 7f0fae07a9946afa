// The operations on a connection: open, send, pause, set a deadline, close.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem
public import Primitives

extension IOLoop {
  mutating func open(_ fd: Int32, tag: UInt32, isConnecting: Bool) -> ConnectionID? {
    guard freeCount > 0 else { return nil }
    freeCount -= 1
    let index = Int(freeStack[freeCount])
    let generation = connections[index].generation &+ 1
    let wasInReady = connections[index].isInReady
    connections[index] = Connection(
      fd: fd, generation: generation, tag: tag, readLimit: UInt32(Self.readMax),
      output: OutputQueue(), failure: 0, isConnecting: isConnecting, isReadable: false,
      isPaused: false, hasHangup: false, isHangupTold: false, isInReady: wasInReady,
      isEnded: false, isFinishing: false, isDrainedDue: false, channel: .plain)
    let bits =
      EPOLLIN.rawValue | EPOLLOUT.rawValue | EPOLLRDHUP.rawValue | EPOLLET.rawValue
    let data = UInt64(generation) << 32 | UInt64(index)
    guard sy_epoll_add(epoll, fd, bits, data) >= 0 else {
      connections[index].generation &+= 1
      freeStack[freeCount] = Int32(index)
      freeCount += 1
      return nil
    }
    return ConnectionID(index: Int32(index), generation: generation)
  }

  /// Begins to connect; `.connected` or `.failed` follows. Bytes may be sent at once and are
  /// queued. Errors: no free connection (EMFILE), and immediate errors of socket(2) and connect(2).
  public mutating func connect(
    to address: KernelAddress, tag: UInt32
  ) throws(IOError) -> ConnectionID {
    guard freeCount > 0 else { throw IOError("connect", Int(EMFILE)) }
    var storage = address.storage
    let opened = sy_socket(Int32(storage.ss_family))
    guard opened >= 0 else { throw IOError("socket", -opened) }
    let fd = Int32(opened)
    _ = sy_set_option(fd, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    let result = sy_connect(fd, &storage)
    guard result == 0 || result == -Int(EINPROGRESS) else {
      sy_close(fd)
      throw IOError("connect", -result)
    }
    guard let id = open(fd, tag: tag, isConnecting: true) else {
      sy_close(fd)
      throw IOError("epoll_ctl", Int(ENOMEM))
    }
    return id
  }

  /// Whether the identifier names an open connection.
  @inlinable public func isOpen(_ id: ConnectionID) -> Bool {
    id.index >= 0 && connections[Int(id.index)].generation == id.generation
  }

  /// The identifier of the open connection at `index`; nil: none is open there.
  @inlinable public func openID(at index: Int32) -> ConnectionID? {
    let generation = connections[Int(index)].generation
    return generation & 1 == 1 ? ConnectionID(index: index, generation: generation) : nil
  }

  /// The tag that the connection was opened with.
  @inlinable public func tag(_ id: ConnectionID) -> UInt32 { connections[Int(id.index)].tag }

  /// Sends what the kernel takes at once and queues the remaining bytes. Returns true if nothing is
  /// queued. An error is reported by a later `.failed`; further bytes are dropped.
  @discardableResult
  public mutating func send(_ id: ConnectionID, _ bytes: UnsafeRawBufferPointer) -> Bool {
    let index = Int(id.index)
    assert(isOpen(id))
    let connection = connections + index
    if connection.pointee.failure != 0
      || connection.pointee.isEnded && connection.pointee.isConnecting
    {
      return true
    }
    if connection.pointee.channel == .secure, !connection.pointee.isConnecting {
      return sendSecure(index, bytes)
    }
    return sendAsIs(index, bytes)
  }

  /// Sends bytes as the peer gets them.
  @inline(__always)
  mutating func sendAsIs(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Bool {
    let connection = connections + index
    var rest = bytes
    if connection.pointee.output.byteCount == 0, !connection.pointee.isConnecting {
      let sent = sy_send(connection.pointee.fd, bytes.baseAddress, bytes.count)
      if sent == bytes.count { return true }
      if sent < 0, sent != -Int(EAGAIN) {
        fail(index, Int32(-sent))
        return true
      }
      rest = UnsafeRawBufferPointer(rebasing: bytes[max(0, sent)...])
    }
    if !output.append(rest, to: &connection.pointee.output) {
      fail(index, ENOBUFS)
      return true
    }
    return false
  }

  /// The number of queued bytes.
  @inlinable public func unsentByteCount(_ id: ConnectionID) -> Int {
    connections[Int(id.index)].output.byteCount
  }

  /// Whether sending failed: nothing more is sent, and `.failed` comes when reading is not paused.
  public func hasFailed(_ id: ConnectionID) -> Bool { connections[Int(id.index)].failure != 0 }

  /// After sending failed: whether the peer had closed its side before it rejected our bytes. Then
  /// `untakenByteCount` is exact: the peer's host acknowledged everything that it had received.
  public func wasEndedFirst(_ id: ConnectionID) -> Bool {
    connections[Int(id.index)].failure == Int16(EPIPE)
  }

  /// Whether bytes, the end or a failure of the peer have come but were not reported yet. Makes a
  /// system call only if neither an event nor the last read tells.
  public mutating func hasInput(_ id: ConnectionID) -> Bool {
    assert(isOpen(id))
    let connection = connections + Int(id.index)
    guard connection.pointee.isReadable else {
      if connection.pointee.channel == .secure { sessions[Int(id.index)].overhead = 0 }
      return false
    }
    if connection.pointee.channel == .secure { return hasSecureInput(Int(id.index)) }
    if connection.pointee.failure != 0 || sy_peek(connection.pointee.fd) != -Int(EAGAIN) {
      return true
    }
    connection.pointee.isReadable = false
    return false
  }

  /// Bytes that the peer has not acknowledged: the queued ones, and those in the kernel, which is
  /// asked. The kernel may hold megabytes and report no progress for long while the peer reads
  /// slowly.
  public func untakenByteCount(_ id: ConnectionID) -> Int {
    let connection = connections + Int(id.index)
    let count = connection.pointee.output.byteCount + Int(sy_unacknowledged(connection.pointee.fd))
    guard connection.pointee.channel == .secure else { return count }
    return max(0, count - Int(sessions[Int(id.index)].overhead))
  }

  /// Limits the bytes of one read. Range 1...readMax.
  public mutating func setReadLimit(_ id: ConnectionID, _ byteCount: Int) {
    assert(isOpen(id))
    connections[Int(id.index)].readLimit = UInt32(max(1, min(byteCount, Self.readMax)))
  }

  /// Pauses or resumes reading. While paused, only `.hangup`, `.failed`, `.drained` and `.timeout`
  /// are reported.
  public mutating func setPaused(_ id: ConnectionID, _ isPaused: Bool) {
    assert(isOpen(id))
    let connection = connections + Int(id.index)
    guard connection.pointee.isPaused != isPaused else { return }
    connection.pointee.isPaused = isPaused
    if connection.pointee.isReadable { enqueue(Int(id.index)) }
  }

  /// Sets or moves the connection's only deadline; nil clears it.
  public mutating func setDeadline(_ id: ConnectionID, _ deadline: Nanoseconds?) {
    assert(isOpen(id))
    if let deadline {
      timers.set(Int(id.index), at: deadline - pausedTime)
    } else {
      timers.cancel(Int(id.index))
    }
  }

  /// The connection's deadline; `.distantFuture`: none.
  public func deadline(_ id: ConnectionID) -> Nanoseconds { timers.deadline(Int(id.index)) }

  /// Sets or moves a timer that belongs to no connection; nil clears it. `index`: 0..<timersMax.
  public mutating func setTimer(_ index: Int, _ deadline: Nanoseconds?) {
    if let deadline {
      timers.set(capacity + index, at: deadline - pausedTime)
    } else {
      timers.cancel(capacity + index)
    }
  }

  /// Whether the kernel has unread bytes of the peer, or its end. A system call.
  public func hasUnread(_ id: ConnectionID) -> Bool {
    sy_poll(connections[Int(id.index)].fd, 0, 0) != 0
  }

  /// Closes our side after everything was sent; the peer's side stays readable.
  public mutating func finish(_ id: ConnectionID) {
    assert(isOpen(id))
    let connection = connections + Int(id.index)
    if connection.pointee.channel == .secure, !sayEnd(Int(id.index)) { return }
    if connection.pointee.output.byteCount == 0 {
      sy_shutdown_write(connection.pointee.fd)
    } else {
      connection.pointee.isFinishing = true
    }
  }

  /// Makes `close` reset the connection, so that the peer sees an error and not a regular end.
  public mutating func resetOnClose(_ id: ConnectionID) {
    assert(isOpen(id))
    if connections[Int(id.index)].channel == .secure { sessions[Int(id.index)].isReset = true }
    sy_reset_on_close(connections[Int(id.index)].fd)
  }

  /// Closes at once; queued bytes are discarded. The identifier is invalid afterwards.
  public mutating func close(_ id: ConnectionID) {
    assert(isOpen(id))
    let index = Int(id.index)
    if connections[index].channel == .secure { closeSecure(index) }
    sy_close(connections[index].fd)
    output.clear(&connections[index].output)
    timers.cancel(index)
    connections[index].generation &+= 1
    freeStack[freeCount] = Int32(index)
    freeCount += 1
  }
}
