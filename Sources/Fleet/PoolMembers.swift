// The members of one pool by where they come from. Entry 0 are the addresses of the file, entry n
// those of the pool's n-th name.
// Invariant: every address that an entry has belongs to the first entry that has it.
import Primitives

struct PoolMembers: Sendable {
  /// The addresses of each name.
  var sets: [Set<HostAddress>]
  /// The entry that each address belongs to, those left out included.
  var owners: [SocketAddress: Int] = [:]
  /// Addresses for which there is no room.
  var leftOut: Set<SocketAddress> = []
  /// By entry, the number of the endpoints in the list. They stand there entry by entry.
  var counts: [Int]

  init(_ pool: Pool, _ table: [String: [HostAddress]]) {
    sets = pool.names.map { Set((table[$0.host] ?? []).prefix(Fleet.addressesPerNameMax)) }
    counts = [Int](repeating: 0, count: pool.names.count + 1)
    owners.reserveCapacity(pool.endpoints.count)
    for endpoint in pool.endpoints { owners[endpoint.address] = 0 }
    for (position, name) in pool.names.enumerated() {
      for host in sets[position] {
        let address = SocketAddress(bytes: host.bytes, port: name.port)
        if owners[address] == nil { owners[address] = position + 1 }
      }
    }
  }

  /// Takes the list as it is in force; what is not in it is left out.
  mutating func take(_ endpoints: [Endpoint]) {
    for index in counts.indices { counts[index] = 0 }
    for endpoint in endpoints { counts[owners[endpoint.address] ?? 0] += 1 }
    leftOut = []
    if endpoints.count == owners.count { return }
    leftOut = Set(owners.keys).subtracting(endpoints.map(\.address))
  }

  /// What is left out, in the order of the list.
  var leftOutInOrder: [(address: SocketAddress, entry: Int)] {
    leftOut.map { (address: $0, entry: owners[$0] ?? 0) }.sorted {
      $0.entry != $1.entry
        ? $0.entry < $1.entry
        : HostAddress(bytes: $0.address.bytes) < HostAddress(bytes: $1.address.bytes)
    }
  }

  /// Where the address stands in the list, or is to be inserted. Addresses of a name are sorted;
  /// the file's are not, and go to the end of theirs.
  func position(_ entry: Int, _ address: SocketAddress, in endpoints: [Endpoint]) -> Int {
    var low = counts[..<entry].reduce(0, +)
    var high = low + counts[entry]
    if entry == 0 { return endpoints[..<high].firstIndex { $0.address == address } ?? high }
    let wanted = HostAddress(bytes: address.bytes)
    while low < high {
      let middle = (low + high) / 2
      if HostAddress(bytes: endpoints[middle].address.bytes) < wanted {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }
}
