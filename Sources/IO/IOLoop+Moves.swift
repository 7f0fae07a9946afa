// Content that nobody has to look at goes from one socket to another inside the kernel: splice(2)
// through a pipe, which is empty between two calls. What the receiver does not take is read out of
// the pipe into its queue, so that its owner sees what it always sees: bytes that wait.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem

/// Where a connection's bytes go. Touched only by connections that move something.
struct Move {
  var target = ConnectionID.none
  /// Bytes that still go there.
  var left = 0
  /// The most that is taken at a time: more while the receiver keeps up, less when it does not,
  /// because what it does not take has to be copied.
  var step = MovePipe.stepMin
}

/// A pipe of one loop. Where there is none, or splice(2) is refused (a sandbox), nothing is moved
/// and everything is read.
struct MovePipe: ~Copyable {
  static let stepMin = 65_536
  static let stepMax = 262_144

  let input: Int32
  let output: Int32

  init() {
    var ends: (Int32, Int32) = (-1, -1)
    let made = withUnsafeMutableBytes(of: &ends) { room in
      sy_pipe(room.bindMemory(to: Int32.self).baseAddress, Int32(Self.stepMax))
    }
    // Of no bytes nothing but the permission is asked.
    if made >= 0, sy_splice(ends.0, ends.1, 0) >= 0 {
      (output, input) = ends
      return
    }
    if made >= 0 {
      sy_close(ends.0)
      sy_close(ends.1)
    }
    (output, input) = (-1, -1)
  }

  deinit {
    guard input >= 0 else { return }
    sy_close(input)
    sy_close(output)
  }

  var isOpen: Bool { input >= 0 }
}

extension IOLoop {
  /// Whether `move` does anything here.
  public var canMoveContent: Bool { pipe.isOpen }

  /// The next `byteCount` bytes that come in on `id` go to `target` without being seen; each time
  /// `.moved` tells how many. What `target` does not take at once waits as after `send`. Bytes may
  /// be `.received` all the same, where `target` has failed or has bytes that wait, or without a
  /// pipe: that ends the move, and it may be asked for again.
  public mutating func move(_ id: ConnectionID, to target: ConnectionID, byteCount: Int) {
    assert(isOpen(id))
    let index = Int(id.index)
    let isThis = moves[index].target == target && moves[index].left == byteCount
    guard pipe.isOpen, byteCount > 0, !(connections[index].isMoving && isThis) else { return }
    connections[index].isMoving = true
    moves[index] = Move(target: target, left: byteCount)
  }

  /// Whether the next bytes can be moved; else the move is over.
  mutating func canMove(_ index: Int) -> Bool {
    let target = moves[index].target
    let to = Int(target.index)
    // In order: what waits goes first.
    connections[index].isMoving =
      isOpen(target) && connections[to].failure == 0 && !connections[to].isConnecting
      && connections[to].output.byteCount == 0
    return connections[index].isMoving
  }

  mutating func receiveMoved(_ index: Int) -> IOEvent? {
    let connection = connections + index
    let wanted = min(moves[index].left, moves[index].step)
    let count = sy_splice(connection.pointee.fd, pipe.input, wanted)
    if count == -Int(EAGAIN), connection.pointee.failure == 0 {
      connection.pointee.isReadable = false
      return nil
    }
    guard count > 0 else { return ended(index, count) }
    enqueue(index)
    moves[index].left -= count
    if moves[index].left == 0 { connection.pointee.isMoving = false }
    let isTaken = pass(count, to: Int(moves[index].target.index))
    moves[index].step = isTaken ? min(2 * moves[index].step, MovePipe.stepMax) : MovePipe.stepMin
    return report(.moved, index, value: count)
  }

  /// Empties the pipe, which holds `count` bytes, into a connection. False when some of them wait.
  private mutating func pass(_ count: Int, to index: Int) -> Bool {
    var left = count
    while left > 0 {
      let sent = sy_splice(pipe.output, connections[index].fd, left)
      if sent > 0 {
        left -= sent
        continue
      }
      if sent != -Int(EAGAIN) { fail(index, sent == 0 ? EPIPE : Int32(-sent)) }
      break
    }
    if left == 0 { return true }
    while left > 0 {
      let read = sy_read(pipe.output, scratch + Self.headroom, min(left, Self.readMax))
      precondition(read > 0, "the pipe holds what was counted")
      left -= read
      // Of a connection that has failed nothing is kept.
      guard connections[index].failure == 0 else { continue }
      let bytes = UnsafeRawBufferPointer(start: scratch + Self.headroom, count: read)
      if !output.append(bytes, to: &connections[index].output) { fail(index, ENOBUFS) }
    }
    return false
  }
}
