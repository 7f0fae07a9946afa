// Endpoints that are given by a host name, and the addresses that names had when they were last
// asked for. A fleet with names becomes one with addresses alone; what is behind it sees no names.
public import Primitives

/// A host name and port in a pool: every address of the name is an endpoint.
public struct NamedEndpoint: Sendable, Equatable, CustomStringConvertible {
  /// Lower case, without a final dot.
  public var host: String
  public var port: UInt16
  /// What its endpoints have of the file: weight and so on. The address says nothing.
  public var template: Endpoint

  public init(host: String, port: UInt16, template: Endpoint) {
    self.host = host
    self.port = port
    self.template = template
  }

  public var description: String { "\(host):\(port)" }
}

/// How often host names are resolved.
public struct NamePolicy: Sendable, Equatable {
  /// Between an answer and the next question. Range 1 s … 1 h.
  public var interval: Nanoseconds = .seconds(5)
  /// A question that takes longer has failed; what it brings later still counts. Range 100 ms …
  /// 1 min.
  public var timeout: Nanoseconds = .seconds(5)
  /// Which addresses are taken.
  public var family = NameFamily.any
  public init() {}
}

/// Which of a name's addresses become endpoints.
public enum NameFamily: String, Sendable, CaseIterable {
  case any, ipv4, ipv6

  /// Whether an address of so many bytes is one of them.
  public func takes(byteCount: Int) -> Bool {
    switch self {
    case .any: true
    case .ipv4: byteCount == 4
    case .ipv6: byteCount == 16
    }
  }
}

extension Fleet {
  /// Addresses of a host name that are used at most.
  public static var addressesPerNameMax: Int { 256 }

  /// The number of host names of all pools.
  public var nameCount: Int { pools.reduce(0) { $0 + $1.names.count } }

  /// Every host name of the fleet, each once, in file order.
  public var hostNames: [String] {
    var seen: Set<String> = []
    return pools.flatMap { $0.names.map(\.host) }.filter { seen.insert($0).inserted }
  }

  /// This fleet with an endpoint for every address of every name. An address that a pool has
  /// already, by itself or by another name, stays one endpoint: the first counts. A name that
  /// `table` does not know has none yet. Requires: the fleet as it was configured.
  public func resolved(_ table: [String: [HostAddress]]) -> Fleet {
    var fleet = self
    for index in pools.indices where !pools[index].names.isEmpty {
      var seen = Set(pools[index].endpoints.map(\.address))
      for name in pools[index].names {
        for address in (table[name.host] ?? []).prefix(Self.addressesPerNameMax) {
          var endpoint = name.template
          endpoint.address = SocketAddress(bytes: address.bytes, port: name.port)
          guard seen.insert(endpoint.address).inserted else { continue }
          fleet.pools[index].endpoints.append(endpoint)
        }
      }
    }
    return fleet
  }
}

/// An IP address without a port, in an order of its own: answers come in any.
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
