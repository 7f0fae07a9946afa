// `steelyard drain`: no new requests for an endpoint, or again some.

enum DrainCommand {
  static func run(_ arguments: CommandArguments) throws(UsageError) -> ExitCode {
    let orders = try OrderSession(arguments)
    return orders.session.carryOut { () throws(CommandFailure) in
      let parameters = arguments.text("--deadline").map { ["deadline": $0] } ?? [:]
      try orders.change(
        arguments.words[0], arguments.has("--undo") ? "reset" : "drain", parameters)
    }
  }
}
