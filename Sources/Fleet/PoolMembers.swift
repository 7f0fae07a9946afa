// The members of one pool by where they come from. Entry 0 are the addresses of the file; then come
// the pool's names, its sources, and what was added at run time.
// Invariant: every address that an entry has belongs to the first entry that has it.
import Primitives

struct PoolMembers: Sendable {
  /// The set that fills each entry but the first.
  let fills: [MemberSet]
  /// The members of those entries by address, with the entry's port where they have none.
  var sets: [[SocketAddress: Member]]
  /// The entry that each address belongs to, those left out included.
  var owners: [SocketAddress: Int] = [:]
  /// Addresses for which there is no room.
  var leftOut: Set<SocketAddress> = []
  /// By entry, the number of the endpoints in the list. They stand there entry by entry.
  var counts: [Int]

  init(_ pool: Pool, _ table: [MemberSet: [Member]]) {
    fills = pool.fills
    sets = fills.indices.map { position in
      var found: [SocketAddress: Member] = [:]
      for member in pool.members(ofEntry: position + 1, table) { found[member.address] = member }
      return found
    }
    counts = [Int](repeating: 0, count: fills.count + 1)
    owners.reserveCapacity(pool.endpoints.count)
    for endpoint in pool.endpoints { owners[endpoint.address] = 0 }
    for position in fills.indices {
      for address in sets[position].keys where owners[address] == nil {
        owners[address] = position + 1
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
      $0.entry != $1.entry ? $0.entry < $1.entry : $0.address.comesBefore($1.address)
    }
  }

  /// Where the address stands in the list, or is to be inserted. Addresses of sets are sorted;
  /// the file's are not, and go to the end of theirs.
  func position(_ entry: Int, _ address: SocketAddress, in endpoints: [Endpoint]) -> Int {
    var low = counts[..<entry].reduce(0, +)
    var high = low + counts[entry]
    if entry == 0 { return endpoints[..<high].firstIndex { $0.address == address } ?? high }
    while low < high {
      let middle = (low + high) / 2
      if endpoints[middle].address.comesBefore(address) {
        low = middle + 1
      } else {
        high = middle
      }
    }
    return low
  }
}

extension SocketAddress {
  /// The order of members: IPv4 first, then by address, then by port.
  func comesBefore(_ other: SocketAddress) -> Bool {
    let (own, others) = (HostAddress(bytes: bytes), HostAddress(bytes: other.bytes))
    return own != others ? own < others : port < other.port
  }
}

extension Pool {
  /// The sets that fill the entries 1, 2, …: names, sources, and what is added at run time.
  var fills: [MemberSet] {
    names.map { .name($0.host) } + sources.map { .source(pool: name, label: $0.label) }
      + [.runtime(pool: name)]
  }

  /// The members of an entry with their whole addresses, in the order of the list.
  func members(ofEntry entry: Int, _ table: [MemberSet: [Member]]) -> [Member] {
    let all = (table[fills[entry - 1]] ?? []).map { whole($0, entry: entry) }
    let sorted = all.sorted { $0.address.comesBefore($1.address) }
    return entry <= names.count ? Array(sorted.prefix(Fleet.addressesPerNameMax)) : sorted
  }

  /// The member with the entry's port, if it has none.
  func whole(_ member: Member, entry: Int) -> Member {
    guard entry <= names.count else { return member }
    var member = member
    member.address = SocketAddress(bytes: member.address.bytes, port: names[entry - 1].port)
    return member
  }

  /// The endpoint that an entry makes of a member, without an index.
  func endpoint(_ member: Member, entry: Int) -> Endpoint {
    let position = entry - 1 - names.count
    var endpoint =
      if entry <= names.count {
        names[entry - 1].template
      } else if position < sources.count {
        sources[position].template
      } else {
        Endpoint(address: member.address)
      }
    endpoint.address = member.address
    endpoint.take(member)
    return endpoint
  }
}
