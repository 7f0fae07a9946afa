// The output of `steelyard top`: turns its state into exactly as many lines as the screen has, and
// into the plain text of `--once`. If there is too little room, decisions are left out first, then
// pools.
import Primitives

extension TopState {
  /// The lines of the screen, at most `rows` of them. Scrolls so that the chosen row is visible.
  package mutating func screen(columns: Int, rows rowCount: Int) -> [ScreenLine] {
    guard rowCount > 0, columns > 0 else { return [] }
    guard rowCount > 1 else { return [footer(columns)] }
    let head = Array(heading(columns, rowCount).prefix(max(0, rowCount - 2)))
    let room = rowCount - head.count - 1
    var body: [ScreenLine]
    switch mode {
    case .help: body = Array(Self.helpLines(columns).prefix(room))
    case .pools(let chosen): body = poolChoice(chosen, room)
    default: body = table(columns, room)
    }
    if lost != nil, mode != .help { body = body.map(\.faded) }
    let blanks = [ScreenLine](repeating: ScreenLine(), count: max(0, room - body.count))
    return head + body + blanks + [footer(columns)]
  }

  /// The same as one text, as long as necessary.
  package func plainText(columns: Int) -> [ScreenLine] {
    let cells = rows.map(Self.cells)
    let layout = TableLayout(tableColumns, cells, width: columns)
    var lines = heading(columns, .max)
    lines.append(ScreenLine())
    lines.append(layout.header())
    lines += cells.map(layout.line)
    let decisions = report?.decisions ?? []
    if !decisions.isEmpty {
      lines.append(ScreenLine())
      lines += decisionLines(decisions.count, columns)
    }
    return lines
  }

  // MARK: Head

  private func heading(_ columns: Int, _ rowCount: Int) -> [ScreenLine] {
    var lines = [titleLine(columns)]
    if rowCount >= 6 { lines.append(requestLine) }
    if rowCount >= 8 { lines.append(summaryLine) }
    if let lost {
      lines = lines.map(\.faded)
      var line = ScreenLine("no answer since \(lost.since): ", .bad)
      line.append("\(lost.reason); asking again", .bad)
      lines.append(line)
    }
    let conditions = report?.conditions ?? []
    let conditionsMax = rowCount == .max ? conditions.count : rowCount / 8
    var rest = conditions.prefix(conditionsMax).map(Self.line)
    if rowCount >= 16, let pools = report?.pools, !pools.isEmpty {
      rest.append(ScreenLine())
      rest += poolLines(pools, columns, rowCount == .max ? pools.count : max(1, rowCount / 5))
    }
    return lines + (lost == nil ? rest : rest.map(\.faded))
  }

  private func titleLine(_ columns: Int) -> ScreenLine {
    var line = ScreenLine("steelyard", .title)
    guard let report else {
      line.append("  \(address)  no answer yet", .faint)
      return line
    }
    line.append(" \(report.version ?? "")", .title)
    line.append("  \(address)")
    line.append("  up \(Quantity.span(report.uptimeSeconds))")
    if report.ready == true {
      line.append("  ready", .good)
    } else {
      line.append("  not ready", .bad)
    }
    if columns >= 80 {
      line.append(
        "  revision \(Quantity.count(report.revision))  \(Quantity.count(report.workers)) worker"
          + (report.workers == 1 ? "" : "s"),
        .faint)
    }
    return line
  }

  /// The fate of the requests of all pools, per second.
  private var requestLine: ScreenLine {
    guard let report else { return ScreenLine() }
    var line = ScreenLine("requests/s ", .faint)
    line.append(Quantity.rate(report.arrivalsPerSecond), .strong)
    let parts: [(name: String, rate: Double?, tone: Tone)] = [
      ("answered", report.answeredPerSecond, .normal),
      ("4xx", report.clientErrorsPerSecond, .normal),
      ("5xx", report.serverErrorsPerSecond, .bad),
      ("refused", report.refusedPerSecond, .bad),
      ("given up", report.givenUpPerSecond, .bad),
    ]
    for (name, rate, tone) in parts {
      line.append("  \(name) ", .faint)
      line.append(Quantity.rate(rate), rate ?? 0 > 0 ? tone : .normal)
    }
    return line
  }

