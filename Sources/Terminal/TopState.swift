// What the user of `steelyard top` sees and is being asked: a pure state machine from keys to
// effects. Changes need a confirmation that names the endpoint.

/// A change that an operator wants.
package struct TopOrder: Sendable, Equatable {
  package enum Action: Sendable, Equatable {
    case drain, undo
    /// The weight as typed.
    case pin(String)
  }
  package var target: FleetRow.Identity
  package var action: Action
  /// No other endpoint of the pool takes new requests: without this one they are refused.
  package var isOfLast = false

  package var question: String {
    let (who, pool) = (target.address, target.pool)
    let warning = ", the last of pool \(pool) that takes requests?"
    switch action {
    case .drain where isOfLast: return "drain \(who)" + warning
    case .drain: return "drain \(who) of pool \(pool): no new requests?"
    case .undo: return "undo what was said of \(who) of pool \(pool)?"
    case .pin(let weight) where isOfLast && Double(weight) == 0:
      return "pin \(who) to weight \(weight)" + warning
    case .pin(let weight): return "pin \(who) of pool \(pool) to weight \(weight)?"
    }
  }

  /// A shorter question if there is little room.
  package var shortQuestion: String {
    switch action {
    case .drain: "drain \(target.address)?"
    case .undo: "undo \(target.address)?"
    case .pin(let weight): "pin to \(weight) \(target.address)?"
    }
  }
}

/// The effect of a key.
package enum TopEffect: Sendable, Equatable {
  case nothing, redraw, quit
  case order(TopOrder)
}

