// One request to a running steelyard's admin server, for the command line: blocking, with a
// deadline.
import Client
import HTTP
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
    timeout: Nanoseconds = .seconds(10)
  ) throws(Failure) -> Answer {
    var request = ClientRequest(
      method, path, at: address, timeout: timeout, contentBytesMax: byteCountMax)
    request.accept = "application/json"
    request.keepsConnection = false
    request.fields = token.map { [.init("Authorization", "Bearer \($0.text)")] } ?? []
    let reply = BlockingClient.send(request, userAgent: Version.userAgent)
    switch reply.outcome {
    case .answered(let status, _, _, let content): return Answer(status: status, content: content)
    case .failed(let failure):
      throw Failure(message: message(failure, address, within: timeout))
    }
  }

  private static func message(
    _ failure: ClientFailure, _ address: SocketAddress, within timeout: Nanoseconds
  ) -> String {
    switch failure.kind {
    case .refused, .unreachable:
      "nobody answers at \(address): is steelyard running, and is this its admin address? "
        + "(--admin ADDRESS)"
    case .timeout: "\(address) did not answer within \(Int(timeout.seconds)) s"
    case .tooLarge: "\(address) answers with more than 64 MiB"
    case .local: "the system refused: \(failure.detail)"
    case .cut, .badHTTP, .badContent, .stopped:
      "\(address) does not answer like steelyard's admin server"
    }
  }
}
