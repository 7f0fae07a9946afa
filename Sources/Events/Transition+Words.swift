// The words for transitions: the line of the log, the event for hooks, the text on the status page.
package import Fleet
package import Primitives

extension Journal.Lane {
  /// The message of the lines of this lane; lost ones are counted under it.
  var message: String {
    switch self {
    case .verdicts: "eligibility changed"
    case .tuning: "tuning"
    case .scrapes: "scrape fails"
    case .canaries: "canary ended"
    case .weights: "target weight changed"
    case .hostNames: "host name resolved"
    case .sources: "source of endpoints answers"
    case .states: "endpoint ejected"
    case .reloads: "configuration reloaded"
    }
  }

  /// The level of the lines; transitions that come by the hundred are at `debug`.
  var level: LogPolicy.Level { self == .canaries || self == .weights ? .debug : .warning }
}

extension Transition {
  /// A line of the log.
  package struct Line {
    var level: LogPolicy.Level
    var message: String
    var pairs: KeyValuePairs<String, any LogValue>
    /// Whether lines of this kind may be suppressed.
    var isLimited = true
  }

  /// The line of the log; nil: another transition is logged instead.
  package var line: Line? {
    switch self {
    case .verdict(let change): change.line
    case .tuning(let change): change.line
    case .scrape(let change): change.line
    case .canary(let end): end.line
    case .weight(let change): change.line
    case .hostName(let change): change.line
    case .source(let change): change.line
    case .endpoint(let change): change.line
    case .pool(let change): change.line
    // The reader of the file logs these, with the name of the file and each change.
    case .reload: nil
    }
  }

  /// The event for hooks; nil: there is none. `wall` is the time of the transition.
  package func occurrence(at wall: Nanoseconds) -> Occurrence? {
    switch self {
    case .scrape(let change):
      Occurrence(
        change.failure == nil ? .scrapeRecovered : .scrapeFailing, pool: change.pool,
        endpoint: change.address, reason: change.failure?.kind.label ?? "page read", at: wall)
    case .endpoint(let change):
      change.event.map {
        Occurrence(
          $0, pool: change.pool, endpoint: change.endpoint, reason: change.reason, at: wall)
      }
    case .pool(let change):
      change.state.event.map {
        Occurrence($0, pool: change.pool, reason: change.state.reason, at: wall)
      }
    case .reload(.taken(let count)):
      Occurrence(.configurationReloaded, reason: "\(count) changes", at: wall)
    case .verdict, .tuning, .canary, .weight, .hostName, .source, .reload: nil
    }
  }

  /// The text on the status page; nil: it is not shown there.
  package var text: String? {
    switch self {
    case .verdict(let change): change.text
    case .tuning(let change): change.text
    case .scrape(let change): change.text
    case .weight(let change): change.text
    case .endpoint(let change): change.text
    case .pool(let change): change.state.text
    case .reload(.taken(let count)):
      "configuration reloaded: " + (count == 0 ? "nothing has changed" : "\(count) changes")
    case .reload(.refused(let why)): "reload refused: \(why)"
    case .canary, .hostName, .source: nil
    }
  }
}

extension VerdictChange {
  fileprivate var line: Transition.Line {
    Transition.Line(
      level: new.takesNewExchanges || new == .draining ? .info : .warning,
      message: "eligibility changed",
      pairs: [
        "pool": pool, "endpoint": "\(endpoint)", "from": old.label, "to": new.label,
        "failure": failure?.kind.label ?? "none", "cause": cause?.label ?? "none",
      ])
  }

  fileprivate var text: String {
    var text = "\(old.label) → \(new.label)"
    if let failure { text += ", health check: \(failure.kind.label)" }
    if let cause { text += ", \(cause.label)" }
    return text
  }
}

extension TuningChange {
  fileprivate var line: Transition.Line {
    Transition.Line(
      level: .info, message: hasExpired ? "tuning expired" : "tuning",
      pairs: [
        "pool": pool, "endpoint": endpoint.map { "\($0)" } ?? "all", "action": action,
        "for": lasts.map { "\($0.seconds)s" } ?? "ever",
      ], isLimited: false)
  }

  fileprivate var text: String {
    var text = action + (hasExpired ? " is over" : "")
    if let lasts { text += " for \(NumberWords.short(lasts.seconds)) s" }
    return text
  }
}

extension ScrapeChange {
  fileprivate var line: Transition.Line {
    let url = SecretText.masked(text: "\(scheme)://\(address)\(path)")
    guard let failure else {
      return Transition.Line(
        level: .info, message: "scrape works", pairs: ["pool": pool, "url": url])
    }
    return Transition.Line(
      level: .warning, message: "scrape fails",
      pairs: [
        "pool": pool, "url": url, "reason": failure.kind.label, "detail": failure.detail,
      ])
  }

  fileprivate var text: String {
    let what = failure.map { "fails: \($0.kind.label) \($0.detail)" } ?? "works again"
    return SecretText.masked(text: "scrape of \(path) \(what)")
  }
}

extension CanaryEnd {
  fileprivate var line: Transition.Line {
    Transition.Line(
      level: .debug, message: "canary ended",
      pairs: [
        "pool": pool, "endpoint": "\(endpoint)", "result": result.label, "detail": detail,
        "seconds": NumberWords.fixed(seconds, 3), "good_in_row": goodInRow,
      ])
  }
}

extension WeightChange {
  fileprivate var line: Transition.Line {
    Transition.Line(
      level: .debug, message: "target weight changed",
      pairs: [
        "pool": pool, "endpoint": "\(endpoint)", "from": NumberWords.fixed(old, 3),
        "to": NumberWords.fixed(new, 3), "reason": row.reason.kind.label, "why": row.reasonText,
      ])
  }

  fileprivate var text: String {
    "target weight \(NumberWords.short(old)) → \(NumberWords.short(new)), \(row.reasonText)"
  }
}

extension NameChange {
  fileprivate var line: Transition.Line {
    if let failure {
      return Transition.Line(
        level: .warning, message: "host name not resolved",
        pairs: ["name": host, "reason": failure])
    }
    return Transition.Line(
      level: leftOut == 0 ? .info : .warning, message: "host name resolved",
      pairs: [
        "name": host, "added": Self.shown(added), "removed": Self.shown(removed),
        "left_out": leftOut,
      ])
  }

  private static func shown(_ addresses: [HostAddress]) -> String {
    let first = addresses.prefix(8).map { SocketAddress(bytes: $0.bytes, port: 0).host }
    return first.joined(separator: ",") + (addresses.count > 8 ? ",…" : "")
  }
}

extension SourceChange {
  fileprivate var line: Transition.Line {
    if let failure {
      return Transition.Line(
        level: .warning, message: "source of endpoints fails",
        pairs: ["pool": pool, "source": source, "endpoints": count, "reason": failure])
    }
    return Transition.Line(
      level: .info, message: "source of endpoints answers",
      pairs: [
        "pool": pool, "source": source, "endpoints": count, "added": added, "removed": removed,
      ])
  }
}