package struct TopState: Sendable {
  package enum Mode: Sendable, Equatable {
    case table, help
    case confirm(TopOrder)
    case weight(FleetRow.Identity, text: String)
    case filter(text: String, before: String)
    /// 0 means all pools.
    case pools(chosen: Int)
  }

  package static let inputMax = 60

  package private(set) var mode = Mode.table
  package private(set) var report: FleetReport?
  package private(set) var sort: FleetColumn
  package private(set) var isReversed = false
  package private(set) var pool: String?
  package private(set) var filter = ""
  package private(set) var chosen: FleetRow.Identity?
  /// The visible rows, sorted.
  package private(set) var rows: [FleetRow] = []
  /// The first row on the screen; kept by `scroll`.
  package private(set) var offset = 0
  /// The number of rows on the screen, for paging.
  package private(set) var pageRows = 10
  /// Shown at the bottom until the next key.
  package var message: (text: String, tone: Tone)?
  /// When the connection was lost, as text, and why.
  package private(set) var lost: (since: String, reason: String)?
  package let address: String
  private let hasToken: Bool

  package init(address: String, hasToken: Bool, sort: FleetColumn = .pool, pool: String? = nil) {
    (self.address, self.hasToken, self.sort, self.pool) = (address, hasToken, sort, pool)
  }

  /// Takes a new reading.
  package mutating func take(_ report: FleetReport) {
    self.report = report
    lost = nil
    arrange()
  }

  /// Notes that the server does not answer; `time` is the present time, for people.
  package mutating func lose(_ reason: String, at time: String) {
    lost = (lost?.since ?? time, reason)
  }

  private mutating func arrange() {
    rows = sort.sorted(report?.rows(pool: pool, filter: filter) ?? [], isReversed: isReversed)
    let isThere = rows.contains { $0.identity == chosen }
    if !isThere { chosen = rows.indices.contains(chosenIndex) ? rows[chosenIndex].identity : nil }
    rememberIndex()
  }

  /// The index at which the chosen row was last seen: when the row disappears, its neighbour is
  /// chosen.
  private var lastIndex = 0
  private var chosenIndex: Int { min(lastIndex, max(0, rows.count - 1)) }
  private mutating func rememberIndex() {
    if let index = rows.firstIndex(where: { $0.identity == chosen }) { lastIndex = index }
  }

  /// Scrolls so that the chosen row is visible on a screen of so many rows.
  package mutating func scroll(rowCount: Int) {
    pageRows = max(1, rowCount)
    let index = chosenIndex
    if index < offset { offset = index }
    if index >= offset + pageRows { offset = index - pageRows + 1 }
    offset = max(0, min(offset, rows.count - pageRows))
  }

  /// Whether text is asked for, so that pasted text may be part of it.
  package var takesText: Bool {
    switch mode {
    case .filter, .weight: true
    default: false
    }
  }

  // MARK: Keys

  package mutating func press(_ key: Key) -> TopEffect {
    message = nil
    switch mode {
    case .table: return pressInTable(key)
    case .help:
      mode = .table
      return .redraw
    case .confirm(let order):
      mode = .table
      if key == .character("y") || key == .character("Y") { return .order(order) }
      message = ("nothing was changed", .normal)
      return .redraw
    case .weight(let target, let text): return pressInWeight(key, target, text)
    case .filter(let text, let before): return pressInFilter(key, text, before)
    case .pools(let chosen): return pressInPools(key, chosen)
    }
  }

  private mutating func pressInTable(_ key: Key) -> TopEffect {
    switch key {
    case .up, .character("k"): move(by: -1)
    case .down, .character("j"): move(by: 1)
    case .pageUp: move(by: -pageRows)
    case .pageDown: move(by: pageRows)
    case .home, .character("g"): move(by: -rows.count)
    case .end, .character("G"): move(by: rows.count)
    case .character("s"), .character(">"), .right: turnSort(by: 1)
    case .character("<"), .left: turnSort(by: -1)
    case .character("r"):
      isReversed.toggle()
      arrange()
    case .character("p"):
      let names = report?.pools.map(\.name) ?? []
      mode = .pools(chosen: pool.flatMap { names.firstIndex(of: $0) }.map { $0 + 1 } ?? 0)
    case .character("/"): mode = .filter(text: filter, before: filter)
    case .escape:
      filter = ""
      arrange()
    case .character("d"): ask(.drain)
    case .character("u"): ask(.undo)
    case .character("w"):
      if let chosen, mayChange() { mode = .weight(chosen, text: "") }
    case .character("?"), .character("h"): mode = .help
    case .character("q"): return .quit
    case .redraw: return .redraw
    default: return .nothing
    }
    return .redraw
  }

  private mutating func move(by count: Int) {
    guard !rows.isEmpty else { return }
    lastIndex = max(0, min(rows.count - 1, chosenIndex + count))
    chosen = rows[lastIndex].identity
  }

  private mutating func turnSort(by step: Int) {
    let all = FleetColumn.allCases
    let index = all.firstIndex(of: sort) ?? 0
    sort = all[(index + step + all.count) % all.count]
    isReversed = false
    arrange()
  }

  private mutating func ask(_ action: TopOrder.Action) {
    guard let chosen, mayChange() else { return }
    mode = .confirm(TopOrder(target: chosen, action: action, isOfLast: isLast(chosen)))
  }

  private func isLast(_ target: FleetRow.Identity) -> Bool {
    let endpoints = report?.pools.first { $0.name == target.pool }?.endpoints ?? []
    let takers = endpoints.filter(\.takesRequests)
    return takers.count == 1 && takers[0].address == target.address
  }

  private mutating func mayChange() -> Bool {
    if lost != nil {
      message = ("nobody answers: nothing can be changed now", .warning)
    } else if report?.write == "none" {
      message = ("this admin address takes no changes: configure admin.write_token", .warning)
    } else if report?.write == "token", !hasToken {
      message = ("changes need a token: --token-file FILE, or STEELYARD_TOKEN", .warning)
    } else {
      return true
    }
    return false
  }

  // MARK: Questions

  /// The text after a key of a typed line; nil: the key does not belong to it.
  private static func typed(_ key: Key, _ text: String) -> String? {
    switch key {
    case .character(let character): text.count < inputMax ? text + String(character) : text
    case .backspace: String(text.dropLast())
    case .clearLine: ""
    default: nil
    }
  }

  private mutating func pressInWeight(
    _ key: Key, _ target: FleetRow.Identity, _ text: String
  ) -> TopEffect {
    if let text = Self.typed(key, text) {
      mode = .weight(target, text: text)
    } else if key == .enter {
      guard let weight = Double(text), weight.isFinite, weight >= 0 else {
        mode = .table
        message = ("a weight is a number such as 0.5", .warning)
        return .redraw
      }
      mode = .confirm(TopOrder(target: target, action: .pin(text), isOfLast: isLast(target)))
    } else if key == .escape {
      mode = .table
      message = ("nothing was changed", .normal)
    }
    return .redraw
  }

  private mutating func pressInFilter(_ key: Key, _ text: String, _ before: String) -> TopEffect {
    if let text = Self.typed(key, text) {
      mode = .filter(text: text, before: before)
      filter = text
    } else if key == .escape {
      mode = .table
      filter = before
    } else if key == .enter {
      mode = .table
    } else {
      return .nothing
    }
    arrange()
    return .redraw
  }

  private mutating func pressInPools(_ key: Key, _ chosen: Int) -> TopEffect {
    let names = report?.pools.map(\.name) ?? []
    let at: Int
    switch key {
    case .up, .character("k"): at = chosen - 1
    case .down, .character("j"), .character("p"): at = chosen + 1
    case .pageUp: at = chosen - 10
    case .pageDown: at = chosen + 10
    case .home: at = 0
    case .end: at = names.count
    case .enter:
      pool = chosen > 0 && chosen <= names.count ? names[chosen - 1] : nil
      mode = .table
      offset = 0
      arrange()
      return .redraw
    case .escape, .character("q"):
      mode = .table
      return .redraw
    default: return .nothing
    }
    mode = .pools(chosen: max(0, min(names.count, at)))
    return .redraw
  }
}
