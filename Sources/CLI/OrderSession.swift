// Orders of the command line to a running steelyard: changes of weights, drains.
import Admin
import Configuration
import HTTP
import Primitives
import Terminal

/// The running steelyard, and the options that orders have in common.
struct OrderSession {
  let session: AdminSession
  /// The pool of `--pool`.
  let pool: String?
  /// The time after which an order ends, as a parameter of the API.
  private let lasts: String?
  private let persists: Bool

  /// Requires: `--pool` and `--for` are in the command's table.
  init(_ arguments: CommandArguments) throws(UsageError) {
    session = try AdminSession(arguments)
    pool = arguments.text("--pool")
    lasts = arguments.text("--for")
    persists = arguments.has("--persist")
  }

  /// The pools, or the one of `--pool`; none: it does not exist.
  func pools() throws(CommandFailure) -> [PoolStatus] {
    let answer = try session.ask(.get, "pools")
    guard let pools = PoolStatus.read(answer.content) else { throw CommandFailure.notUnderstood }
    return pools.filter { pool == nil || $0.name == pool }
  }

  /// Whether a word is an address, or the name of an endpoint and of no pool.
  func isEndpoint(_ word: String) throws(CommandFailure) -> Bool {
    if SocketAddress(word) != nil { return true }
    let pools = try pools()
    return !pools.contains { $0.name == word }
      && pools.contains { $0.endpoints.contains { $0.name == word } }
  }

  /// Changes an endpoint, given by address or name, in the pool that has it.
  func change(
    _ endpoint: String, _ verb: String, _ parameters: [String: String] = [:]
  ) throws(CommandFailure) {
    let owners = try pools().filter { $0.endpoints.contains { $0.isCalled(endpoint) } }
    guard let owner = owners.first else {
      throw CommandFailure(code: .refused, message: "no pool has an endpoint \(endpoint)")
    }
    guard owners.count == 1 else {
      let names = owners.map(\.name).joined(separator: ", ")
      throw CommandFailure(
        code: .refused, message: "\(endpoint) is in several pools, say which: --pool of \(names)")
    }
    let found = owner.endpoints.filter { $0.isCalled(endpoint) }
    guard let one = found.first, found.count == 1 else {
      let addresses = found.map(\.address).joined(separator: ", ")
      throw CommandFailure(
        code: .refused, message: "\(endpoint) is the name of several endpoints: \(addresses)")
    }
    try post(pool: owner.name, "endpoints/\(PercentText.encoded(one.address))/\(verb)", parameters)
  }

  /// Sends an order to a pool and prints what came of it.
  func post(
    pool: String, _ verb: String, _ parameters: [String: String] = [:]
  ) throws(CommandFailure) {
    var pairs = parameters.sorted { $0.key < $1.key }.map {
      "\(PercentText.encoded($0.key))=\(PercentText.encoded($0.value))"
    }
    if let lasts { pairs.append("for=\(PercentText.encoded(lasts))") }
    if persists { pairs.append("persist=true") }
    let query = pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")
    let path = "pools/\(PercentText.encoded(pool))/\(verb)\(query)"
    let change: ChangeAnswer = try session.read(.post, path)
    Console.out(SafeText.of(change.result))
  }
}
