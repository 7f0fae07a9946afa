// `steelyard endpoints`: endpoints of a running steelyard that are not in its file.
import Admin
import HTTP
import Primitives
import Terminal

enum EndpointsCommand {
  static func run(_ arguments: CommandArguments) throws(UsageError) -> ExitCode {
    let words = arguments.words
    guard words.count == 3 else { return try DiscoverCommand.run(arguments) }
    let session = try AdminSession(arguments)
    let isRemoval = words[0] == "remove"
    var parameters: [(String, String)] = []
    for (option, name) in [
      ("--weight", "weight"), ("--name", "name"), ("--uid", "uid"), ("--labels", "labels"),
      ("--for", "for"),
    ] {
      if let value = arguments.text(option) { parameters.append((name, value)) }
    }
    for (option, name) in [("--backup", "backup"), ("--drain", "drain"), ("--persist", "persist")]
    where arguments.has(option) {
      parameters.append((name, "true"))
    }
    if isRemoval, !parameters.isEmpty {
      throw UsageError("endpoints", "`remove` takes no settings")
    }
    return session.carryOut { () throws(CommandFailure) in
      let pairs = parameters.map {
        "\(PercentText.encoded($0.0))=\(PercentText.encoded($0.1))"
      }
      let query = pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")
      let path =
        "pools/\(PercentText.encoded(words[1]))/endpoints/\(PercentText.encoded(words[2]))\(query)"
      let answer: ChangeAnswer = try session.read(isRemoval ? .delete : .put, path)
      Console.out(SafeText.of(answer.result))
    }
  }
}
