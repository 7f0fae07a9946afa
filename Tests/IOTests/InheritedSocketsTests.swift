// Listening sockets that another process opened, and workers more or fewer than these.
import CSystem
import Primitives
import Testing

@testable import IO

@Suite struct InheritedSocketsTests {
  /// Descriptors as another process would send them.
  private func copies(_ group: ListenSocketGroup) -> [Int32] {
    group.descriptors.map { Int32(sy_duplicate($0)) }
  }

  @Test func socketsAreFoundByTheirListener() throws {
    let chosen = try ListenSocket.open(.loopback(port: 0), count: 2)
    let sockets = InheritedSockets()
    for fd in copies(chosen) { try sockets.add(fd, of: .init(.loopback(port: 0))) }
    #expect(sockets.take(.init(.loopback(port: 1))).isEmpty)
    let found = sockets.take(.init(.loopback(port: 0)))
    #expect(found.count == 2 && sockets.isEmpty)
    let group = try ListenSocket.open(.loopback(port: 0), count: 2, adopting: found)
    #expect(group.address == chosen.address)
    // The configuration may name the port now that was chosen before.
    for fd in copies(chosen) { try sockets.add(fd, of: .init(.loopback(port: 0))) }
    let again = sockets.take(.init(chosen.address))
    #expect(again.count == 2)
    for fd in again { sy_close(fd) }
  }

  /// The system chose the ports of three sockets with the same configured address.
  @Test func chosenPortsStayWithTheirOwners() throws {
    let groups = try (0..<3).map { _ in try ListenSocket.open(.loopback(port: 0), count: 2) }
    let sockets = InheritedSockets()
    let any = SocketAddress.loopback(port: 0)
    for fd in copies(groups[0]) { try sockets.add(fd, of: .init(any, isAdmin: true)) }
    for group in groups[1...] { for fd in copies(group) { try sockets.add(fd, of: .init(any)) } }
    for group in groups[1...] {
      let found = sockets.take(.init(any))
      #expect(found.map { sy_local_port($0) } == [group.address.port, group.address.port])
      for fd in found { sy_close(fd) }
    }
    #expect(sockets.take(.init(any)).isEmpty)
    let admin = sockets.take(.init(any, isAdmin: true))
    #expect(admin.count == 2 && sy_local_port(admin[0]) == groups[0].address.port)
    for fd in admin { sy_close(fd) }
  }

  @Test func aWildcardOfTheServiceManagerServesIPv4() throws {
    let six = SocketAddress(bytes: [UInt8](repeating: 0, count: 16), port: 0)
    let opened = try ListenSocket.open(six, count: 1)
    let sockets = InheritedSockets()
    for fd in copies(opened) { try sockets.add(fd, of: nil) }
    let four = SocketAddress(bytes: [0, 0, 0, 0], port: opened.address.port)
    #expect(sockets.take(.init(four.with(port: 1))).isEmpty)
    let found = sockets.take(.init(four))
    #expect(found.count == 1)
    for fd in found { sy_close(fd) }
  }

  @Test func whatDoesNotListenIsRefused() throws {
    let sockets = InheritedSockets()
    var ends: [Int32] = [-1, -1]
    #expect(sy_socket_pair(&ends) >= 0)
    #expect(throws: IOError.self) { try sockets.add(ends[0], of: nil) }
    #expect(throws: IOError.self) { try sockets.add(9_999, of: nil) }
    sy_close(ends[1])
    #expect(sockets.isEmpty && sockets.closeRest().isEmpty)
  }

  @Test func theRestIsClosedAndNamed() throws {
    let opened = try ListenSocket.open(.loopback(port: 0), count: 1)
    let sockets = InheritedSockets()
    for fd in copies(opened) { try sockets.add(fd, of: nil) }
    #expect(sockets.closeRest() == [opened.address])
    #expect(sockets.take(.init(opened.address)).isEmpty)
  }

  @Test func everySocketHasAWorker() throws {
    for workers in 1...5 {
      for count in 1...5 {
        let opened = try ListenSocket.open(.loopback(port: 0), count: count)
        let group = try ListenSocket.open(
          opened.address, count: workers, adopting: copies(opened))
        #expect(group.descriptors.count == max(workers, count))
        var taken = 0
        for worker in 0..<workers {
          var own = 0
          while group.take(worker, of: workers) != nil { own += 1 }
          #expect(own >= 1, "worker \(worker) of \(workers) with \(count) sockets")
          taken += own
        }
        #expect(taken == group.descriptors.count)
      }
    }
  }

  /// Such a socket lets no other listen beside it, so that its workers share it.
  @Test func aSocketThatIsAloneIsShared() throws {
    let alone = try ListenSocket.open(.loopback(port: 0), count: 1)
    #expect(sy_set_option(alone.descriptors[0], SOL_SOCKET, SO_REUSEPORT, 0) >= 0)
    let group = try ListenSocket.open(alone.address, count: 3, adopting: copies(alone))
    #expect(group.descriptors.count == 3)
    #expect(group.descriptors.allSatisfy { sy_local_port($0) == alone.address.port })
  }
}
