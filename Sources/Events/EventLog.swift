// The reader of the journal that writes the log and makes the events for hooks.
package import Fleet
package import Primitives

/// A cursor in the journal: each transition is logged once. Control thread only.
package struct EventLog {
  private var cursor = Journal.Cursor()

  package init() {}

  /// Logs the transitions since the last call and returns the events for hooks, whose time is
  /// `wall`. `name` gives the name of an endpoint, by its pool and its address; nil: it has none.
  package mutating func write(
    _ journal: Journal, to log: LogDriver, wall: Nanoseconds,
    name: (_ pool: String, _ endpoint: String) -> String? = { _, _ in nil }
  ) -> [Occurrence] {
    let news = journal.news(after: &cursor)
    for (lane, count) in news.lost { log.addLost(lane.level, lane.message, count) }
    var occurrences: [Occurrence] = []
    for entry in news.entries {
      let lane = entry.transition.lane
      // Transitions that no level shows are not put into words.
      if lane.level != .debug || log.shows(.debug), let line = entry.transition.line {
        log.write(
          line.level, line.message, line.pairs, name: line.name(name), isLimited: line.isLimited)
      }
      if let occurrence = entry.transition.occurrence(at: wall) { occurrences.append(occurrence) }
    }
    return occurrences
  }
}

extension Transition.Line {
  /// The name of the endpoint that the line is about.
  fileprivate func name(_ find: (_ pool: String, _ endpoint: String) -> String?) -> String? {
    func text(_ key: String) -> String? { pairs.first { $0.key == key }?.value.shown }
    guard let pool = text("pool"), let endpoint = text("endpoint") else { return nil }
    return find(pool, endpoint)
  }
}
