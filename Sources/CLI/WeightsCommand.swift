// `steelyard weights`: the weights of a running steelyard, and orders that change them.
import Admin
import HTTP
import Primitives
import Terminal

enum WeightsCommand {
  static func run(_ arguments: CommandArguments) throws(UsageError) -> ExitCode {
    let orders = try OrderSession(arguments)
    let words = arguments.words
    return orders.session.carryOut { () throws(CommandFailure) in
      switch words.first {
      case "pin": try orders.change(words[1], "pin", ["weight": words[2]])
      case "scale": try orders.change(words[1], "scale", ["factor": words[2]])
      case "freeze": try orders.post(pool: words[1], "freeze")
      case "set":
        let halves = words[2].split(
          separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        try orders.post(pool: words[1], "set", [String(halves[0]): String(halves[1])])
      case "reset":
        if try orders.isEndpoint(words[1]) {
          try orders.change(words[1], "reset")
        } else {
          try orders.post(pool: words[1], "reset")
        }
      default: try show(orders, isJSON: arguments.has("--json"))
      }
    }
  }

  private static func show(_ orders: OrderSession, isJSON: Bool) throws(CommandFailure) {
    if isJSON, orders.pool == nil {
      Console.out(try orders.session.ask(.get, "pools").text, terminator: "")
      return
    }
    let pools = try orders.pools()
    if let name = orders.pool, pools.isEmpty {
      throw CommandFailure(code: .refused, message: "there is no pool \(name)")
    }
    if isJSON {
      Console.out(String(decoding: PoolStatus.json(pools), as: UTF8.self), terminator: "")
      return
    }
    for pool in pools { Console.out(table(pool)) }
  }

  private static func table(_ pool: PoolStatus) -> String {
    var rows = [
      ["endpoint", "state", "base", "target", "weight", "share", "in flight", "failed", "reason"]
    ]
    for endpoint in pool.endpoints {
      rows.append([
        endpoint.title, endpoint.state + (endpoint.backup ? ", backup" : ""),
        NumberWords.fixed(endpoint.baseWeight, 3),
        NumberWords.fixed(endpoint.targetWeight, 3), NumberWords.fixed(endpoint.effectiveWeight, 3),
        NumberWords.fixed(endpoint.weightShare * 100, 0) + " %", "\(endpoint.inFlight)",
        "\(endpoint.failed)",
        endpoint.reasonText,
      ])
    }
    let title =
      "pool \(pool.name): law \(pool.law), balance \(pool.balance)"
      + (pool.frozen ? ", frozen" : "") + (pool.dryRun ? ", dry run" : "")
    let lines = [SafeText.of(title)] + TableLayout.plain(rows, right: Set(2...7))
    return lines.joined(separator: "\n") + "\n"
  }
}
