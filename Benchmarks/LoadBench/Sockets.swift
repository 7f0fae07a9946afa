// Sockets of both sides: listening on a loopback address, connecting, accepting.
import CSystem
import Glibc
import IO
import Primitives

enum Sockets {
  /// A listening socket and its port; port 0 chooses one. Errors: the kernel's.
  static func listen(_ address: SocketAddress) throws(IOError) -> (fd: Int32, port: UInt16) {
    var storage = KernelAddress(address).storage
    let opened = sy_socket(Int32(storage.ss_family))
    guard opened >= 0 else { throw IOError("socket", -opened) }
    let fd = Int32(opened)
    _ = sy_set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1)
    var call: StaticString = "bind"
    var result = sy_bind(fd, &storage)
    if result >= 0 {
      call = "listen"
      result = sy_listen(fd, 16_384)
    }
    guard result >= 0 else {
      sy_close(fd)
      throw IOError(call, -result)
    }
    return (fd, sy_local_port(fd))
  }

  /// A socket that begins to connect. Below 0: −errno.
  static func connect(_ address: inout sockaddr_storage) -> Int32 {
    let fd = sy_socket(Int32(address.ss_family))
    guard fd >= 0 else { return Int32(fd) }
    _ = sy_set_option(Int32(fd), Int32(IPPROTO_TCP), TCP_NODELAY, 1)
    let result = sy_connect(Int32(fd), &address)
    if result == 0 || result == -Int(EINPROGRESS) { return Int32(fd) }
    sy_close(Int32(fd))
    return Int32(result)
  }

  /// The next connection of a listener. Below 0: −errno.
  static func accept(_ listener: Int32) -> Int32 {
    var address = sockaddr_storage()
    let fd = sy_accept(listener, &address)
    if fd >= 0 { _ = sy_set_option(Int32(fd), Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
    return Int32(fd)
  }

  /// Takes up to `count` bytes off the socket without copying them (tcp(7), MSG_TRUNC).
  /// Below 0: −errno.
  static func discard(_ fd: Int32, _ count: Int) -> Int {
    let taken = recv(fd, nil, count, Int32(MSG_TRUNC))
    return taken < 0 ? -Int(errno) : taken
  }
}

/// Memory for heads that came in parts; last in, first out.
struct StashPool: ~Copyable {
  private var free: [UnsafeMutableRawPointer] = []

  deinit { for stash in free { stash.deallocate() } }

  mutating func take() -> UnsafeMutableRawPointer {
    free.popLast() ?? .allocate(byteCount: Peer.stashMax, alignment: 64)
  }

  mutating func give(_ stash: UnsafeMutableRawPointer) { free.append(stash) }
}

/// A copy of a head that was parsed, so that the same bytes need not be parsed again.
struct KnownHead<Plan>: ~Copyable {
  /// Longer heads are parsed each time.
  private static var byteCountMax: Int { 4_096 }
  private let memory = UnsafeMutableRawPointer.allocate(byteCount: 4_096, alignment: 64)
  private var count = 0
  private(set) var plan: Plan

  init(_ plan: Plan) { self.plan = plan }

  deinit { memory.deallocate() }

  mutating func learn(_ head: UnsafeRawBufferPointer, _ plan: Plan) {
    guard let base = head.baseAddress, head.count <= Self.byteCountMax else { return }
    memory.copyMemory(from: base, byteCount: head.count)
    count = head.count
    self.plan = plan
  }

  mutating func forget() { count = 0 }

  /// The length of the known head where the bytes begin with it; else 0.
  func match(_ bytes: UnsafeRawBufferPointer) -> Int {
    guard count > 0, bytes.count >= count, let base = bytes.baseAddress,
      memcmp(base, memory, count) == 0
    else { return 0 }
    return count
  }
}
