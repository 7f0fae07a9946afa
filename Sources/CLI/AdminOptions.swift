// What the commands that talk to a running steelyard have in common: where it is, the token, and
// the words between the options.
import Admin
import Fleet
import Primitives

struct AdminOptions {
  var address = SocketAddress.loopback(port: 9900)
  var token: Secret?
  var pool: String?
  var lasts: String?
  var deadline: String?
  var isJSON = false
  var isUndo = false
  var isOnce = false
  var isVerbose = false
  var sort: String?
  var interval: String?
  var words: [String] = []

  var session: AdminSession { AdminSession(address: address, token: token) }

  /// The environment's STEELYARD_ADMIN and STEELYARD_TOKEN hold where no option says otherwise.
  init(_ command: String, _ arguments: [String]) throws(UsageError) {
    var given: String?
    var tokenFile: String?
    var rest = arguments[...]
    while let argument = rest.popFirst() {
      let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      func value() throws(UsageError) -> String {
        if parts.count == 2 { return String(parts[1]) }
        guard let value = rest.popFirst() else {
          throw UsageError("\(command): \(argument) needs a value")
        }
        return value
      }
      switch argument.hasPrefix("-") ? String(parts[0]) : "" {
      case "--admin": given = try value()
      case "--token-file": tokenFile = try value()
      case "--pool": pool = try value()
      case "--for": lasts = try value()
      case "--deadline": deadline = try value()
      case "--sort": sort = try value()
      case "--interval": interval = try value()
      case "--once": isOnce = true
      case "--json": isJSON = true
      case "--verbose": isVerbose = true
      case "--undo": isUndo = true
      case "": words.append(argument)
      default: throw UsageError("\(command): unknown option \(argument)")
      }
    }
    if let text = given ?? Self.environment("STEELYARD_ADMIN") {
      guard let found = Self.address(text) else {
        let help = text.hasPrefix("https:") ? "; there is no TLS at the admin address" : ""
        throw UsageError("\(command): \(text) is no address like 127.0.0.1:9900\(help)")
      }
      address = found
    }
    do throws(TokenReader.Failure) {
      if let tokenFile {
        token = try TokenReader.read(.file(tokenFile)).token
      } else if Self.environment("STEELYARD_TOKEN") != nil {
        token = try TokenReader.read(.environment("STEELYARD_TOKEN")).token
      }
    } catch {
      throw UsageError("\(command): \(error.message)")
    }
  }

  /// `127.0.0.1:9900`, `localhost:9900`, or the same as in a browser: `http://localhost:9900/`.
  /// No other host name is looked up.
  static func address(_ text: String) -> SocketAddress? {
    let scheme = "http://"
    var rest = text.hasPrefix(scheme) ? text.dropFirst(scheme.count) : text[...]
    if rest.count < text.count, rest.hasSuffix("/") { rest.removeLast() }
    let localhost = "localhost:"
    if rest.lowercased().hasPrefix(localhost) {
      return SocketAddress("127.0.0.1:" + rest.dropFirst(localhost.count))
    }
    return SocketAddress(String(rest))
  }

  /// An empty variable is none.
  private static func environment(_ name: String) -> String? {
    TokenReader.environment(name).flatMap { $0.isEmpty ? nil : $0 }
  }
}
