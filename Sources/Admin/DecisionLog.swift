// The decisions on the status page: the journal's entries in words and wall-clock time. Changes of
// weights are a list of their own, because they are many.
import Events
package import Fleet
package import Primitives
package import Status

/// The journal's reader for the status; reads all entries that are left each time.
package struct DecisionLog {
  private static let textMax = 200
  /// The number of changes of state that are shown, the last ones.
  private static let statesMax = 64

  private let journal: Journal
  /// Wall-clock time and monotonic time of the same moment.
  private let now: Nanoseconds
  private let wall: Nanoseconds

  package init(_ journal: Journal, now: Nanoseconds, wall: Nanoseconds) {
    self.journal = journal
    (self.now, self.wall) = (now, wall)
  }

  /// All decisions except changes of weights, in no order.
  package func decisions() -> [Decision] {
    [Journal.Lane.verdicts, .tuning, .scrapes, .states, .reloads].flatMap { lane in
      journal[lane].compactMap(decision).suffix(Self.statesMax)
    }
  }

  /// Changes of target weights, in no order.
  package func weightChanges() -> [Decision] {
    journal[.weights].suffix(StatusSnapshot.weightChangesMax).compactMap(decision)
  }

  private func decision(_ entry: Journal.Entry) -> Decision? {
    guard let text = entry.transition.text else { return nil }
    let (kind, pool, endpoint) = Self.subject(entry.transition)
    let bounded =
      text.count > Self.textMax ? String(text.prefix(Self.textMax - 1)) + "…" : text
    return Decision(
      wall: wall - (now - entry.at), kind: kind, pool: pool, endpoint: endpoint.map { "\($0)" },
      text: bounded)
  }

  /// The pool and the endpoint concerned. Without a pool: the whole configuration; without an
  /// endpoint: the whole pool.
  private static func subject(
    _ transition: Transition
  ) -> (kind: Decision.Kind, pool: String?, endpoint: SocketAddress?) {
    switch transition {
    case .verdict(let change): return (.eligibility, change.pool, change.endpoint)
    case .tuning(let change): return (.tuning, change.pool, change.endpoint)
    case .scrape(let change): return (.scrape, change.pool, change.address)
    case .weight(let change): return (.weight, change.pool, change.endpoint)
    case .canary(let end): return (.eligibility, end.pool, end.endpoint)
    case .endpoint(let change):
      let isEjection = change.new == .ejected || change.readmission != nil
      return (isEjection ? .ejection : .eligibility, change.pool, change.endpoint)
    case .pool(let change):
      switch change.state {
      case .withoutEndpoint, .recovered: return (.eligibility, change.pool, nil)
      case .frozen, .unfrozen: return (.freeze, change.pool, nil)
      }
    case .hostName, .source, .reload: return (.reload, nil, nil)
    }
  }
}
