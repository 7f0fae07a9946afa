// GET /api/v1/discovery: what each source of endpoints says now. Written by the server, read by
// `steelyard discover`.
import Discovery
import Fleet
import Primitives

/// All pools, as the API answers them.
package struct DiscoveryAnswer: Codable, Equatable {
  package var pools: [DiscoveryStatus]
}

/// Where the endpoints of a pool come from.
package struct DiscoveryStatus: Codable, Equatable {
  package struct MemberStatus: Codable, Equatable {
    package var address: String
    package var name: String?
    package var uid: String?
    package var weight: Double?
    package var backup: Bool?
    package var drain: Bool
    package var labels: [String: String]
    /// Seconds until it is dropped unless it is renewed.
    package var expiresIn: Double?
    /// It is kept over a restart.
    package var persists: Bool?
  }

  package struct SourceStatus: Codable, Equatable {
    /// The label of metrics; `list` for the configuration file, `api` for run time.
    package var name: String
    /// What is read, in words.
    package var title: String
    package var isUp: Bool
    package var failure: String?
    package var failureReason: String?
    /// The last answer had no endpoints and was not believed.
    package var keepsThroughEmpty: Bool
    package var heldBack: Int
    /// Seconds since 1970.
    package var lastSuccess: Double?
    package var lastChange: Double?
    package var members: [MemberStatus]
  }

  package var pool: String
  package var sources: [SourceStatus]

  /// All pools, in the order of the configuration.
  static func all(
    _ configured: Fleet, names: NameSource, sources: [SourceState], runtime: RuntimeMembers,
    members: [MemberSet: [Member]], now: Nanoseconds
  ) -> [DiscoveryStatus] {
    configured.pools.map { pool in
      var status = DiscoveryStatus(pool: pool.name, sources: [])
      if !pool.endpoints.isEmpty {
        status.sources.append(
          SourceStatus(
            name: "list", title: "the configuration file",
            members: pool.endpoints.map { MemberStatus($0) }))
      }
      for name in pool.names {
        guard let state = names.states.first(where: { $0.host == name.host }) else { continue }
        var one = SourceStatus(
          name: name.host, title: "addresses of \(name.host)",
          members: state.addresses.map {
            MemberStatus(Member(address: SocketAddress(bytes: $0.bytes, port: name.port)))
          })
        one.isUp = state.failure == nil
        one.failure = state.failure
        one.lastSuccess = state.lastSuccessWall?.seconds
        status.sources.append(one)
      }
      for state in sources where state.pool == pool.name {
        let set = MemberSet.source(pool: pool.name, label: state.label)
        var one = SourceStatus(
          name: state.label, title: state.title,
          members: (members[set] ?? []).map { MemberStatus($0) }.sorted {
            $0.address < $1.address
          })
        one.isUp = state.failure == nil && state.isTried
        one.failure = state.failure?.detail
        one.failureReason = state.failure?.reason.rawValue
        one.keepsThroughEmpty = state.keepsThroughEmpty
        one.heldBack = state.heldBackCount
        one.lastSuccess = state.lastSuccessWall?.seconds
        one.lastChange = state.lastChangeWall?.seconds
        status.sources.append(one)
      }
      let added = runtime.entries(ofPool: pool.name)
      if !added.isEmpty {
        status.sources.append(
          SourceStatus(
            name: RuntimeMembers.label, title: "added at run time",
            members: added.map { entry in
              var one = MemberStatus(entry.member)
              one.expiresIn = entry.expiresAt.map { max(0, ($0 - now).seconds) }
              one.persists = entry.persists
              return one
            }))
      }
      return status
    }
  }
}

extension DiscoveryStatus.SourceStatus {
  fileprivate init(name: String, title: String, members: [DiscoveryStatus.MemberStatus]) {
    self.name = name
    self.title = title
    self.members = members
    (isUp, keepsThroughEmpty, heldBack) = (true, false, 0)
  }
}

extension DiscoveryStatus.MemberStatus {
  fileprivate init(_ member: Member) {
    address = "\(member.address)"
    name = member.name
    uid = member.uid
    weight = member.weight
    backup = member.isBackup
    drain = member.isDraining
    labels = member.labels
  }

  fileprivate init(_ endpoint: Endpoint) {
    address = "\(endpoint.address)"
    name = endpoint.name
    weight = endpoint.baseWeight
    backup = endpoint.isBackup
    drain = false
    labels = endpoint.labels
  }
}
