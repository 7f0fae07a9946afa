// Frames between two processes: whole, in order, with their descriptors.
import CSystem
import Primitives
import Testing

@testable import IO

@Suite struct FrameSocketTests {
  @Test func framesOfAllSizesArriveInOrder() throws {
    let (one, other) = try FrameSocket.pair()
    let sizes = [0, 1, 7, 8, 9, 65_535, 65_536, 3_000_000]
    for (kind, size) in sizes.enumerated() {
      one.send(UInt8(kind), [UInt8](repeating: UInt8(kind), count: size))
    }
    #expect(!one.isDrained)
    for (kind, size) in sizes.enumerated() {
      var frame = other.next()
      while frame == nil {
        one.flush()
        frame = other.next()
      }
      #expect(frame?.kind == UInt8(kind))
      #expect(frame?.bytes == [UInt8](repeating: UInt8(kind), count: size))
    }
    #expect(one.isDrained && !other.isEnded)
  }

  @Test func descriptorsArriveWithTheirFrame() throws {
    let (one, other) = try FrameSocket.pair()
    let first = try ListenSocket.open(.loopback(port: 0), count: 64)
    let second = try ListenSocket.open(.loopback(port: 0), count: 2)
    one.send(1, [1])
    one.send(2, [2], descriptors: first.descriptors)
    one.send(3, [3])
    one.send(4, [UInt8](repeating: 4, count: 100_000), descriptors: second.descriptors)
    var frames: [FrameSocket.Frame] = []
    while frames.count < 4 {
      one.flush()
      if let frame = other.next() { frames.append(frame) }
    }
    #expect(frames.map(\.descriptors.count) == [0, 64, 0, 2])
    #expect(frames[1].descriptors.allSatisfy { sy_local_port($0) == first.address.port })
    #expect(frames[3].descriptors.allSatisfy { sy_local_port($0) == second.address.port })
    for descriptor in frames.flatMap(\.descriptors) { sy_close(descriptor) }
  }

  @Test func whatWasSentBeforeTheEndIsRead() throws {
    var ends: [Int32] = [-1, -1]
    #expect(sy_socket_pair(&ends) >= 0)
    let socket = FrameSocket(fd: ends[0])
    let bytes: [UInt8] = [9, 0, 0, 0, 1, 0, 0, 0, 42, 9]
    #expect(sy_write(ends[1], bytes, bytes.count) == bytes.count)
    sy_close(ends[1])
    #expect(socket.next()?.bytes == [42])
    #expect(socket.next() == nil)
    #expect(socket.isEnded)
  }

  @Test func whatIsNoFrameEndsIt() throws {
    var ends: [Int32] = [-1, -1]
    #expect(sy_socket_pair(&ends) >= 0)
    let socket = FrameSocket(fd: ends[0])
    // A length of 4 GiB.
    let bytes: [UInt8] = [1, 0, 0, 0, 255, 255, 255, 255]
    #expect(sy_write(ends[1], bytes, bytes.count) == bytes.count)
    #expect(socket.next() == nil)
    #expect(socket.isEnded)
    sy_close(ends[1])
  }

  @Test func aClosedPeerIsAnEndAndNoSignal() throws {
    var ends: [Int32] = [-1, -1]
    #expect(sy_socket_pair(&ends) >= 0)
    let socket = FrameSocket(fd: ends[0])
    sy_close(ends[1])
    #expect(socket.next() == nil)
    #expect(socket.isEnded)
    socket.send(1, [1])
    #expect(socket.isDrained)
  }
}
