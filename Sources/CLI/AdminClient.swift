// One request to a running steelyard's admin server, for the command line: blocking, with a
// deadline.
import Client
import HTTP
import IO
import Primitives

enum AdminClient {
  struct Failure: Error {
    let message: String
  }
  struct Answer {
    let status: Int
    let content: [UInt8]
    var text: String { String(decoding: content, as: UTF8.self) }
  }

  /// The longest answer that is read: the status of ten thousand endpoints has a tenth of this.
  private static let byteCountMax = 64 << 20

  /// Sends a request without content and waits for its answer.
  static func send(
    _ method: Method, _ path: String, to address: SocketAddress, token: Secret? = nil,
    security: ClientSecurity? = nil, timeout: Nanoseconds = .seconds(10)
  ) throws(Failure) -> Answer {
    var request = ClientRequest(
      method, path, at: address, timeout: timeout, contentBytesMax: byteCountMax)
    request.accept = "application/json"
    request.security = security
    if let security { request.host = Self.host(security.name, address.port) }
    request.keepsConnection = false
    request.fields = token.map { [.init("Authorization", "Bearer \($0.text)")] } ?? []
    let reply = BlockingClient.send(request, userAgent: Version.userAgent)
    switch reply.outcome {
    case .answered(let status, _, _, let content): return Answer(status: status, content: content)
    case .failed(let failure):
      throw Failure(message: message(failure, address, within: timeout))
    }
  }

  private static func host(_ name: String, _ port: UInt16) -> String {
    name.contains(":") ? "[\(name)]:\(port)" : "\(name):\(port)"
  }

  private static func message(
    _ failure: ClientFailure, _ address: SocketAddress, within timeout: Nanoseconds
  ) -> String {
    if let reason = failure.tls {
      return "no TLS connection to \(address): \(reason.words)\(help(reason, address))"
    }
    return switch failure.kind {
    case .refused, .unreachable:
      "nobody answers at \(address): is steelyard running, and is this its admin address? "
        + "(--admin ADDRESS)"
    case .timeout: "\(address) did not answer within \(Int(timeout.seconds)) s"
    case .tooLarge: "\(address) answers with more than 64 MiB"
    case .local: "the system refused: \(failure.detail)"
    case .badHTTP where failure.isTLSAlert:
      "\(address) speaks TLS: give it as https://\(address), with --ca FILE where needed"
    case .cut, .tls, .badHTTP, .badContent, .stopped:
      "\(address) does not answer like steelyard's admin server"
    }
  }

  private static func help(_ reason: TLSFailure, _ address: SocketAddress) -> String {
    switch reason {
    case .selfSigned, .unknownAuthority: ": give the authority's file with --ca FILE"
    case .plainHTTP, .notTLS: ": leave https:// and --ca out"
    case .noCertificate, .refusedByPeer: ": give a certificate with --cert FILE and --key FILE"
    case .wrongName: ": give the name that it is for, https://NAME:\(address.port)"
    default: ""
    }
  }
}
