// Resolves host names with the system's resolver (getaddrinfo(3)): files, DNS and whatever else the
// machine uses. It blocks, for seconds if a name server does not answer. For commands, and for the
// threads of a `LookupPool`.
import CSystem
public import Primitives

public enum HostResolver {
  /// Why there is no address, in the system's words.
  public struct Failure: Error, Equatable {
    public let reason: String
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
}
