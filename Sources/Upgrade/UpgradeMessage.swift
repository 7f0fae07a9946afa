// What the process in charge and its successor tell each other while one replaces the other:
//   successor → process in charge   hello, then ready or refused
//   process in charge → successor   sockets (several), record; when ready: commit; while it ends:
//                                   counters, again and again
// A process ignores kinds and fields that it does not know, so that versions may differ. Invariant:
// a number, once given to a kind, is never given to another.
import FoundationEssentials
package import IO
import Primitives

/// A message; its frame has the kind as its number and, except for `counters`, JSON as its bytes.
package enum UpgradeMessage {
  /// The version of this protocol. It changes when a process of another version could not follow.
  package static let version = 1
  /// The variable that tells a process of its channel to the one that it replaces.
  package static let variable = "STEELYARD_UPGRADE"

  /// The successor runs and wants to know everything.
  case hello(Hello)
  /// The successor cannot serve, and ends.
  case refused(Refusal)
  /// The successor accepts connections.
  case ready
  /// The process in charge is to end within this time, in seconds: its successor is ending too.
  case ending(seconds: Double)
  /// Listening sockets, in the order of the frame's descriptors.
  case sockets([PassedSocket])
  /// All sockets were sent; what the successor goes on with.
  case record(UpgradeRecord)
  /// The successor is in charge. The page has the counters up to now.
  case commit(page: [UInt8])
  /// The counters of the process that ends, as a metrics page.
  case counters(page: [UInt8])

  package struct Hello: Codable, Sendable, Equatable {
    /// The version of this protocol.
    package var version: Int
    /// The version of the program, for people.
    package var program: String
    package init(version: Int, program: String) {
      (self.version, self.program) = (version, program)
    }
  }

  /// Why a successor cannot serve.
  package struct Refusal: Codable, Sendable, Equatable {
    package var exitCode: Int
    /// Sentences, or the errors of the configuration.
    package var lines: [String]
    package init(exitCode: Int, lines: [String]) { (self.exitCode, self.lines) = (exitCode, lines) }
  }

  /// One listening socket.
  package struct PassedSocket: Codable, Sendable, Equatable {
    /// The address of its listener in the configuration.
    var listener: String
    /// It is the admin address.
    var isAdmin: Bool?

    init(_ owner: InheritedSockets.Owner) {
      (listener, isAdmin) = ("\(owner.address)", owner.isAdmin ? true : nil)
    }

    /// nil: the address is none.
    var owner: InheritedSockets.Owner? {
      SocketAddress(listener).map { .init($0, isAdmin: isAdmin == true) }
    }
  }

  private struct Ending: Codable { var seconds: Double }

  private enum Kind: UInt8 {
    case hello = 1
    case refused, ready, ending
    case sockets = 16
    case record, commit, counters
  }

  /// The message of a frame; nil: it is none that this version knows.
  package init?(_ frame: FrameSocket.Frame) {
    guard let kind = Kind(rawValue: frame.kind) else { return nil }
    func read<Value: Decodable>(_ type: Value.Type) -> Value? {
      try? JSONDecoder().decode(type, from: Data(frame.bytes))
    }
    switch kind {
    case .hello:
      guard let hello = read(Hello.self) else { return nil }
      self = .hello(hello)
    case .refused:
      guard let refusal = read(Refusal.self) else { return nil }
      self = .refused(refusal)
    case .ready: self = .ready
    case .ending:
      guard let ending = read(Ending.self) else { return nil }
      self = .ending(seconds: ending.seconds)
    case .sockets:
      guard let sockets = read([PassedSocket].self), sockets.count == frame.descriptors.count
      else { return nil }
      self = .sockets(sockets)
    case .record:
      guard let record = read(UpgradeRecord.self) else { return nil }
      self = .record(record)
    case .commit: self = .commit(page: frame.bytes)
    case .counters: self = .counters(page: frame.bytes)
    }
  }

  /// The number and the bytes of its frame.
  var frame: (kind: UInt8, bytes: [UInt8]) {
    // Encoding fails only for numbers that are not finite; the record has none.
    func json(_ value: some Encodable) -> [UInt8] {
      (try? JSONEncoder().encode(value)).map { Array($0) } ?? []
    }
    return switch self {
    case .hello(let hello): (Kind.hello.rawValue, json(hello))
    case .refused(let refusal): (Kind.refused.rawValue, json(refusal))
    case .ready: (Kind.ready.rawValue, [])
    case .ending(let seconds): (Kind.ending.rawValue, json(Ending(seconds: seconds)))
    case .sockets(let sockets): (Kind.sockets.rawValue, json(sockets))
    case .record(let record): (Kind.record.rawValue, json(record))
    case .commit(let page): (Kind.commit.rawValue, page)
    case .counters(let page): (Kind.counters.rawValue, page)
    }
  }
}

extension FrameSocket {
  /// Sends a message after those that wait.
  package func send(_ message: UpgradeMessage, descriptors: [Int32] = []) {
    let frame = message.frame
    send(frame.kind, frame.bytes, descriptors: descriptors)
  }
}
