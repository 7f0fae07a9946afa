// `steelyard explain`: how the weights of a running steelyard were computed.
import Admin
import HTTP
import Terminal

enum ExplainCommand {
  static func run(_ arguments: CommandArguments) throws(UsageError) -> ExitCode {
    let session = try AdminSession(arguments)
    return session.carryOut { () throws(CommandFailure) in
      var names = arguments.words
      if names.isEmpty {
        guard let pools = PoolStatus.read(try session.ask(.get, "pools").content) else {
          throw CommandFailure.notUnderstood
        }
        names = pools.map(\.name)
      }
      let isJSON = arguments.has("--json")
      let format = isJSON ? "json" : "text&detail=\(arguments.has("--verbose") ? "full" : "brief")"
      var texts: [String] = []
      for name in names {
        let path = "pools/\(PercentText.encoded(name))/explain?format=\(format)"
        texts.append(try session.ask(.get, path).text)
      }
      if isJSON {
        for text in texts { Console.out(text, terminator: "") }
      } else {
        Console.out(SafeText.lines(texts.joined(separator: "\n")), terminator: "")
      }
    }
  }
}
