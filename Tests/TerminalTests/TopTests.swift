import Primitives
import Testing

@testable import Terminal

@Suite struct TopTests {
  /// Two pools; `text` has as many endpoints as wished, each with its number as weight.
  static func report(_ count: Int = 3) -> FleetReport {
    var text = PoolReport(name: "text")
    text.endpoints = (0..<count).map { index in
      var one = EndpointReport(address: "10.0.0.\(index):80")
      one.state = index == 1 ? "draining" : "ready"
      one.effectiveWeight = Double(index)
      one.requestsPerSecond = index == 0 ? nil : 10 - Double(index)
      one.reasonText = "law: number \(index)"
      return one
    }
    var image = PoolReport(name: "image", endpoints: [EndpointReport(address: "10.0.1.0:80")])
    image.endpoints[0].state = "ejected"
    var report = FleetReport(pools: [text, image])
    report.write = "open"
    report.decisions = (0..<20).map {
      var one = DecisionReport()
      one.text = "decision \($0)"
      return one
    }
    return report
  }

  static func state(_ count: Int = 3) -> TopState {
    var state = TopState(address: "127.0.0.1:9900", hasToken: false)
    state.take(report(count))
    return state
  }

  private func press(_ state: inout TopState, _ keys: String) -> [TopEffect] {
    var reader = KeyReader()
    return reader.read(Array(keys.utf8), takesPaste: false).map { state.press($0) }
  }

  @Test func aNameIsShownBesideTheAddressAndFound() {
    var report = Self.report()
    report.pools[0].endpoints[1].name = "gpu-7"
    let row = report.rows()[1]
    #expect(FleetColumn.endpoint.cell(row).text == "10.0.0.1:80 gpu-7")
    #expect(report.rows(filter: "gpu-7").map(\.endpoint.address) == ["10.0.0.1:80"])
  }

  private func addresses(_ state: TopState) -> [String] { state.rows.map(\.endpoint.address) }

  @Test func sortsByEveryColumnBothWaysWithUnknownOnesLast() {
    let rows = Self.report(5).rows()
    for column in FleetColumn.allCases {
      for isReversed in [false, true] {
        let sorted = column.sorted(rows, isReversed: isReversed)
        #expect(sorted.map(\.position).sorted() == rows.map(\.position))
      }
    }
    let byRate = FleetColumn.rate.sorted(rows, isReversed: false).map(\.endpoint.address)
    #expect(byRate.prefix(2) == ["10.0.0.1:80", "10.0.0.2:80"])
    #expect(Set(byRate.suffix(2)) == ["10.0.0.0:80", "10.0.1.0:80"])
    let reversed = FleetColumn.rate.sorted(rows, isReversed: true).map(\.endpoint.address)
    #expect(reversed.first == "10.0.0.4:80")
    #expect(Set(reversed.suffix(2)) == ["10.0.0.0:80", "10.0.1.0:80"])
  }

  @Test(arguments: [
    ("", 4), ("text", 3), ("image", 1), ("DRAINING", 1), ("text ready", 2), ("number 2", 1),
    ("10.0.0.", 3), ("nix", 0), ("ejected text", 0),
  ])
  func filtersByEveryWord(filter: String, count: Int) {
    #expect(Self.report().rows(filter: filter).count == count)
  }

  @Test func ordersAskAndNameTheEndpoint() {
    for (keys, action) in [
      ("d", TopOrder.Action.drain), ("u", .undo), ("w0.5\r", .pin("0.5")),
      ("w 1\u{7f}\u{7f}2\r", .pin("2")),
    ] {
      var state = Self.state()
      #expect(!press(&state, "j" + keys).contains { if case .order = $0 { true } else { false } })
      let bottom = state.screen(columns: 120, rows: 24).last?.plain ?? ""
      #expect(bottom.contains("10.0.0.1:80") && bottom.hasSuffix("(y/n)"), "\(bottom)")
      let order = TopOrder(
        target: FleetRow.Identity(pool: "text", address: "10.0.0.1:80"), action: action)
      #expect(press(&state, "y") == [.order(order)])
      #expect(state.mode == .table)
    }
  }

  @Test func whoeverTakesAwayTheLastIsTold() {
    var report = Self.report()
    let warning = "the last of pool text that takes requests"
    func question(_ keys: String) -> String {
      var state = TopState(address: "", hasToken: false)
      state.take(report)
      _ = press(&state, keys)
      return state.screen(columns: 120, rows: 24).last?.plain ?? ""
    }
    // Of three, one has weight 0 and one is draining.
    for keys in ["jjd", "jjw0\r", "jjw0.0\r"] {
      #expect(question(keys).contains(warning), "\(keys)")
    }
    for keys in ["d", "jd", "jju", "jjw1\r"] {
      #expect(!question(keys).contains(warning), "\(keys)")
    }
    report.pools[0].endpoints[0].effectiveWeight = 1
    #expect(!question("jjd").contains(warning))
  }

