// What host names and sources said last, for the process that replaces this one: a server that does
// not answer just then must not cost it the endpoints.
package import Fleet
import Primitives

package struct DiscoveryRecord: Codable, Sendable {
  private struct Entry: Codable, Sendable {
    /// A host name.
    var host: String?
    /// A pool and the label of its source.
    var pool: String?
    var source: String?
    var members: [SavedState.SavedEndpoint]
  }

  private var entries: [Entry] = []

  package init(_ table: [MemberSet: [Member]]) {
    for (set, members) in table {
      switch set {
      case .name(let host):
        entries.append(
          Entry(host: host, members: members.map { SavedState.saved($0, pool: "") }))
      case .source(let pool, let label):
        entries.append(
          Entry(
            pool: pool, source: label, members: members.map { SavedState.saved($0, pool: pool) }))
      case .runtime: break
      }
    }
  }

  /// The sets with their members. Entries that are none are left out.
  package var table: [MemberSet: [Member]] {
    var table: [MemberSet: [Member]] = [:]
    for entry in entries {
      let members = entry.members.compactMap(SavedState.member)
      if let host = entry.host {
        table[.name(host)] = members
      } else if let pool = entry.pool, let source = entry.source {
        table[.source(pool: pool, label: source)] = members.filter { $0.address.port > 0 }
      }
    }
    return table
  }
}
