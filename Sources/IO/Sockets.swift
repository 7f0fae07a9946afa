// Listening sockets, addresses in the kernel's form, and the descriptor that wakes a loop.
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

/// A listening socket with one owner. It is closed when it goes out of scope, unless a loop took
/// it.
public struct ListenSocket: ~Copyable, Sendable {
  let fd: Int32
  /// The port; the chosen one if 0 was configured.
  public let port: UInt16

  /// Opens `count` sockets on the same address with SO_REUSEPORT, one for each worker. With port 0
  /// the system chooses a free port. Errors: EADDRINUSE also if another process listens there with
  /// SO_REUSEPORT, because traffic would silently be shared with it.
  public static func open(
    _ address: SocketAddress, count: Int, backlog: Int32 = 4096
  ) throws(IOError) -> ListenSocketGroup {
    var target = address
    if address.port != 0 {
      let probe = try ListenSocket(address, isShared: false, backlog: nil)
      _ = consume probe
    }
    var descriptors: [Int32] = []
    for _ in 0..<count {
      do {
        let socket = try ListenSocket(target, isShared: true, backlog: backlog)
        target = target.with(port: socket.port)
        descriptors.append(socket.release())
      } catch {
        for fd in descriptors { sy_close(fd) }
        throw error
      }
    }
    return ListenSocketGroup(address: target, descriptors: descriptors)
  }

  private init(_ address: SocketAddress, isShared: Bool, backlog: Int32?) throws(IOError) {
    self.init(adopting: try Self.bound(address, isShared: isShared, backlog: backlog))
  }

  private static func bound(
    _ address: SocketAddress, isShared: Bool, backlog: Int32?
  ) throws(IOError) -> Int32 {
    var storage = KernelAddress(address).storage
    let opened = sy_socket(Int32(storage.ss_family))
    guard opened >= 0 else { throw IOError("socket", -opened) }
    let fd = Int32(opened)
    var result = sy_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    if isShared, result >= 0 { result = sy_set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1) }
    if result >= 0 { result = sy_bind(fd, &storage) }
    var call: StaticString = "bind"
    // Accepted connections inherit the option (tcp(7)), so that it need not be set on each.
    if backlog != nil, result >= 0 {
      result = sy_set_option(fd, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    }
    if result >= 0, let backlog {
      result = sy_listen(fd, backlog)
      call = "listen"
    }
    guard result >= 0 else {
      sy_close(fd)
      throw IOError(call, -result)
    }
    return fd
  }

  init(adopting fd: Int32) {
    self.fd = fd
    port = sy_local_port(fd)
  }

  consuming func release() -> Int32 {
    let fd = fd
    discard self
    return fd
  }

  deinit { sy_close(fd) }
}

/// The sockets of one listener, one for each worker, until the workers have taken them.
public final class ListenSocketGroup: Sendable {
  /// With the port that the system chose.
  public let address: SocketAddress
  private let descriptors: [Int32]
  private let taken: CellBlock

  init(address: SocketAddress, descriptors: [Int32]) {
    self.address = address
    self.descriptors = descriptors
    taken = CellBlock(count: descriptors.count)
  }

  /// The socket of worker `index`; nil: it was already taken. Each index from one thread only.
  public func take(_ index: Int) -> ListenSocket? {
    guard taken[index] == 0 else { return nil }
    taken.store(1, at: index)
    return ListenSocket(adopting: descriptors[index])
  }

  deinit {
    for (index, fd) in descriptors.enumerated() where taken[index] == 0 { sy_close(fd) }
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
