// What is told of the common store: metrics, conditions and the log read it.
package import Fleet
package import Primitives

/// The state of the common store and what was done with it since it was configured.
package struct SharedStatus: Sendable {
  /// Something is shared.
  package var isConfigured = false
  /// The store can be asked.
  package var isLinked = false
  /// The server that was reached last.
  package private(set) var server: SharedPolicy.Server?
  /// Why the store could not be reached last.
  package private(set) var failure: RedisFailure?
  /// When the store became unreachable; nil: it is reachable.
  package private(set) var lostAt: Nanoseconds?
  /// The replicas, this one included, as known last.
  package var replicas = 1
  /// Keys of all limits that are not full.
  package var keyCount = 0
  package var calls: UInt64 = 0
  /// Requests that the store granted, and that this replica granted itself while it was cut off.
  package var grants: UInt64 = 0
  package var ownGrants: UInt64 = 0
  package var failures: [RedisFailure.Kind: UInt64] = [:]
  /// nil: no reply has come yet.
  package var roundTrip: Nanoseconds?
  /// Changes for the log since it took them.
  package private(set) var news: [RedisLink.Notice] = []

  package init() {}

  /// Takes a notice. Of many failures in a row the log gets the first, and those of another kind.
  mutating func note(_ notice: RedisLink.Notice, now: Nanoseconds) {
    switch notice {
    case .reached(let server):
      self.server = server
      failure = nil
      lostAt = nil
      news.append(notice)
    case .lost(let reason):
      if failure?.kind != reason.kind { news.append(notice) }
      failure = reason
      lostAt = lostAt ?? now
    }
    if news.count > 16 { news.removeFirst() }
  }

  /// The changes since the last call.
  package mutating func takeNews() -> [RedisLink.Notice] {
    defer { news = [] }
    return news
  }
}
