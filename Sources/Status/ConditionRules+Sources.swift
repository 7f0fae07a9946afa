// Conditions of sources of endpoints: those that fail, and those that say that there are no
// endpoints and are not believed.

extension ConditionRules {
  static func addSources(_ pool: PoolReading, _ found: inout [Finding]) {
    let failing = pool.sources.filter { $0.failure != nil }
    if let first = failing.first, let failure = first.failure {
      let more = failing.count > 1 ? "; and \(failing.count - 1) more" : ""
      found.append(
        Finding(
          .discoveryFailing, nil,
          "source \(first.label) fails: \(failure); its \(first.memberCount) endpoints stay\(more)")
      )
    }
    if let empty = pool.sources.first(where: { $0.failure == nil }) {
      found.append(
        Finding(
          .discoveryEmpty, nil,
          "source \(empty.label) says that there are no endpoints; the last "
            + "\(empty.memberCount) stay (`empty: accept` would believe it)"))
    }
  }
}
