// Addresses in the kernel's form, and the descriptor that wakes a loop.
public import CSystem
public import Primitives

/// An address in the kernel's form.
public struct KernelAddress: @unchecked Sendable {
  // SAFETY: plain bytes, written only in init.
  public let storage: sockaddr_storage

  public init(_ address: SocketAddress) {
    var storage = sockaddr_storage()
    address.bytes.withUnsafeBufferPointer { bytes in
      guard let base = bytes.baseAddress else { return }
      if bytes.count == 4 {
        sy_address_v4(&storage, base, address.port)
      } else {
        sy_address_v6(&storage, base, address.port)
      }
    }
    self.storage = storage
  }
}

/// Wakes a loop from another thread.
public final class Waker: Sendable {
  let fd: Int32

  public init() throws(IOError) {
    let opened = sy_eventfd()
    guard opened >= 0 else { throw IOError("eventfd", -opened) }
    fd = Int32(opened)
  }

  deinit { sy_close(fd) }

  /// Any thread. The loop's next turn begins soon and reports `.woken`.
  public func wake() {
    var one: UInt64 = 1
    _ = sy_write(fd, &one, 8)
  }

  /// Whether the loop has begun a turn since the last `wake`. Any thread.
  public var isAnswered: Bool { sy_poll(fd, 0, 0) == 0 }

  /// For a thread without a loop: sleeps until `wake`, or for so many milliseconds (−1: without a
  /// limit).
  package func wait(milliseconds: Int32) {
    guard sy_poll(fd, 0, milliseconds) != 0 else { return }
    clear()
  }

  /// The same; also ends when the other descriptor is readable.
  package func wait(orReading other: Int32, milliseconds: Int32) {
    if sy_poll_two(fd, other, milliseconds) & 1 != 0 { clear() }
  }

  private func clear() {
    var count: UInt64 = 0
    _ = sy_read(fd, &count, 8)
  }
}
