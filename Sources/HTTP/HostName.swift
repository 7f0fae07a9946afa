// The hosts that a Host field may name on a server that web pages must not reach by DNS rebinding:
// addresses and `localhost`, because nobody can point these elsewhere.
import Primitives

/// The host of a Host field.
package enum HostName {
  /// Whether `field` (RFC 9110 §7.2: host and perhaps port) is an IP address or `localhost`.
  package static func isAddressOrLocalhost(_ field: String) -> Bool {
    var host = field[...]
    if let colon = field.lastIndex(of: ":"), field[colon...].dropFirst().allSatisfy(isDigit),
      !field.hasPrefix("[") || field[..<colon].hasSuffix("]")
    {
      host = field[..<colon]
    }
    if host.lowercased() == "localhost" { return true }
    return SocketAddress(host: String(host), port: 0) != nil
  }

  private static func isDigit(_ character: Character) -> Bool { ("0"..."9").contains(character) }
}
