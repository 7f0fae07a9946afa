// Listening sockets: opened here, or taken over from another process or the service manager.
// Invariant: a socket that was taken over is never closed before another one accepts what waits
// in it, so that no connection is lost.
import CSystem
public import Primitives

/// A listening socket with one owner. It is closed when it goes out of scope, unless a loop took
/// it.
public struct ListenSocket: ~Copyable, Sendable {
  let fd: Int32
  /// The port; the chosen one if 0 was configured.
  public let port: UInt16

  /// Opens `count` sockets on the same address with SO_REUSEPORT, one for each worker. With port 0
  /// the system chooses a free port. `inherited` are descriptors of sockets that listen there
  /// already: all of them are taken, and as many are opened as are missing. Errors: EADDRINUSE also
  /// if another process listens there with SO_REUSEPORT, because traffic would silently be shared
  /// with it.
  public static func open(
    _ address: SocketAddress, count: Int, backlog: Int32 = 4096, adopting inherited: [Int32] = []
  ) throws(IOError) -> ListenSocketGroup {
    var target = address
    if let first = inherited.first {
      target = address.with(port: sy_local_port(first))
      return ListenSocketGroup(
        address: target,
        descriptors: try completed(inherited, target, count: count, backlog: backlog))
    }
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

  /// A worker without a socket gets one of its own in the group, or another descriptor of a socket
  /// that does not let others listen beside it, as that of a service manager.
  private static func completed(
    _ inherited: [Int32], _ address: SocketAddress, count: Int, backlog: Int32
  ) throws(IOError) -> [Int32] {
    var descriptors = inherited
    // The sockets accept the option only once they are asked to (tcp(7)).
    for fd in inherited { _ = sy_set_option(fd, Int32(IPPROTO_TCP), TCP_NODELAY, 1) }
    while descriptors.count < count {
      if let more = try? ListenSocket(address, isShared: true, backlog: backlog) {
        descriptors.append(more.release())
        continue
      }
      let copy = sy_duplicate(inherited[descriptors.count % inherited.count])
      guard copy >= 0 else {
        for fd in descriptors { sy_close(fd) }
        throw IOError("fcntl", -copy)
      }
      descriptors.append(Int32(copy))
    }
    return descriptors
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

/// The sockets of one listener until the workers have taken them: one for each worker, or more
/// where a process with more workers left them.
public final class ListenSocketGroup: Sendable {
  /// With the port that the system chose.
  public let address: SocketAddress
  /// The descriptors of all sockets, whoever owns them now. They are those of the listener as long
  /// as it is configured.
  package let descriptors: [Int32]
  private let taken: CellBlock

  init(address: SocketAddress, descriptors: [Int32]) {
    self.address = address
    self.descriptors = descriptors
    taken = CellBlock(count: descriptors.count)
  }

  /// A socket of the worker that it has not taken yet; nil: it has all of them. A worker has the
  /// sockets `index`, `index` + `workerCount` and so on. Each index from one thread only.
  public func take(_ index: Int, of workerCount: Int = 1) -> ListenSocket? {
    var number = index
    while number < descriptors.count {
      if taken[number] == 0 {
        taken.store(1, at: number)
        return ListenSocket(adopting: descriptors[number])
      }
      number += workerCount
    }
    return nil
  }

  deinit {
    for (index, fd) in descriptors.enumerated() where taken[index] == 0 { sy_close(fd) }
  }
}