  private var summaryLine: ScreenLine {
    guard let report else { return ScreenLine() }
    var line = ScreenLine("\(Quantity.count(report.connections)) connections")
    let conditions = report.conditions ?? []
    guard !conditions.isEmpty else {
      line.append("  no conditions", .good)
      return line
    }
    for severity in ["disaster", "critical", "warning"] {
      let count = conditions.count { $0.severity == severity }
      if count > 0 {
        line.append("  ")
        line.append("\(count) \(severity)\(count == 1 ? "" : "s")", Self.tone(of: severity))
      }
    }
    // The server reports only the first hundred.
    let more = (report.conditionCount ?? 0) - Double(conditions.count)
    if more > 0 { line.append("  and \(Quantity.count(more)) more", .warning) }
    return line
  }

  private static func tone(of severity: String?) -> Tone {
    switch severity {
    case "disaster": .disaster
    case "critical": .bad
    default: .warning
    }
  }

  private static func line(of condition: ConditionReport) -> ScreenLine {
    var line = ScreenLine(condition.severity ?? "", tone(of: condition.severity))
    let name = condition.alert ?? ""
    line.append(" \(name.hasPrefix("Steelyard") ? String(name.dropFirst(9)) : name)", .strong)
    if let pool = condition.pool { line.append(" \(pool)") }
    if let endpoint = condition.endpoint { line.append(" \(endpoint)") }
    line.append(": \(condition.text ?? "")")
    return line
  }

  // MARK: Pools

  private static let poolColumns = [
    TableLayout.Column("pool", isRight: false, priority: 0, widthMin: 8, isName: true),
    TableLayout.Column("ready", priority: 4), TableLayout.Column("req/s", priority: 1),
    TableLayout.Column("fail %", priority: 2), TableLayout.Column("answ/s", priority: 5),
    TableLayout.Column("4xx/s", priority: 9), TableLayout.Column("5xx/s", priority: 8),
    TableLayout.Column("refus/s", priority: 6), TableLayout.Column("gave up/s", priority: 7),
    TableLayout.Column("p50", priority: 10), TableLayout.Column("p99", priority: 3),
    TableLayout.Column("1st b p50", priority: 14), TableLayout.Column("1st b p99", priority: 15),
    TableLayout.Column("in fl", priority: 11), TableLayout.Column("queue", priority: 12),
    TableLayout.Column("demand %", priority: 13),
    TableLayout.Column("balance, law", isRight: false, priority: 16),
  ]

  private func poolLines(_ pools: [PoolReport], _ columns: Int, _ countMax: Int) -> [ScreenLine] {
    var shown = pools
    if let pool { shown = pools.filter { $0.name == pool } }
    let isCut = shown.count > countMax
    let cells = shown.prefix(isCut ? max(1, countMax - 1) : countMax).map(Self.poolCells)
    let layout = TableLayout(Self.poolColumns, cells, width: columns)
    var lines = [layout.header()] + cells.map(layout.line)
    if isCut, countMax > 1 {
      lines.append(ScreenLine("and \(shown.count - cells.count) more pools", .faint))
    }
    lines.append(ScreenLine())
    return lines
  }

