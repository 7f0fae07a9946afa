// Resolves host names with the system's resolver (getaddrinfo(3)): files, DNS and whatever else the
// machine uses. It blocks, for seconds if a name server does not answer. For commands, and for the
// threads of a `LookupPool`.
import CSystem
public import Primitives

public enum HostResolver {
  /// Why there is no address, in the system's words.
  public struct Failure: Error, Equatable {
    public let reason: String
    /// The name server knows that there are no such records.
    public var isMissing = false
  }

  /// An SRV record (RFC 2782) with the addresses of its target.
  public struct Service: Sendable {
    public let target: String
    /// 4 or 16 bytes each; empty: the target has none.
    public let addresses: [[UInt8]]
    public let port: UInt16
    public let priority: UInt16
    public let weight: UInt16
    /// In seconds.
    public let timeToLive: UInt32
  }

  /// The addresses of a host, in the order in which the system would try them. A literal address
  /// (IPv6 with or without brackets) is returned as it is. Never empty. Allocates.
  public static func resolve(
    _ host: String, port: UInt16
  ) throws(Failure) -> [SocketAddress] {
    if let address = SocketAddress(host: host, port: port) { return [address] }
    if let address = SocketAddress(host: "[\(host)]", port: port) { return [address] }
    return try lookUp(host, countMax: 16).map { SocketAddress(bytes: $0, port: port) }
  }

  /// The addresses of a name, 4 or 16 bytes each, at most `countMax`; never empty. Allocates.
  static func lookUp(_ host: String, countMax: Int = 1_024) throws(Failure) -> [[UInt8]] {
    var bytes = [UInt8](repeating: 0, count: 16 * countMax)
    var counts = [UInt8](repeating: 0, count: countMax)
    let found = sy_resolve(host, &bytes, &counts, Int32(countMax))
    guard found >= 0 else {
      throw Failure(reason: sy_resolve_error(found).map { String(cString: $0) } ?? "unknown")
    }
    guard found > 0 else { throw Failure(reason: "it has no address") }
    return (0..<Int(found)).map { index in
      let start = 16 * index
      return Array(bytes[start..<start + Int(counts[index])])
    }
  }

  /// The SRV records of a name, at most `countMax`, with the addresses of their targets. The C
  /// library's resolver asks, by TCP where the answer is too long for UDP. Errors: no answer, no
  /// such records, and a target without an address: its server may only be starting.
  static func services(_ name: String, countMax: Int = 1_024) throws(Failure) -> [Service] {
    var records = [sy_srv](repeating: sy_srv(), count: countMax)
    let found = sy_lookup_srv(name, &records, Int32(countMax))
    guard found >= 0 else {
      throw Failure(reason: words(ofCode: -found), isMissing: found == -1 || found == -4)
    }
    var services: [Service] = []
    var known: [String: [[UInt8]]] = [:]
    for record in records[..<Int(found)] {
      let target = withUnsafeBytes(of: record.target) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      // "A Target of "." means that the service is decidedly not available at this domain."
      if target.isEmpty || target == "." { continue }
      if known[target] == nil { known[target] = try lookUp(target) }
      let addresses = known[target] ?? []
      services.append(
        Service(
          target: target, addresses: addresses, port: record.port, priority: record.priority,
          weight: record.weight, timeToLive: record.ttl))
    }
    return services
  }

  /// The codes of <netdb.h> in words.
  private static func words(ofCode code: Int32) -> String {
    switch code {
    case 1: "no such name"
    case 2: "no answer from a name server"
    case 4: "it has no SRV record"
    case 5: "the answer of the name server is malformed"
    default: "the name server has a fault"
    }
  }
}
