// The client behind trusted proxies: the right-most address of X-Forwarded-For that is not one of
// theirs. Addresses to its left can be forged.
// HOT PATH: no allocation, no lock, no existential, no clock.
public import Primitives

public enum ForwardedFor {
  /// The most entries that are read, from the right.
  public static let entriesMax = 32

  /// The address of the client, of a request from the trusted `peer`. If a decisive entry is not an
  /// address, or there are too many, it is the peer.
  public static func client(
    _ fields: FieldTable, peer: IPAddress, trusted: [AddressRange]
  ) -> IPAddress {
    var found = peer
    var count = 0
    for index in (0..<fields.count).reversed()
    where fields[index].name == .xForwardedFor {
      let value = fields.value(index)
      var end = value.count
      while end >= 0 {
        var start = end
        while start > 0, value[start - 1] != 0x2C { start -= 1 }
        let entry = trimmed(value, start, end)
        end = start - 1
        // Empty elements mean nothing (RFC 9110 §5.6.1.2).
        if entry.isEmpty { continue }
        count += 1
        guard count <= entriesMax, let address = IPAddress.withPort(entry)?.address else {
          return peer
        }
        found = address
        if !trusted.contain(address) { return address }
      }
    }
    return found
  }

  private static func trimmed(
    _ value: UnsafeRawBufferPointer, _ start: Int, _ end: Int
  ) -> UnsafeRawBufferPointer {
    var (start, end) = (start, end)
    while start < end, value[start] == 0x20 || value[start] == 0x09 { start += 1 }
    while end > start, value[end - 1] == 0x20 || value[end - 1] == 0x09 { end -= 1 }
    return UnsafeRawBufferPointer(rebasing: value[start..<end])
  }
}
