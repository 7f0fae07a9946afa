// `steelyard completion`: completion files for shells, and the present names that these ask for.
import Admin
import Fleet
import HTTP
import Manual
import Primitives
import Terminal

enum CompletionCommand {
  /// The timeout of the request: a shell waits for the answer.
  private static let timeout = Nanoseconds.seconds(1)
  private static let namesMax = 2_000

  static func run(_ arguments: CommandArguments) throws(UsageError) -> ExitCode {
    switch arguments.words[0] {
    case "bash": Console.out(CompletionScript.bash(CommandTable.all), terminator: "")
    case "zsh": Console.out(CompletionScript.zsh(CommandTable.all), terminator: "")
    case "fish": Console.out(CompletionScript.fish(CommandTable.all), terminator: "")
    case let kind:
      for name in names(kind, try AdminSession(arguments)) { Console.out(name) }
    }
    return .ok
  }

  /// The names of pools and endpoints; none if nobody answers. Names that could control a terminal
  /// are left out.
  private static func names(_ word: String, _ session: AdminSession) -> [String] {
    var session = session
    session.timeout = timeout
    let answer: AdminClient.Answer
    do throws(CommandFailure) {
      answer = try session.ask(.get, "pools")
    } catch {
      return []
    }
    let pools = PoolStatus.read(answer.content) ?? []
    var names: [String] = []
    if word != "pools" {
      // An endpoint may be in several pools.
      var seen: Set<String> = []
      names = pools.flatMap(\.endpoints).flatMap { [$0.address] + ($0.name.map { [$0] } ?? []) }
        .filter { seen.insert($0).inserted }
    }
    if word != "endpoints" { names += pools.map(\.name) }
    return Array(names.filter { $0 == SafeText.of($0) && !$0.hasPrefix("-") }.prefix(namesMax))
  }
}
