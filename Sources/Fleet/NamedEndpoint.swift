// Endpoints given by host name. `resolved` turns a fleet with names and sources, and the members
// they have, into one that holds addresses only; all later code sees no names.
public import Primitives

/// A host name and port in a pool. Every address of the name becomes an endpoint.
public struct NamedEndpoint: Sendable, Equatable, CustomStringConvertible {
  /// In lower case, without a trailing dot.
  public var host: String
  public var port: UInt16
  /// The weight and other settings of its endpoints. The template's address is unused.
  public var template: Endpoint

  public init(host: String, port: UInt16, template: Endpoint) {
    self.host = host
    self.port = port
    self.template = template
    self.template.hostName = host
  }

  public var description: String { "\(host):\(port)" }
}

/// How often host names are resolved.
public struct NamePolicy: Sendable, Equatable {
  /// The time between an answer and the next lookup. Range 1 s … 1 h.
  public var interval: Nanoseconds = .seconds(5)
  /// The time after which a lookup has failed. An answer that comes later is still used. Range 100
  /// ms … 1 min.
  public var timeout: Nanoseconds = .seconds(5)
  /// The address families that are used.
  public var family = NameFamily.any
  public init() {}
}

/// Which of a name's addresses become endpoints.
public enum NameFamily: String, Sendable, CaseIterable {
  case any, ipv4, ipv6

  /// Whether an address of this length belongs to the family.
  public func takes(byteCount: Int) -> Bool {
    switch self {
    case .any: true
    case .ipv4: byteCount == 4
    case .ipv6: byteCount == 16
    }
  }
}

extension Fleet {
  /// The largest number of addresses used of one host name.
  public static var addressesPerNameMax: Int { 256 }

  /// The number of host names of all pools.
  public var nameCount: Int { pools.reduce(0) { $0 + $1.names.count } }

  /// Whether anything but the file says which endpoints there are.
  public var hasNamesOrSources: Bool {
    pools.contains { !$0.names.isEmpty || !$0.sources.isEmpty }
  }

  /// Every host name of the fleet once, in file order.
  public var hostNames: [String] {
    var seen: Set<String> = []
    return pools.flatMap { $0.names.map(\.host) }.filter { seen.insert($0).inserted }
  }

  /// This fleet with an endpoint for every member of every set. If a pool has the address already,
  /// by itself or by another set, the first entry counts. A set that is not in `table` has no
  /// members yet. Requires: the fleet as it was configured.
  public func resolved(_ table: [MemberSet: [Member]]) -> Fleet {
    var fleet = self
    for index in pools.indices {
      let pool = pools[index]
      var seen = Set(pool.endpoints.map(\.address))
      for position in pool.fills.indices where table[pool.fills[position]] != nil {
        for member in pool.members(ofEntry: position + 1, table)
        where seen.insert(member.address).inserted {
          fleet.pools[index].endpoints.append(pool.endpoint(member, entry: position + 1))
        }
      }
    }
    return fleet
  }
}

/// An IP address without a port. Addresses are ordered, because answers arrive in any order.
public struct HostAddress: Hashable, Comparable, Sendable {
  /// 4 or 16 bytes in network order.
  public let bytes: [UInt8]

  /// Requires: 4 or 16 bytes.
  public init(bytes: [UInt8]) { self.bytes = bytes }

  public static func < (a: HostAddress, b: HostAddress) -> Bool {
    a.bytes.count != b.bytes.count
      ? a.bytes.count < b.bytes.count : a.bytes.lexicographicallyPrecedes(b.bytes)
  }
}
