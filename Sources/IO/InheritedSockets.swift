// Listening sockets that another process opened: the steelyard that this one replaces, or the
// service manager (sd_listen_fds(3)). Invariant: each is taken by one listener, or closed.
import CSystem
package import Primitives

/// The sockets that no listener has taken yet. Control thread only.
package final class InheritedSockets {
  /// One listening socket.
  private struct Entry {
    /// Who had it; nil: it is known by its own address.
    let owner: Owner?
    let address: SocketAddress
    let descriptor: Int32
  }

  /// Who had a socket.
  package struct Owner: Sendable, Equatable {
    /// The address of the listener, as configured: the system may have chosen the port.
    package var address: SocketAddress
    /// Whether it is the admin address.
    package var isAdmin: Bool
    package init(_ address: SocketAddress, isAdmin: Bool = false) {
      (self.address, self.isAdmin) = (address, isAdmin)
    }
  }

  private var entries: [Entry] = []

  package init() {}

  deinit { closeRest() }

  package var isEmpty: Bool { entries.isEmpty }

  /// Takes over a descriptor. Errors: it is no socket that listens for TCP; it is closed then.
  package func add(_ descriptor: Int32, of owner: Owner?) throws(IOError) {
    let result = sy_adopt_listener(descriptor)
    guard result >= 0, let address = Self.address(of: descriptor) else {
      sy_close(descriptor)
      throw IOError("getsockopt", result < 0 ? -result : Int(EINVAL))
    }
    entries.append(Entry(owner: owner, address: address, descriptor: descriptor))
  }

  /// The descriptors of the sockets for a listener, which owns them from now on; empty: there is
  /// none. Listeners whose ports the system chose get them in their order.
  package func take(_ owner: Owner) -> [Int32] {
    let address = owner.address
    var found = entries.filter { $0.owner == owner }
    if let first = found.first { found.removeAll { $0.address != first.address } }
    if found.isEmpty { found = entries.filter { $0.address == address } }
    if found.isEmpty, address.bytes.allSatisfy({ $0 == 0 }) {
      // A socket of [::] that takes IPv4 too is what service managers open for a bare port.
      found = entries.filter {
        $0.owner == nil && $0.address.port == address.port
          && $0.address.bytes.allSatisfy { $0 == 0 }
      }
    }
    entries.removeAll { entry in found.contains { $0.descriptor == entry.descriptor } }
    return found.map(\.descriptor)
  }

  /// Closes the sockets that no listener has taken. Returns their addresses.
  @discardableResult
  package func closeRest() -> [SocketAddress] {
    defer { entries = [] }
    for entry in entries { sy_close(entry.descriptor) }
    return entries.map(\.address)
  }

  private static func address(of descriptor: Int32) -> SocketAddress? {
    var storage = sockaddr_storage()
    guard sy_local_address(descriptor, &storage) != 0 else { return nil }
    var bytes = [UInt8](repeating: 0, count: 16)
    var port: UInt16 = 0
    let count = sy_address_parts(&storage, &bytes, &port)
    return SocketAddress(bytes: Array(bytes.prefix(Int(count))), port: port)
  }
}
