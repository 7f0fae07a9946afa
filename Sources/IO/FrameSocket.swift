// One end of a stream between two processes that carries frames: a kind, bytes, descriptors. A
// frame is a head of 8 bytes (kind, number of descriptors, two zeros, length in little-endian
// order) and its bytes; the descriptors come with the first byte. Nothing here blocks.
// Invariant: descriptors that were received and not taken are closed.
import CSystem

/// The socket and what waits in it. Control thread only.
package final class FrameSocket {
  /// One message.
  package struct Frame {
    package let kind: UInt8
    package let bytes: [UInt8]
    /// The receiver owns them.
    package let descriptors: [Int32]
  }

  /// The most bytes of a frame; the other side is not this program if it says more.
  package static let byteCountMax = 256 << 20
  /// The most descriptors of a frame.
  package static let descriptorsMax = Int(SY_DESCRIPTORS_MAX)
  /// The descriptor that a new process has it as.
  private static let inheritedDescriptor: Int32 = 3
  private static let headByteCount = 8
  private static let readByteCount = 65_536

  private let fd: Int32
  private var input: [UInt8] = []
  private var inputDescriptors: [Int32] = []
  private var output: [(bytes: [UInt8], descriptors: [Int32])] = []
  /// How much of the first output is sent.
  private var sentCount = 0
  /// Whether the other side has ended, or sent what is no frame. Frames may still be read.
  package private(set) var isEnded = false

  init(fd: Int32) { self.fd = fd }

  deinit {
    for descriptor in inputDescriptors { sy_close(descriptor) }
    sy_close(fd)
  }

  /// Both ends of a new stream. Errors: those of socketpair.
  package static func pair() throws(IOError) -> (FrameSocket, FrameSocket) {
    var ends: [Int32] = [-1, -1]
    let result = sy_socket_pair(&ends)
    guard result >= 0 else { throw IOError("socketpair", -result) }
    return (FrameSocket(fd: ends[0]), FrameSocket(fd: ends[1]))
  }

  /// The end that a process got from the one that started it, if the environment variable says so;
  /// the variable is removed. Requires: no other thread exists.
  package static func inherited(_ variable: String) -> FrameSocket? {
    guard Environment.take(variable) == "\(inheritedDescriptor)",
      sy_adopt_stream(inheritedDescriptor) >= 0
    else { return nil }
    return FrameSocket(fd: inheritedDescriptor)
  }

  /// Starts `words[0]`, a path, with the socket as its channel, `variable` in its environment, and
  /// this process's standard streams. Returns its process id. Errors: those of posix_spawn.
  package func start(
    _ words: [String], environment: [String], variable: String
  ) throws(IOError) -> Int32 {
    let lines = environment + ["\(variable)=\(Self.inheritedDescriptor)"]
    let started = ChildProcess.withStrings(words) { words in
      ChildProcess.withStrings(lines) { sy_start_successor(words, $0, fd) }
    }
    guard started > 0 else { throw IOError("posix_spawn", -started) }
    return Int32(started)
  }

  /// Sends a frame after those that wait. The descriptors stay the caller's, and open until
  /// `isDrained`. Requires: at most `descriptorsMax` descriptors.
  package func send(_ kind: UInt8, _ bytes: [UInt8] = [], descriptors: [Int32] = []) {
    precondition(descriptors.count <= Self.descriptorsMax && bytes.count <= Self.byteCountMax)
    var head = [kind, UInt8(descriptors.count), 0, 0]
    let count = UInt32(bytes.count)
    for shift in stride(from: UInt32(0), to: 32, by: 8) {
      head.append(UInt8(truncatingIfNeeded: count >> shift))
    }
    output.append((head + bytes, descriptors))
    flush()
  }

  /// Sends what waits, as far as the other side takes it.
  package func flush() {
    while let first = output.first {
      let sent = first.bytes.withUnsafeBytes { bytes in
        sy_send_descriptors(
          fd, bytes.baseAddress.map { $0 + sentCount }, bytes.count - sentCount,
          first.descriptors, sentCount == 0 ? Int32(first.descriptors.count) : 0)
      }
      guard sent > 0 else {
        if sent != -Int(EAGAIN) {
          output = []
          isEnded = true
        }
        return
      }
      sentCount += sent
      if sentCount < first.bytes.count { continue }
      output.removeFirst()
      sentCount = 0
    }
  }

  /// Whether everything was handed to the system.
  package var isDrained: Bool { output.isEmpty }

  /// The next frame; nil: none is complete.
  package func next() -> Frame? {
    if let frame = takeFrame() { return frame }
    while receive() { if let frame = takeFrame() { return frame } }
    return nil
  }

  /// Waits until there may be a frame, or what waits can be sent; at most so long.
  package func wait(milliseconds: Int32) {
    if isEnded { return }
    _ = sy_poll(fd, output.isEmpty ? 0 : 1, milliseconds)
  }

  private func takeFrame() -> Frame? {
    guard input.count >= Self.headByteCount else { return nil }
    let (kind, descriptorCount) = (input[0], Int(input[1]))
    let byteCount = (4..<8).reversed().reduce(0) { $0 << 8 | Int(input[$1]) }
    guard byteCount <= Self.byteCountMax, descriptorCount <= Self.descriptorsMax else {
      isEnded = true
      input = []
      return nil
    }
    let end = Self.headByteCount + byteCount
    guard input.count >= end else {
      input.reserveCapacity(end)
      return nil
    }
    guard inputDescriptors.count >= descriptorCount else {
      isEnded = true
      input = []
      return nil
    }
    let frame = Frame(
      kind: kind, bytes: Array(input[Self.headByteCount..<end]),
      descriptors: Array(inputDescriptors.prefix(descriptorCount)))
    input.removeFirst(end)
    inputDescriptors.removeFirst(descriptorCount)
    return frame
  }

  /// Reads once; false: there is nothing now.
  private func receive() -> Bool {
    if isEnded { return false }
    var descriptors = [Int32](repeating: -1, count: Self.descriptorsMax)
    var descriptorCount: Int32 = 0
    let count = withUnsafeTemporaryAllocation(byteCount: Self.readByteCount, alignment: 1) { room in
      let count = sy_receive_descriptors(
        fd, room.baseAddress, room.count, &descriptors, &descriptorCount)
      if count > 0 { input += room[..<count] }
      return count
    }
    inputDescriptors += descriptors.prefix(Int(descriptorCount))
    if count > 0 { return true }
    if count != -Int(EAGAIN) { isEnded = true }
    return false
  }
}
