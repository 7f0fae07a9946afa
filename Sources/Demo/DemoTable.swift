// The demo's output as lines of text: the live table and the comparison at the end. Pure.

/// One endpoint's row.
package struct DemoRow: Sendable, Equatable {
  package var endpoint: String
  package var speed: Double
  package var eligibility: String
  package var base: Double
  package var weight: Double
  /// Its share of its pool's recent traffic, 0…1.
  package var share: Double
  package var inFlight: Int
  package var rate: Double
  /// In seconds; nil: nothing ended recently.
  package var p50: Double?
  package var p99: Double?
  package var reason: String

  package init(
    endpoint: String, speed: Double, eligibility: String, base: Double, weight: Double,
    share: Double, inFlight: Int, rate: Double, p50: Double?, p99: Double?, reason: String
  ) {
    self.endpoint = endpoint
    self.speed = speed
    self.eligibility = eligibility
    self.base = base
    self.weight = weight
    self.share = share
    self.inFlight = inFlight
    self.rate = rate
    self.p50 = p50
    self.p99 = p99
    self.reason = reason
  }
}

package enum DemoTable {
  private static let titles = [
    "endpoint", "speed", "eligible", "base", "weight", "share", "in flight", "req/s", "p50", "p99",
    "reason of the weight",
  ]
  private static let widths = [16, 5, 9, 5, 6, 6, 9, 6, 7, 7, 0]

  /// A title line and a line for each row.
  package static func lines(_ title: String, _ rows: [DemoRow]) -> [String] {
    var lines = [title, line(titles)]
    for (index, row) in rows.enumerated() {
      lines.append(
        line([
          "\(index + 1) \(row.endpoint)", fixed(row.speed, 0) + "x", row.eligibility,
          fixed(row.base, 2), fixed(row.weight, 2), fixed(row.share * 100, 0) + "%",
          "\(row.inFlight)", fixed(row.rate, 1), duration(row.p50), duration(row.p99), row.reason,
        ]))
    }
    return lines
  }

  private static func line(_ cells: [String]) -> String {
    var text = ""
    for (index, (cell, width)) in zip(cells, widths).enumerated() {
      // Names are left-aligned, numbers right-aligned.
      let gap = String(repeating: " ", count: max(0, width - cell.count))
      let isText = index == 0 || index == 2 || index == cells.count - 1
      text += (isText ? cell + gap : gap + cell) + "  "
    }
    while text.last == " " { text.removeLast() }
    return text
  }

  /// `12.3ms`, `1.24s`; `-` for nil.
  package static func duration(_ seconds: Double?) -> String {
    guard let seconds else { return "-" }
    if seconds < 0.9995 { return fixed(seconds * 1000, seconds < 0.1 ? 1 : 0) + "ms" }
    return fixed(seconds, seconds < 10 ? 2 : 1) + "s"
  }

  /// With so many decimals (0…3).
  package static func fixed(_ value: Double, _ decimals: Int) -> String {
    guard value.isFinite, abs(value) < 1e12 else { return "-" }
    let unit = [1, 10, 100, 1000][decimals]
    let whole = Int((abs(value) * Double(unit)).rounded())
    let sign = value < 0 && whole > 0 ? "-" : ""
    if decimals == 0 { return "\(sign)\(whole)" }
    return "\(sign)\(whole / unit)." + String(String(whole % unit + unit).dropFirst())
  }
}

/// The comparison of the same traffic with static and with dynamic weights.
package struct DemoSummary: Sendable, Equatable {
  package struct Side: Sendable, Equatable {
    package var name: String
    package var sent: UInt64
    package var ok: UInt64
    package var failed: UInt64
    package var p50: Double?
    package var p99: Double?
    /// The share of each endpoint, 0…1.
    package var shares: [Double]

    package init(
      name: String, sent: UInt64, ok: UInt64, failed: UInt64, p50: Double?, p99: Double?,
      shares: [Double]
    ) {
      self.name = name
      self.sent = sent
      self.ok = ok
      self.failed = failed
      self.p50 = p50
      self.p99 = p99
      self.shares = shares
    }
  }

  package var seconds: Double
  package var balance: String
  package var sides: [Side]

  package init(seconds: Double, balance: String, sides: [Side]) {
    self.seconds = seconds
    self.balance = balance
    self.sides = sides
  }

  package var lines: [String] {
    var lines = [
      "The same requests under equal static weights and under dynamic ones, "
        + "\(DemoTable.fixed(seconds, 0)) s, \(balance):",
      Self.row(["weights", "sent", "answered", "errors", "running", "p50", "p99", "shares 1/2/3/4"]
      ),
    ]
    for side in sides {
      let errors = side.sent == 0 ? 0 : 100 * Double(side.failed) / Double(side.sent)
      let shares = side.shares.map { DemoTable.fixed($0 * 100, 0) }.joined(separator: "/")
      lines.append(
        Self.row([
          side.name, "\(side.sent)", "\(side.ok)",
          "\(side.failed) (\(DemoTable.fixed(errors, 1))%)",
          "\(side.sent - min(side.sent, side.ok + side.failed))", DemoTable.duration(side.p50),
          DemoTable.duration(side.p99), shares + " %",
        ]))
    }
    if sides.count == 2, let verdict = Self.verdict(sides[0], sides[1]) { lines.append(verdict) }
    return lines
  }

  private static func row(_ cells: [String]) -> String {
    var text = ""
    for (cell, width) in zip(cells, [9, 7, 9, 12, 8, 8, 8, 0]) {
      text += cell + String(repeating: " ", count: max(0, width - cell.count)) + " "
    }
    while text.last == " " { text.removeLast() }
    return text
  }

  private static func verdict(_ fixed: Side, _ dynamic: Side) -> String? {
    guard let a50 = fixed.p50, let a99 = fixed.p99, let b50 = dynamic.p50, let b99 = dynamic.p99
    else { return "Too few answers to compare." }
    let ratios =
      "p50 ×\(DemoTable.fixed(b50 / a50, 2)), p99 ×\(DemoTable.fixed(b99 / a99, 2))"
    if b99 < 0.95 * a99 { return "Dynamic against static: \(ratios)." }
    if b99 <= 1.05 * a99 { return "Dynamic against static: \(ratios); no difference to speak of." }
    return "Dynamic against static: \(ratios); dynamic weights were worse here."
  }
}