  private static func poolCells(_ pool: PoolReport) -> [TableLayout.Cell] {
    let ready = pool.endpoints.count { $0.state == "ready" }
    let words =
      [pool.balance, pool.law, pool.frozen == true ? "frozen" : nil]
      + [pool.dryRun == true ? "dry run" : nil]
    let queue = pool.queue.map { "\(Quantity.count($0.length))/\(Quantity.count($0.limit))" }
    return [
      (pool.name, .strong),
      (
        "\(ready)/\(pool.endpoints.count)",
        ready == 0 ? .disaster : ready < pool.endpoints.count ? .warning : .good
      ),
      (Quantity.rate(pool.arrivalsPerSecond), .normal),
      (Quantity.percent(pool.failureRatio), FleetColumn.errorTone(pool.failureRatio)),
      (Quantity.rate(pool.answeredPerSecond), .normal),
      (Quantity.rate(pool.clientErrorsPerSecond), .normal),
      (Quantity.rate(pool.serverErrorsPerSecond), tone(ofFailures: pool.serverErrorsPerSecond)),
      (Quantity.rate(pool.refusedPerSecond), tone(ofFailures: pool.refusedPerSecond)),
      (Quantity.rate(pool.givenUpPerSecond), tone(ofFailures: pool.givenUpPerSecond)),
      (Quantity.duration(pool.p50Seconds), .normal),
      (Quantity.duration(pool.p99Seconds), .normal),
      (Quantity.duration(pool.firstByteP50Seconds), .normal),
      (Quantity.duration(pool.firstByteP99Seconds), .normal),
      (Quantity.count(pool.inFlight), .normal),
      (queue ?? Quantity.unknown, pool.queue?.length ?? 0 > 0 ? .warning : .normal),
      (Quantity.percent(pool.demandRatio), pool.demandRatio ?? 0 > 1 ? .warning : .normal),
      (words.compactMap(\.self).joined(separator: ", "), .faint),
    ]
  }

  private static func tone(ofFailures rate: Double?) -> Tone { rate ?? 0 > 0 ? .bad : .normal }

  // MARK: Endpoints

  private var tableColumns: [TableLayout.Column] {
    FleetColumn.allCases.enumerated().map { index, column in
      let priority = FleetColumn.byPriority.firstIndex(of: column) ?? index
      let widthMin: Int? = column == .reason ? 24 : column == .pool ? 12 : nil
      var result = TableLayout.Column(
        column.title, isRight: !column.isText, priority: priority, widthMin: widthMin,
        isName: column == .pool || column == .endpoint)
      if column == .reason { result.widthMax = 200 }
      // The longest address is an IPv6 address with its port.
      if column == .endpoint { result.widthMax = 47 }
      return result
    }
  }

  private static func cells(_ row: FleetRow) -> [TableLayout.Cell] {
    FleetColumn.allCases.map { $0.cell(row) }
  }

  private mutating func table(_ columns: Int, _ room: Int) -> [ScreenLine] {
    let wanted = min(report?.decisions?.count ?? 0, 12)
    // The table may take all but a fifth of the room; decisions get the remaining lines.
    let reserve = room >= 14 ? min(wanted + 1, max(3, room / 5)) : 0
    let rowCount = max(1, min(rows.count, room - 1 - reserve))
    scroll(rowCount: rowCount)
    let cells = rows.map(Self.cells)
    let layout = TableLayout(tableColumns, cells, width: columns)
    let index = FleetColumn.allCases.firstIndex(of: sort)
    var lines = [layout.header(sorted: index, isDescending: sort.isText == isReversed)]
    for position in rows.indices.dropFirst(offset).prefix(rowCount) {
      var line = layout.line(cells[position])
      line.isChosen = rows[position].identity == chosen
      lines.append(line)
    }
    if rows.isEmpty, let report { lines.append(emptiness(report)) }
    let left = room - lines.count - 1
    if left >= 2, wanted > 0 {
      lines.append(ScreenLine())
      lines += decisionLines(left, columns)
    }
    return Array(lines.prefix(room))
  }

  private func emptiness(_ report: FleetReport) -> ScreenLine {
    if let pool, !report.pools.contains(where: { $0.name == pool }) {
      return ScreenLine("there is no pool \(pool) any more: p chooses another", .warning)
    }
    let text = filter.isEmpty ? "no endpoint" : "no endpoint is shown: Esc takes the filter away"
    return ScreenLine(text, .faint)
  }

