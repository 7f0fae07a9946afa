// Where a running steelyard listens, by the options --admin, --token-file, --ca, --cert
// and --key or the environment.
import Certificates
import Admin
import Client
import Fleet
import IO
import Primitives

extension AdminSession {
  /// Reads `--admin`, `--token-file` and the options of TLS; STEELYARD_ADMIN and STEELYARD_TOKEN
  /// hold if they are not given. Requires: the options are in the command's table.
  init(_ arguments: CommandArguments) throws(UsageError) {
    var address = SocketAddress.loopback(port: 9900)
    let given = try ClientTLS.given(arguments)
    var security: ClientSecurity?
    if let text = arguments.text("--admin") ?? Self.environment("STEELYARD_ADMIN") {
      guard let found = AdminAddress(text) else {
        throw arguments.error("\(text) is no address like 127.0.0.1:9900 or https://HOST:9900")
      }
      do throws(HostResolver.Failure) {
        address = try found.resolved()
      } catch {
        throw arguments.error("cannot find \(found.name): \(error.reason)")
      }
      if found.isTLS == false, given != nil {
        throw arguments.error("\(text) is no https:// address: --ca and --cert are for TLS")
      }
      if found.isTLS == true || given != nil {
        security = try (given ?? ClientTLS()).security(name: found.name, arguments)
      }
    } else if let given {
      security = try given.security(name: "127.0.0.1", arguments)
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
    self.init(address: address, token: token, security: security)
  }

  /// An empty variable is none.
  private static func environment(_ name: String) -> String? {
    TokenReader.environment(name).flatMap { $0.isEmpty ? nil : $0 }
  }
}
