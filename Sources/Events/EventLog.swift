// The journal's reader that writes the log and gives the hooks their events.
package import Fleet
package import Primitives

/// Tells each transition once. Control thread only.
package struct EventLog {
  private var cursor = Journal.Cursor()

  package init() {}

  /// Writes what happened since the last call and gives the events for hooks, which have `wall` as
  /// their time.
  package mutating func write(
    _ journal: Journal, to log: LogDriver, wall: Nanoseconds
  ) -> [Occurrence] {
    let news = journal.news(after: &cursor)
    for (lane, count) in news.lost { log.addLost(lane.level, lane.message, count) }
    var occurrences: [Occurrence] = []
    for entry in news.entries {
      let lane = entry.transition.lane
      // What nobody reads is not put into words.
      if lane.level != .debug || log.shows(.debug), let line = entry.transition.line {
        log.write(line.level, line.message, line.pairs, isLimited: line.isLimited)
      }
      if let occurrence = entry.transition.occurrence(at: wall) { occurrences.append(occurrence) }
    }
    return occurrences
  }
}
