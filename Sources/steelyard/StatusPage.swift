// The page at /: what the fleet looks like now, as plain HTML that reloads itself.
import Balancer
import Controller
import Exposition
import Fleet
import Primitives

enum StatusPage {
  /// Requires: `now` is the monotonic clock's.
  static func render(
    table: WeightTable, traffic: TrafficMetrics, evidence: EvidenceBoard,
    demand: (String) -> PoolDemand?, changes: [WeightChange], now: Nanoseconds
  ) -> [UInt8] {
    var page = """
      <!doctype html>
      <html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="2">
      <meta name="viewport" content="width=device-width">
      <title>steelyard</title><style>
      body{font:15px/1.5 system-ui,sans-serif;margin:2em;color-scheme:light dark}
      table{border-collapse:collapse;margin-bottom:2em}
      th,td{padding:.2em .8em;text-align:right;border-bottom:1px solid #8884}
      th:first-child,td:first-child,th:last-child,td:last-child{text-align:left}
      .unhealthy,.stalled,.ejected{color:#c00}.starting,.draining,.drained{color:#a60}
      </style></head><body><h1>steelyard</h1>
      <p>Weight table revision \(table.revision). Metrics at <a href="/metrics">/metrics</a>.</p>

      """
    for pool in table.fleet.pools {
      page += "<h2>\(escaped(pool.name))</h2>\n"
      page += "<p>\(pool.balance.rawValue), law \(pool.weights.law.rawValue)</p>\n"
      page += "<p>\(demand(pool.name)?.text ?? "")</p>\n<table><tr>"
      for title in [
        "endpoint", "eligibility", "base", "target", "weight", "in flight", "p50", "p99", "reason",
      ] {
        page += "<th>\(title)</th>"
      }
      page += "</tr>\n"
      for endpoint in pool.endpoints {
        guard let row = table.rows[endpoint.slot] else { continue }
        let state = row.eligibility.shown(
          isEjected: evidence.isEjected(endpoint.slot, now: now)
        ).label
        let durations = traffic.durations(slot: endpoint.slot)
        page += "<tr><td>\(endpoint.address)</td><td class=\"\(state)\">"
        page += "\(state)\(endpoint.isBackup ? ", backup" : "")</td>"
        for number in [row.base, row.target, row.effective] {
          page += "<td>\(DecimalText.fixed(number))</td>"
        }
        page += "<td>\(evidence.sum(.inFlight, endpoint.slot))</td>"
        for quantile in [0.5, 0.99] {
          page +=
            "<td>\(durations.quantile(quantile).map { DecimalText.fixed($0) + " s" } ?? "–")</td>"
        }
        page += "<td>\(escaped(row.reason.text))</td></tr>\n"
      }
      page += "</table>\n"
    }
    page += "<h2>Last changes of target weights</h2>\n<table><tr>"
    for title in ["ago", "pool", "endpoint", "from", "to", "reason"] { page += "<th>\(title)</th>" }
    page += "</tr>\n"
    for change in changes.reversed() {
      page +=
        "<tr><td>\(DecimalText.fixed((now - change.at).seconds)) s</td><td>\(escaped(change.pool))</td>"
      page += "<td>\(change.endpoint)</td><td>\(DecimalText.fixed(change.old))</td>"
      page +=
        "<td>\(DecimalText.fixed(change.new))</td><td>\(escaped(change.reason.text))</td></tr>\n"
    }
    return Array((page + "</table>\n</body></html>\n").utf8)
  }

  private static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      default: result.append(character)
      }
    }
    return result
  }
}