  private func decisionLines(_ countMax: Int, _ columns: Int) -> [ScreenLine] {
    let shown = (report?.decisions ?? []).filter { pool == nil || $0.pool == pool }
    guard countMax > 1, !shown.isEmpty else { return [] }
    let now = report?.time ?? 0
    return [ScreenLine("decisions", .title)]
      + shown.prefix(countMax - 1).map { one in
        let age = one.time.map { Quantity.span(now - $0) } ?? ""
        var line = ScreenLine(SafeText.fitted(age, to: 10, isRight: true), .faint)
        line.append("  \(one.kind ?? "")  ", .notice)
        line.append([one.pool, one.endpoint].compactMap(\.self).joined(separator: " "), .strong)
        line.append("  \(one.text ?? "")")
        return line
      }
  }

  private func poolChoice(_ chosen: Int, _ room: Int) -> [ScreenLine] {
    let names = ["all pools"] + (report?.pools.map(\.name) ?? [])
    var lines = [ScreenLine("which pool? Enter takes it, Esc goes back", .title)]
    let rowCount = max(1, room - 1)
    let first = max(0, min(chosen - rowCount / 2, names.count - rowCount))
    for index in names.indices.dropFirst(first).prefix(rowCount) {
      var line = ScreenLine(names[index])
      line.isChosen = index == chosen
      lines.append(line)
    }
    return lines
  }

  // MARK: Foot

  private func footer(_ columns: Int) -> ScreenLine {
    switch mode {
    case .confirm(let order):
      let (long, short) = (SafeText.of(order.question), SafeText.of(order.shortQuestion))
      // The subject must not be cut off.
      let text =
        SafeText.width(short) < columns - 6
        ? SafeText.cut(long, to: columns - 6) : SafeText.cutWithin(short, to: columns - 6)
      var line = ScreenLine(text, .warning)
      line.append(" (y/n)", .strong)
      return line
    case .weight(let target, let text):
      return ScreenLine("weight of \(target.address): \(text)_", .strong)
    case .filter(let text, _): return ScreenLine("filter: \(text)_", .strong)
    case .help: return ScreenLine("any key goes back", .faint)
    case .pools: return ScreenLine("↑ ↓ Enter Esc", .faint)
    case .table: break
    }
    if let message { return ScreenLine(message.text, message.tone) }
    var parts: [String] = []
    if rows.count > pageRows {
      parts.append("\(offset + 1)–\(min(rows.count, offset + pageRows)) of \(rows.count)")
    }
    if let pool { parts.append("pool \(pool)") }
    if !filter.isEmpty { parts.append("filter \(filter)") }
    var line = ScreenLine(parts.isEmpty ? "" : parts.joined(separator: "  ") + "  ", .notice)
    line.append("? help  q quit  d drain  u undo  w pin  s sort  p pool  / filter", .faint)
    return line
  }

  private static func helpLines(_ columns: Int) -> [ScreenLine] {
    let keys = [
      ("↑ ↓ j k", "choose an endpoint"), ("PgUp PgDn Home End", "the same, faster"),
      ("s > <", "the next, the previous column to sort by"), ("r", "the other way round"),
      ("p", "one pool, or all"), ("/", "filter: words of pool, address, state, reason"),
      ("Esc", "no filter"), ("d", "drain: no new requests"),
      ("w", "pin a weight"), ("u", "undo what was said of the endpoint"),
      ("Ctrl-L", "draw anew"), ("q Ctrl-C", "quit"),
    ]
    return [ScreenLine("keys", .title)]
      + keys.map { key, text in
        var line = ScreenLine(SafeText.fitted(key, to: columns < 60 ? 10 : 20), .strong)
        line.append(" \(text)")
        return line
      }
  }
}
