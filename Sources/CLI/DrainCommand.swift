// `steelyard drain`: an endpoint gets no new requests, or gets them again.

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
