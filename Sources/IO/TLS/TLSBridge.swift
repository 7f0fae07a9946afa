// Between OpenSSL and the sockets of one loop: OpenSSL reads from the socket that the loop names,
// and what it writes is collected and sent at once. One object for all connections of a loop.
// HOT PATH: no allocation, no lock, no existential, no clock.
import COpenSSL
import CSystem

struct TLSBridge {
  /// Room for the records of the most bytes that one `send` has after one read.
  static let capacity = 98_304

  /// The socket of the present call; −1: nothing can be read.
  var fd: Int32 = -1
  /// Bytes that came before the handshake was begun, read first.
  var early = UnsafeRawBufferPointer(start: nil, count: 0)
  /// The kernel has no more bytes: a read was short.
  var isDrained = false
  /// A short read does not mean that: the peer's end is near.
  var hasHangup = false
  var hasEnded = false
  /// The errno of a failed read; 0: none failed.
  var failure: Int32 = 0
  /// Requests of the peer for new keys.
  var keyUpdateCount: Int32 = 0
  /// What OpenSSL has written.
  let output: UnsafeMutableRawPointer
  var outputCount = 0
  /// OpenSSL wrote more than there is room for.
  var hasOverflowed = false

  var written: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: output, count: outputCount) }

  mutating func begin(fd: Int32, hasHangup: Bool) {
    self.fd = fd
    self.hasHangup = hasHangup
    early = UnsafeRawBufferPointer(start: nil, count: 0)
    isDrained = false
    hasEnded = false
    failure = 0
    keyUpdateCount = 0
    outputCount = 0
    hasOverflowed = false
  }

  /// Reads for OpenSSL. Returns the number of bytes; 0 at the end, after a failure, or while there
  /// is nothing.
  mutating func read(into room: UnsafeMutableRawPointer, _ count: Int) -> Int {
    if !early.isEmpty, let source = early.baseAddress {
      let taken = min(count, early.count)
      room.copyMemory(from: source, byteCount: taken)
      early = UnsafeRawBufferPointer(rebasing: early[taken...])
      return taken
    }
    if isDrained || hasEnded || failure != 0 { return 0 }
    let result = sy_recv(fd, room, count)
    if result > 0 {
      isDrained = result < count && !hasHangup
      return result
    }
    if result == 0 {
      hasEnded = true
    } else if result == -Int(EAGAIN) {
      isDrained = true
    } else {
      failure = Int32(-result)
    }
    return 0
  }

  mutating func write(_ bytes: UnsafeRawPointer, _ count: Int) -> Bool {
    guard outputCount + count <= Self.capacity else {
      hasOverflowed = true
      return false
    }
    (output + outputCount).copyMemory(from: bytes, byteCount: count)
    outputCount += count
    return true
  }

  // MARK: The BIO

  static func of(_ bio: OpaquePointer?) -> UnsafeMutablePointer<TLSBridge>? {
    BIO_get_data(bio)?.assumingMemoryBound(to: TLSBridge.self)
  }

  /// The functions that OpenSSL calls. nil: memory is lacking.
  static func makeMethod() -> OpaquePointer? {
    let type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
    guard let method = BIO_meth_new(type, "steelyard") else { return nil }
    BIO_meth_set_read_ex(method) { bio, room, count, taken in
      guard let bridge = TLSBridge.of(bio), let room else { return 0 }
      let result = bridge.pointee.read(into: room, count)
      if result > 0 {
        sy_bio_no_retry(bio)
        taken?.pointee = result
        return 1
      }
      if bridge.pointee.isDrained { sy_bio_retry_read(bio) } else { sy_bio_no_retry(bio) }
      return 0
    }
    BIO_meth_set_write_ex(method) { bio, bytes, count, written in
      sy_bio_no_retry(bio)
      guard let bridge = TLSBridge.of(bio), let bytes, bridge.pointee.write(bytes, count) else {
        return 0
      }
      written?.pointee = count
      return 1
    }
    BIO_meth_set_ctrl(method) { _, command, _, _ in command == BIO_CTRL_FLUSH ? 1 : 0 }
    BIO_meth_set_create(method) { bio in
      BIO_set_init(bio, 1)
      return 1
    }
    return method
  }
}

/// What a loop needs for TLS; made with its first TLS connection.
final class TLSRoom {
  let bridge: UnsafeMutablePointer<TLSBridge>
  let bio: OpaquePointer
  private let method: OpaquePointer

  init() {
    guard let method = TLSBridge.makeMethod(), let bio = BIO_new(method) else {
      fatalError("out of memory for TLS")
    }
    (self.method, self.bio) = (method, bio)
    bridge = .allocate(capacity: 1)
    bridge.initialize(
      to: TLSBridge(output: .allocate(byteCount: TLSBridge.capacity, alignment: 4_096)))
    BIO_set_data(bio, bridge)
  }

  deinit {
    BIO_free(bio)
    BIO_meth_free(method)
    bridge.pointee.output.deallocate()
    bridge.deallocate()
  }
}