  @Test func aTableWithoutRowsSaysWhy() {
    func shows(_ text: String, _ state: TopState) -> Bool {
      var state = state
      return state.screen(columns: 120, rows: 30).contains { $0.plain == text }
    }
    var state = TopState(address: "", hasToken: false, pool: "image")
    state.take(Self.report())
    _ = press(&state, "/nobody\r")
    #expect(shows("no endpoint is shown: Esc takes the filter away", state))
    _ = state.press(.escape)
    var report = Self.report()
    report.pools[1].endpoints = []
    state.take(report)
    #expect(shows("no endpoint", state))
    report.pools.removeLast()
    state.take(report)
    #expect(shows("there is no pool image any more: p chooses another", state))
  }

  @Test func moreConditionsThanAreToldAreCounted() {
    var report = Self.report()
    var one = ConditionReport()
    one.severity = "warning"
    report.conditions = Array(repeating: one, count: 100)
    report.conditionCount = 240
    var state = TopState(address: "", hasToken: false)
    state.take(report)
    let lines = state.screen(columns: 120, rows: 30).map(\.plain)
    #expect(lines[2].hasSuffix("100 warnings  and 140 more"), "\(lines[2])")
  }

  @Test func longPoolNamesKeepTheirEnds() {
    let names = ["east", "west"].map { "llama-70b-instruct-production-\($0)" }
    let report = FleetReport(
      pools: names.map { PoolReport(name: $0, endpoints: [EndpointReport(address: "10.0.0.1:80")]) }
    )
    var state = TopState(address: "", hasToken: false)
    state.take(report)
    let lines = state.screen(columns: 80, rows: 30).map(\.plain)
    // In the table of pools, and in that of endpoints.
    for end in ["east", "west"] {
      #expect(lines.count { $0.contains("…") && $0.contains("\(end) ") } == 2, "\(lines)")
    }
  }

  @Test(arguments: [40, 80, 120])
  func longAddressesKeepTheirPorts(columns: Int) {
    let addresses = [8_000, 8_001].map { "[2001:db8:85a3:8d3:1319:8a2e:370:1b58]:\($0)" }
    let pool = PoolReport(name: "text", endpoints: addresses.map { EndpointReport(address: $0) })
    var report = FleetReport(pools: [pool])
    report.write = "open"
    for (index, port) in ["8000", "8001"].enumerated() {
      var state = TopState(address: "", hasToken: false)
      state.take(report)
      _ = press(&state, String(repeating: "j", count: index) + "d")
      let lines = state.screen(columns: columns, rows: 24)
      let row = lines.first { $0.isChosen }?.plain ?? ""
      #expect(row.contains("]:\(port)"), "\(row)")
      let question = lines.last?.rendered(.plain, columns: columns) ?? ""
      #expect(question.contains("]:\(port)") && question.contains("(y/n)"), "\(question)")
    }
  }

  @Test(arguments: ["n", "q", "\u{1b}", "\r", "d"])
  func whatIsNoYesChangesNothing(key: String) {
    var state = Self.state()
    _ = press(&state, "d")
    var reader = KeyReader()
    let keys = reader.read(Array(key.utf8), takesPaste: false) + reader.flush()
    #expect(keys.map { state.press($0) } == [.redraw])
    #expect(state.mode == .table)
  }

  @Test(arguments: ["x", "-1", "nan", "inf", "", "0x1p9999"])
  func whatIsNoWeightIsNotAskedFor(text: String) {
    var state = Self.state()
    _ = press(&state, "w\(text)\r")
    #expect(state.mode == .table)
    #expect(state.message?.text.contains("number") == true)
  }

  @Test(arguments: [("none", true, "no changes"), ("token", false, "token")])
  func whoMayNotIsTold(write: String, hasToken: Bool, part: String) {
    var report = Self.report()
    report.write = write
    var state = TopState(address: "", hasToken: hasToken)
    state.take(report)
    _ = press(&state, "d")
    #expect(state.mode == .table)
    #expect(state.message?.text.contains(part) == true)
    var allowed = TopState(address: "", hasToken: true)
    report.write = "token"
    allowed.take(report)
    _ = press(&allowed, "d")
    #expect(allowed.mode != .table)
  }

  @Test func whoIsChosenStaysChosenWhileTheTableChanges() {
    var state = Self.state(10)
    _ = press(&state, "jjj")
    #expect(state.chosen?.address == "10.0.0.3:80")
    _ = press(&state, "ssssss")
    state.take(Self.report(8))
    #expect(state.chosen?.address == "10.0.0.3:80")
    // Its neighbour follows where it is gone; nobody where nobody is left.
    state.take(Self.report(2))
    #expect(state.chosen != nil)
    state.take(FleetReport())
    #expect(state.chosen == nil)
    #expect(press(&state, "djkdw\u{1b}[6~").allSatisfy { $0 != .quit })
  }

