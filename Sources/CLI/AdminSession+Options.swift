// Where a running steelyard listens, by the options --admin and --token-file or the environment.
import Admin
import Fleet
import Primitives

extension AdminSession {
  /// Reads `--admin` and `--token-file`; STEELYARD_ADMIN and STEELYARD_TOKEN hold if they are not
  /// given. Requires: both options are in the command's table.
  init(_ arguments: CommandArguments) throws(UsageError) {
    var address = SocketAddress.loopback(port: 9900)
    if let text = arguments.text("--admin") ?? Self.environment("STEELYARD_ADMIN") {
      guard let found = Self.address(text) else {
        let help = text.hasPrefix("https:") ? "; there is no TLS at the admin address" : ""
        throw arguments.error("\(text) is no address like 127.0.0.1:9900\(help)")
      }
      address = found
    }
    var token: Secret?
    do throws(TokenReader.Failure) {
      if let file = arguments.text("--token-file") {
        token = try TokenReader.read(.file(file)).token
      } else if Self.environment("STEELYARD_TOKEN") != nil {
        token = try TokenReader.read(.environment("STEELYARD_TOKEN")).token
      }
    } catch {
      throw arguments.error(error.message)
    }
    self.init(address: address, token: token)
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
