// What all clients of a run share: where they go, what they ask, and what goes wrong.
import CSystem
import HTTP
import IO
import Primitives

/// Why a request failed; the same words in every result.
struct ErrorTally {
  enum Kind: Int, CaseIterable {
    /// No connection.
    case connect
    /// The connection ended before the answer did.
    case cut
    case malformed
    /// A stream ended with too few or too many tokens.
    case short

    var label: String {
      switch self {
      case .connect: "connect"
      case .cut: "cut"
      case .malformed: "malformed"
      case .short: "short"
      }
    }
  }

  private var kinds = [Int](repeating: 0, count: Kind.allCases.count)
  private var statuses = [Int](repeating: 0, count: 1_000)
  private(set) var count = 0

  mutating func add(_ kind: Kind) {
    kinds[kind.rawValue] += 1
    count += 1
  }

  /// Requires: 0..<1000.
  mutating func add(status: Int) {
    statuses[status] += 1
    count += 1
  }

  /// Each kind that occurred.
  var byKind: [(label: String, count: Int)] {
    let first = Kind.allCases.map { ($0.label, kinds[$0.rawValue]) }
    let rest = statuses.indices.map { ("status_\($0)", statuses[$0]) }
    return (first + rest).filter { $0.1 > 0 }
  }
}

struct Clients: ~Copyable {
  /// Connections that are being made at the same time; listeners' backlogs are not endless.
  static let connectingMax = 256

  var target = sockaddr_storage()
  /// The request's head.
  private(set) var request = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
  private(set) var upload = 0
  var parser = HeadParser()
  /// The last answer's head, which the next one usually equals.
  var known = KnownHead(AnswerPlan())
  var bytesDown = 0
  var bytesUp = 0
  var connectingCount = 0
  var partingCount = 0
  var errors = ErrorTally()
  /// The last refusal to connect.
  var connectCode: Int32 = 0

  deinit { request.deallocate() }

  /// Requires: no client is left of an earlier run that could still send.
  mutating func aim(
    _ address: SocketAddress, path: String, fields: Bool, upload: Int, isPersistent: Bool
  ) {
    target = KernelAddress(address).storage
    let query = fields ? (path.contains("?") ? "&fields=1" : "?fields=1") : ""
    var head = "\(upload > 0 ? "POST" : "GET") \(path)\(query) HTTP/1.1\r\nHost: \(address)\r\n"
    if fields { head += Fields.request }
    if upload > 0 { head += "Content-Length: \(upload)\r\n" }
    if !isPersistent { head += "Connection: close\r\n" }
    head += "\r\n"
    request.deallocate()
    request = .allocate(byteCount: head.utf8.count, alignment: 64)
    request.copyBytes(from: head.utf8)
    self.upload = upload
    known.forget()
    bytesDown = 0
    bytesUp = 0
    errors = ErrorTally()
    connectCode = 0
  }
}