  @Test func aDrainIsOfWhomTheQuestionNamed() {
    var state = Self.state(10)
    _ = press(&state, "jjd")
    // A new reading in between moves rows.
    state.take(Self.report(2))
    let effects = press(&state, "y")
    #expect(
      effects == [
        .order(
          TopOrder(
            target: FleetRow.Identity(pool: "text", address: "10.0.0.2:80"), action: .drain))
      ])
  }

  @Test func aScreenHasExactlyItsLinesAndTheChosenRow() {
    for rows in 0...40 {
      for columns in [0, 1, 5, 20, 39, 40, 60, 79, 80, 120, 200, 400] {
        var state = Self.state(60)
        _ = press(&state, "\u{1b}[F\u{1b}[Ak")
        let lines = state.screen(columns: columns, rows: rows)
        guard rows > 0, columns > 0 else {
          #expect(lines.isEmpty)
          continue
        }
        #expect(lines.count == rows)
        if rows >= 5 { #expect(lines.count { $0.isChosen } == 1, "\(columns)x\(rows)") }
        for line in lines {
          #expect(SafeText.width(line.rendered(.plain, columns: columns)) == columns)
        }
      }
    }
  }

  @Test func columnsGoByPriorityAndTheEndpointStays() {
    var before = 0
    for columns in 20...220 {
      var state = Self.state()
      let lines = state.screen(columns: columns, rows: 30)
      let header = lines.first { $0.plain.contains("endpoint") }?.plain ?? ""
      #expect(header.contains("endpoint"))
      let count = header.split(separator: " ").count
      // The pools' names are cut before a column goes, so that one more may come and go again.
      #expect(count >= before - 2, "\(columns): \(header)")
      before = count
    }
    var wide = Self.state()
    let lines = wide.screen(columns: 220, rows: 30)
    for column in FleetColumn.allCases {
      #expect(lines.contains { $0.plain.contains(column.title) }, "\(column)")
    }
  }

  @Test func aLostServerIsToldAndTheTableFades() {
    var state = Self.state()
    state.lose("nobody answers", at: "12:00:00")
    state.lose("nobody answers", at: "12:00:01")
    let lines = state.screen(columns: 120, rows: 30)
    #expect(lines.contains { $0.plain.contains("no answer since 12:00:00") })
    let row = lines.first { $0.plain.contains("10.0.0.2:80") }
    #expect(row?.spans.allSatisfy { $0.tone == .faint } == true)
    // Only that it is lost is no old news.
    let loud = lines.filter { $0.spans.contains { $0.tone != .faint } }.map(\.plain)
    #expect(loud == ["no answer since 12:00:00: nobody answers; asking again"])
    _ = press(&state, "d")
    #expect(state.mode == .table)
    state.take(Self.report())
    #expect(state.lost == nil)
  }

  @Test func thePoolChoiceTakesOneOrAll() {
    var state = Self.state()
    _ = press(&state, "pjj\r")
    #expect(addresses(state) == ["10.0.1.0:80"])
    _ = press(&state, "pkkkk\r")
    #expect(addresses(state).count == 4)
    _ = press(&state, "p\u{1b}[F")
    _ = state.press(.escape)
    #expect(state.pool == nil)
  }

  @Test func typedTextHasAnEnd() {
    var state = Self.state()
    _ = press(&state, "/" + String(repeating: "x", count: 1_000))
    #expect(state.filter.count == TopState.inputMax)
    #expect(state.press(.clearLine) == .redraw)
    #expect(state.filter.isEmpty)
  }

  @Test(arguments: [
    (Quantity.rate(0.123), "0.12"), (Quantity.rate(12_345), "12.3k"), (Quantity.rate(nil), "–"),
    (Quantity.rate(2e6), "2.0M"), (Quantity.rate(.nan), "–"), (Quantity.duration(0.0004), "0.4ms"),
    (Quantity.duration(0.2), "200ms"), (Quantity.duration(1.5), "1.50s"),
    (Quantity.duration(1e300), "–"), (Quantity.percent(0.004), "0.4"),
    (Quantity.percent(1), "100"), (Quantity.span(3_700), "1 h 1 min"), (Quantity.span(-5), "0 s"),
    (Quantity.span(1e300), "–"), (Quantity.weight(0.25), "0.25"), (Quantity.weight(3), "3"),
    (Quantity.weight(1e18), "–"), (Quantity.weight(0), "0"), (Quantity.weight(100), "100"),
  ])
  func quantitiesAreShort(text: String, expected: String) { #expect(text == expected) }
}
