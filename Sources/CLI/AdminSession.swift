// Requests of the command line to a running steelyard, and the meaning of its refusals.
import Admin
import Client
import HTTP
import Primitives
import Terminal

/// Why a command could not do its work.
struct CommandFailure: Error {
  let code: ExitCode
  let message: String
  /// The steelyard has just started and has no reading yet.
  var isEarly = false

  /// Prints the message to standard error. Parts of it may come from an unknown server.
  func say() { Console.error("steelyard: \(SafeText.lines(message))") }

  static let notUnderstood = CommandFailure(
    code: .unavailable, message: "the admin server's answer is not understood")
}

/// The address of a running steelyard, and the token for it.
struct AdminSession: Sendable {
  let address: SocketAddress
  let token: Secret?
  /// TLS of the connection; nil: it is in the clear.
  var security: ClientSecurity?
  var timeout = Nanoseconds.seconds(10)

  /// The answer to a request below /api/v1/, which was 200. Blocks until then.
  func ask(_ method: Method, _ path: String) throws(CommandFailure) -> AdminClient.Answer {
    let answer: AdminClient.Answer
    do throws(AdminClient.Failure) {
      answer = try AdminClient.send(
        method, AdminResource.apiPrefix + path, to: address, token: token,
        security: security, timeout: timeout)
    } catch {
      throw CommandFailure(code: .unavailable, message: error.message)
    }
    guard answer.status == 200 else { throw refusal(answer) }
    return answer
  }

  /// The answer, read as JSON.
  func read<Value: Decodable>(
    _ method: Method, _ path: String
  ) throws(CommandFailure) -> Value {
    guard let value = AdminJSON.read(Value.self, try ask(method, path).content) else {
      throw CommandFailure.notUnderstood
    }
    return value
  }

  /// Carries out the work of a command and prints why it failed, if so. Returns the exit code.
  func carryOut(_ work: () throws(CommandFailure) -> Void) -> ExitCode {
    do throws(CommandFailure) {
      try work()
      return .ok
    } catch {
      error.say()
      return error.code
    }
  }

  private func refusal(_ answer: AdminClient.Answer) -> CommandFailure {
    var text = answer.text.split(separator: "\n").prefix(200).joined(separator: "\n")
    if let problem = Problem.read(answer.content) {
      text = ([problem.detail] + problem.errors).joined(separator: "\n")
    }
    switch answer.status {
    case 401:
      return CommandFailure(
        code: .noPermission,
        message: "not allowed: \(address) "
          + (token == nil ? "wants a token" : "does not know this token")
          + "; give it with --token-file FILE, or in STEELYARD_TOKEN")
    case 403: return CommandFailure(code: .noPermission, message: "not allowed: \(text)")
    case 503: return CommandFailure(code: .unavailable, message: text, isEarly: true)
    default: return CommandFailure(code: .refused, message: "refused: \(text)")
    }
  }
}
