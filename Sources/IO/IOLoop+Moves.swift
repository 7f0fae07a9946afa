// Moves content from one socket to another inside the kernel when nobody has to read it: splice(2)
// through a pipe, which is empty between two calls. What the receiver does not take is read from
// the pipe into its queue, so that its owner sees queued bytes as usual.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem

/// The move of a connection's bytes. Only connections with a move use it.
struct Move {
  var target = ConnectionID.none
  /// The bytes still to be moved.
  var left = 0
  /// The most bytes of one step. It grows while the receiver keeps up and shrinks when it does not,
  /// because bytes that it does not take have to be copied.
  var step = MovePipe.stepMin
}

/// The pipe of one loop. Without a pipe, or if splice(2) is forbidden (a sandbox), nothing is moved
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
    // Splicing 0 bytes only tests the permission.
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
  /// Whether `move` has any effect.
  public var canMoveContent: Bool { pipe.isOpen }

  /// Moves the next `byteCount` bytes that arrive on `id` to `target` without reading them; each
  /// `.moved` says how many. Bytes that `target` does not take at once are queued as by `send`.
  /// Bytes may still be `.received`: if `target` has failed or has queued bytes, without a pipe, or
  /// if one of the two uses TLS.
  /// That ends the move, which may then be requested again.
  public mutating func move(_ id: ConnectionID, to target: ConnectionID, byteCount: Int) {
    assert(isOpen(id))
    let index = Int(id.index)
    let isThis = moves[index].target == target && moves[index].left == byteCount
    guard pipe.isOpen, byteCount > 0, !(connections[index].channel == .moving && isThis),
      connections[index].channel != .secure, connections[Int(target.index)].channel != .secure
    else { return }
    connections[index].channel = .moving
    moves[index] = Move(target: target, left: byteCount)
  }

  /// Whether the next bytes can be moved; otherwise the move ends.
  mutating func canMove(_ index: Int) -> Bool {
    let target = moves[index].target
    let to = Int(target.index)
    // Order matters: queued bytes are sent first.
    let can =
      isOpen(target) && connections[to].failure == 0 && !connections[to].isConnecting
      && connections[to].output.byteCount == 0
    if !can { connections[index].channel = .plain }
    return can
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
    if moves[index].left == 0 { connection.pointee.channel = .plain }
    let isTaken = pass(count, to: Int(moves[index].target.index))
    moves[index].step = isTaken ? min(2 * moves[index].step, MovePipe.stepMax) : MovePipe.stepMin
    return report(.moved, index, value: count)
  }

  /// Empties the pipe, which holds `count` bytes, into a connection. Returns false if some of them
  /// were queued.
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
      // Nothing is queued for a failed connection.
      guard connections[index].failure == 0 else { continue }
      let bytes = UnsafeRawBufferPointer(start: scratch + Self.headroom, count: read)
      if !output.append(bytes, to: &connections[index].output) { fail(index, ENOBUFS) }
    }
    return false
  }
}
