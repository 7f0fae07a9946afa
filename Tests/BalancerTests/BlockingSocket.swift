import CSystem
import Primitives
import Testing

/// A blocking TCP socket for tests. Every call gives up after 20 s.
final class BlockingSocket: Sendable {
  let fd: Int32

  private init(_ fd: Int32) {
    self.fd = fd
    var limit = timeval(tv_sec: 20, tv_usec: 0)
    let size = socklen_t(MemoryLayout<timeval>.size)
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
    _ = sy_set_option(fd, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
  }

  deinit { sy_close(fd) }

  private static func open(_ address: SocketAddress) -> (fd: Int32, storage: sockaddr_storage) {
    var storage = sockaddr_storage()
    sy_address_v4(&storage, address.bytes, address.port)
    let fd = Int32(sy_socket(AF_INET))
    sy_set_blocking(fd)
    return (fd, storage)
  }

  static func connect(to address: SocketAddress) throws -> BlockingSocket {
    var (fd, storage) = open(address)
    let socket = BlockingSocket(fd)
    guard sy_connect(fd, &storage) == 0 else { throw Failure() }
    return socket
  }

  /// Listens on a free port of 127.0.0.1.
  static func listen() throws -> (socket: BlockingSocket, address: SocketAddress) {
    var (fd, storage) = open(.loopback(port: 0))
    let socket = BlockingSocket(fd)
    guard sy_bind(fd, &storage) >= 0, sy_listen(fd, 128) >= 0 else { throw Failure() }
    return (socket, .loopback(port: sy_local_port(fd)))
  }

  func accept() -> BlockingSocket? {
    var storage = sockaddr_storage()
    let accepted = sy_accept(fd, &storage)
    guard accepted >= 0 else { return nil }
    sy_set_blocking(Int32(accepted))
    return BlockingSocket(Int32(accepted))
  }

  func send(_ bytes: [UInt8]) throws {
    var rest = bytes[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { sy_send(fd, $0.baseAddress, $0.count) }
      guard count > 0 else { throw Failure() }
      rest = rest.dropFirst(count)
    }
  }

  func send(_ text: String) throws { try send(Array(text.utf8)) }

  /// The bytes of one read; empty: the peer has closed; nil: an error, or 20 s have passed.
  func receive() -> [UInt8]? {
    var room = [UInt8](repeating: 0, count: 65_536)
    let count = sy_recv(fd, &room, room.count)
    return count >= 0 ? Array(room[..<count]) : nil
  }

  /// Reads until `isEnough` returns true or the peer closes.
  func receive(until isEnough: ([UInt8]) -> Bool) -> [UInt8] {
    var bytes: [UInt8] = []
    while !isEnough(bytes), let more = receive(), !more.isEmpty { bytes += more }
    return bytes
  }

  /// Reads a head and as much content as its Content-Length says.
  func receiveMessage() -> String {
    let bytes = receive { bytes in
      let text = String(decoding: bytes, as: UTF8.self)
      guard let end = text.range(of: "\r\n\r\n") else { return false }
      var length = 0
      for line in text[..<end.lowerBound].split(separator: "\r\n")
      where line.lowercased().hasPrefix("content-length:") {
        length = Int(line.dropFirst(15).drop { $0 == " " }) ?? 0
      }
      return text[end.upperBound...].utf8.count >= length
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Reads until the peer closes.
  func receiveAll() -> String { String(decoding: receive { _ in false }, as: UTF8.self) }

  struct Failure: Error {}
}

extension String {
  fileprivate func range(of needle: String) -> Range<String.Index>? {
    let hay = utf8
    let wanted = Array(needle.utf8)
    var start = hay.startIndex
    while start != hay.endIndex {
      if hay[start...].starts(with: wanted) {
        return start..<hay.index(start, offsetBy: wanted.count)
      }
      start = hay.index(after: start)
    }
    return nil
  }
}
