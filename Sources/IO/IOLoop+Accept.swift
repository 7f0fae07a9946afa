// New connections: accepted one by one, and not at all while there is no room for them.
// HOT PATH: no allocation, no lock, no existential, no clock.
import CSystem
public import Primitives

extension IOLoop {
  /// One accepted connection; nil: the listener has no more.
  mutating func accept() -> IOEvent? {
    let listener = listeners[acceptingListener]
    guard freeCount > 0, acceptRoom > 0 else {
      pauseAccepting()
      return nil
    }
    var address = sockaddr_storage()
    let result = sy_accept(listener.fd, &address)
    guard result >= 0 else {
      // Descriptors or memory are used up: try again after a while.
      let code = Int32(-result)
      if code == EMFILE || code == ENFILE || code == ENOBUFS || code == ENOMEM {
        shortageCount &+= 1
        pauseAccepting()
      }
      // The client went away between SYN and accept: the next one may be fine.
      if code == ECONNABORTED { return nil }
      acceptingListener = -1
      return nil
    }
    let fd = Int32(result)
    guard let id = open(fd, tag: listener.tag, isConnecting: false) else {
      sy_close(fd)
      return nil
    }
    acceptedAddress = address
    if acceptRoom != .max { acceptRoom -= 1 }
    return IOEvent(.accepted, id, tag: listener.tag)
  }

  /// The peer of the last `.accepted`.
  public var acceptedPeer: (address: IPAddress, port: UInt16) { Self.parts(of: acceptedAddress) }

  /// The local address of a connection. A system call.
  public func localAddress(_ id: ConnectionID) -> (address: IPAddress, port: UInt16)? {
    var address = sockaddr_storage()
    guard sy_local_address(connections[Int(id.index)].fd, &address) != 0 else { return nil }
    return Self.parts(of: address)
  }

  private static func parts(of address: sockaddr_storage) -> (address: IPAddress, port: UInt16) {
    var address = address
    var bytes: (UInt64, UInt64) = (0, 0)
    var port: UInt16 = 0
    return withUnsafeMutableBytes(of: &bytes) { room in
      let count = sy_address_parts(&address, room.bindMemory(to: UInt8.self).baseAddress, &port)
      let used = UnsafeRawBufferPointer(rebasing: room[0..<Int(count)])
      return (IPAddress(networkOrder: used), port)
    }
  }

  private mutating func pauseAccepting() {
    pauseListeners()
    isFull = true
    // Closing connections makes room soon; resources of the system take longer.
    listenersResumeAt = now + .milliseconds(acceptRoom > 0 ? 100 : 10)
  }

  /// There is room again: pending connections are accepted from the next turn on.
  public mutating func resumeAccepting() {
    if isFull { resumeListeners() }
  }
}
