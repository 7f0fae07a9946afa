// `steelyard weights`, `drain` and `explain`: a running steelyard's admin API on the command line.
import Admin
import Controller
import HTTP
import Primitives
import Terminal

enum WeightsCommand {
  private typealias Options = AdminOptions
  private typealias Stop = CommandFailure

  // MARK: Commands

  static func run(_ arguments: [String]) throws(UsageError) -> ExitCode {
    let options = try Options("weights", arguments)
    let words = options.words
    switch (words.first, words.count) {
    case (nil, _): return finish { () throws(Stop) in try show(options) }
    case ("pin", 3):
      return finish { () throws(Stop) in
        try change(options, words[1], "pin", ["weight": words[2]])
      }
    case ("scale", 3):
      return finish { () throws(Stop) in
        try change(options, words[1], "scale", ["factor": words[2]])
      }
    case ("freeze", 2):
      return finish { () throws(Stop) in try post(options, pool: words[1], "freeze", [:]) }
    case ("set", 3):
      let halves = words[2].split(separator: "=", maxSplits: 1).map(String.init)
      guard halves.count == 2 else { throw UsageError("weights: set NAME=VALUE, please") }
      return finish { () throws(Stop) in
        try post(options, pool: words[1], "set", [halves[0]: halves[1]])
      }
    case ("reset", 2):
      return finish { () throws(Stop) in
        guard SocketAddress(words[1]) == nil else {
          return try change(options, words[1], "reset", [:])
        }
        return try post(options, pool: words[1], "reset", [:])
      }
    default: throw UsageError("weights: \(words.joined(separator: " ")): not understood")
    }
  }

  static func drain(_ arguments: [String]) throws(UsageError) -> ExitCode {
    let options = try Options("drain", arguments)
    guard options.words.count == 1 else { throw UsageError("drain: one ENDPOINT, please") }
    return finish { () throws(Stop) in
      let parameters = options.deadline.map { ["deadline": $0] } ?? [:]
      try change(options, options.words[0], options.isUndo ? "reset" : "drain", parameters)
    }
  }

  static func reload(_ arguments: [String]) throws(UsageError) -> ExitCode {
    let options = try Options("reload", arguments)
    guard options.words.isEmpty else { throw UsageError("reload: only --admin ADDRESS, please") }
    return finish { () throws(Stop) in
      guard
        let answer = AdminJSON.read(
          ReloadChanges.self, try ask(options, .post, "reload").content)
      else { throw Stop.notUnderstood }
      let summary = answer.changes.isEmpty ? "reloaded: nothing has changed" : "reloaded:"
      for line in [summary] + answer.changes { Console.out(SafeText.of(line)) }
    }
  }

  static func explain(_ arguments: [String]) throws(UsageError) -> ExitCode {
    let options = try Options("explain", arguments)
    guard options.words.count <= 1 else { throw UsageError("explain: one POOL, please") }
    return finish { () throws(Stop) in
      let names: [String]
      if let name = options.words.first {
        names = [name]
      } else {
        names = try pools(options).map(\.name)
      }
      let format =
        options.isJSON ? "json" : "text&detail=\(options.isVerbose ? "full" : "brief")"
      var texts: [String] = []
      for name in names {
        let path = "pools/\(PercentText.encoded(name))/explain?format=\(format)"
        texts.append(try ask(options, .get, path).text)
      }
      if options.isJSON {
        for text in texts { Console.out(text, terminator: "") }
        return
      }
      Console.out(SafeText.lines(texts.joined(separator: "\n")), terminator: "")
    }
  }

  private static func finish(_ work: () throws(Stop) -> Void) -> ExitCode {
    do throws(Stop) {
      try work()
      return .ok
    } catch {
      error.say()
      return error.code
    }
  }

  // MARK: Requests

  private static func ask(
    _ options: Options, _ method: Method, _ path: String
  ) throws(Stop) -> AdminClient.Answer {
    try options.session.ask(method, path)
  }

  private static func pools(_ options: Options) throws(Stop) -> [PoolStatus] {
    let answer = try ask(options, .get, "pools")
    guard let pools = PoolStatus.read(answer.content) else { throw Stop.notUnderstood }
    return pools.filter { options.pool == nil || $0.name == options.pool }
  }

  /// Changes an endpoint, in the pool that has it.
  private static func change(
    _ options: Options, _ endpoint: String, _ verb: String, _ parameters: [String: String]
  ) throws(Stop) {
    let owners = try pools(options).filter { $0.endpoints.contains { $0.address == endpoint } }
    guard let owner = owners.first else {
      throw Stop(code: .refused, message: "no pool has an endpoint \(endpoint)")
    }
    guard owners.count == 1 else {
      let names = owners.map(\.name).joined(separator: ", ")
      throw Stop(
        code: .refused, message: "\(endpoint) is in several pools, say which: --pool of \(names)")
    }
    try post(
      options, pool: owner.name, "endpoints/\(PercentText.encoded(endpoint))/\(verb)", parameters)
  }

  private static func post(
    _ options: Options, pool: String, _ verb: String, _ parameters: [String: String]
  ) throws(Stop) {
    var pairs = parameters.sorted { $0.key < $1.key }.map {
      "\(PercentText.encoded($0.key))=\(PercentText.encoded($0.value))"
    }
    if let lasts = options.lasts { pairs.append("for=\(PercentText.encoded(lasts))") }
    let query = pairs.isEmpty ? "" : "?" + pairs.joined(separator: "&")
    let answer = try ask(options, .post, "pools/\(PercentText.encoded(pool))/\(verb)\(query)")
    guard let change = AdminJSON.read(ChangeAnswer.self, answer.content) else {
      throw Stop.notUnderstood
    }
    Console.out(SafeText.of(change.result))
  }

  // MARK: Table

  private static func show(_ options: Options) throws(Stop) {
    if options.isJSON, options.pool == nil {
      Console.out(try ask(options, .get, "pools").text, terminator: "")
      return
    }
    let pools = try pools(options)
    if let name = options.pool, pools.isEmpty {
      throw Stop(code: .refused, message: "there is no pool \(name)")
    }
    if options.isJSON {
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
        endpoint.address, endpoint.state + (endpoint.backup ? ", backup" : ""),
        NumberWords.fixed(endpoint.baseWeight, 3),
        NumberWords.fixed(endpoint.targetWeight, 3), NumberWords.fixed(endpoint.effectiveWeight, 3),
        "\(Int((endpoint.weightShare * 100).rounded())) %", "\(endpoint.inFlight)",
        "\(endpoint.failed)",
        endpoint.reasonText,
      ])
    }
    rows = rows.map { $0.map(SafeText.of) }
    let widths = rows[0].indices.map { column in
      rows.map { SafeText.width($0[column]) }.max() ?? 0
    }
    var text = SafeText.of("pool \(pool.name): law \(pool.law), balance \(pool.balance)")
    text += (pool.frozen ? ", frozen" : "") + (pool.dryRun ? ", dry run" : "") + "\n"
    for row in rows {
      for (column, cell) in row.enumerated() {
        let pad = String(repeating: " ", count: widths[column] - SafeText.width(cell))
        let isNumber = (2...7).contains(column)
        let isLast = column == row.count - 1
        text += isLast ? cell : (isNumber ? pad + cell : cell + pad) + "  "
      }
      text += "\n"
    }
    return text
  }
}
