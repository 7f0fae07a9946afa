// `steelyard discover`: what each source of endpoints says now.
import Admin
import HTTP
import Primitives
import Terminal

enum DiscoverCommand {
  static func run(_ arguments: CommandArguments) throws(UsageError) -> ExitCode {
    let session = try AdminSession(arguments)
    let pool = arguments.text("--pool")
    return session.carryOut { () throws(CommandFailure) in
      if arguments.has("--json") {
        Console.out(try session.ask(.get, "discovery").text, terminator: "")
        return
      }
      let answer: DiscoveryAnswer = try session.read(.get, "discovery")
      let shown = answer.pools.filter { pool == nil || $0.pool == pool }
      if let pool, shown.isEmpty {
        throw CommandFailure(code: .refused, message: "there is no pool \(pool)")
      }
      for status in shown { Console.out(text(status)) }
    }
  }

  private static func text(_ status: DiscoveryStatus) -> String {
    var lines = [SafeText.of("pool \(status.pool)")]
    if status.sources.isEmpty { lines.append("  no endpoints") }
    for source in status.sources {
      let count = source.members.count
      var head = "  \(source.name): \(source.title), \(count) endpoint\(count == 1 ? "" : "s")"
      if let failure = source.failure { head += "; fails: \(failure)" }
      if source.failure == nil, !source.isUp { head += "; no answer yet" }
      if source.keepsThroughEmpty { head += "; the last answer was empty and is not believed" }
      if source.heldBack > 0 { head += "; \(source.heldBack) held back, they come and go" }
      lines.append(SafeText.of(head))
      var rows: [[String]] = []
      for member in source.members { rows.append(row(member)) }
      lines += TableLayout.plain(rows, right: []).map { "    " + SafeText.of($0) }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func row(_ member: DiscoveryStatus.MemberStatus) -> [String] {
    var notes: [String] = []
    if let name = member.name { notes.append(name) }
    if let weight = member.weight { notes.append("weight \(NumberWords.short(weight))") }
    if member.backup == true { notes.append("backup") }
    if member.drain { notes.append("drain") }
    if let seconds = member.expiresIn {
      notes.append("ends in \(NumberWords.fixed(seconds, 0)) s")
    }
    if member.persists == true { notes.append("kept over a restart") }
    notes += member.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    return [member.address, notes.joined(separator: ", ")]
  }
}
