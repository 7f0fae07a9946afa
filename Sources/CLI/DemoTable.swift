// The demo's output as lines of text: the live table and the comparison at the end. Pure.
import Primitives
import Terminal

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
  /// Seconds; nil: no request ended recently.
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

  /// A title line and a line for each row. Columns of changing numbers keep their widths.
  package static func lines(_ title: String, _ rows: [DemoRow]) -> [String] {
    let cells = rows.enumerated().map { index, row in
      [
        "\(index + 1) \(row.endpoint)", Quantity.fixed(row.speed, 0) + "x", row.eligibility,
        Quantity.fixed(row.base, 2), Quantity.fixed(row.weight, 2),
        Quantity.fixed(row.share * 100, 0) + "%", "\(row.inFlight)", Quantity.fixed(row.rate, 1),
        Quantity.duration(row.p50), Quantity.duration(row.p99), row.reason,
      ]
    }
    let right: Set<Int> = [1, 3, 4, 5, 6, 7, 8, 9]
    return [title] + TableLayout.plain([titles] + cells, right: right, widthsMin: widths)
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
    let title =
      "The same requests under equal static weights and under dynamic ones, "
      + "\(Quantity.fixed(seconds, 0)) s, \(balance):"
    let rows = sides.map { side in
      let errors = side.sent == 0 ? 0 : 100 * Double(side.failed) / Double(side.sent)
      let shares = side.shares.map { Quantity.fixed($0 * 100, 0) }.joined(separator: "/")
      return [
        side.name, "\(side.sent)", "\(side.ok)", "\(side.failed) (\(Quantity.fixed(errors, 1))%)",
        "\(side.sent - min(side.sent, side.ok + side.failed))", Quantity.duration(side.p50),
        Quantity.duration(side.p99), shares + " %",
      ]
    }
    let titles = [
      "weights", "sent", "answered", "errors", "running", "p50", "p99", "shares 1/2/3/4",
    ]
    var lines = [title] + TableLayout.plain([titles] + rows)
    if sides.count == 2, let verdict = Self.verdict(sides[0], sides[1]) { lines.append(verdict) }
    return lines
  }

  private static func verdict(_ fixed: Side, _ dynamic: Side) -> String? {
    guard let a50 = fixed.p50, let a99 = fixed.p99, let b50 = dynamic.p50, let b99 = dynamic.p99
    else { return "Too few answers to compare." }
    let ratios =
      "p50 ×\(Quantity.fixed(b50 / a50, 2)), p99 ×\(Quantity.fixed(b99 / a99, 2))"
    if b99 < 0.95 * a99 { return "Dynamic against static: \(ratios)." }
    if b99 <= 1.05 * a99 { return "Dynamic against static: \(ratios); no difference to speak of." }
    return "Dynamic against static: \(ratios); dynamic weights were worse here."
  }
}
