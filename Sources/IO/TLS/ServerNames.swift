// Which certificates a server name asks for: by exact name, else by wildcard, else the default.
// Lookups do not allocate: a request's Host is looked up too, to see whether the connection's
// certificate was chosen for it.

struct ServerNames {
  /// The set of certificates for clients that name no server, or one that is not known.
  static let defaultSet = 0

  private struct Entry {
    let name: [UInt8]
    let set: Int
  }
  /// The certificates, as indexes, by set. The first set is the default.
  private(set) var sets: [[Int]]
  /// By hash of the name; a wildcard `*.example.org` stands as `.example.org`.
  private var slots: [Entry?]

  /// `names`: those of each certificate, in the order of preference. Certificates of the same name
  /// are offered together (RSA and P-256). The first certificate is the default.
  init(_ names: [[String]]) {
    var byName: [String: [Int]] = [:]
    for (index, list) in names.enumerated() {
      for name in Set(list.map { $0.lowercased() }) {
        let key = name.hasPrefix("*.") ? String(name.dropFirst()) : name
        byName[key, default: []].append(index)
      }
    }
    // Those that have all names of the default are offered with it.
    let first = Set(names.first ?? [])
    sets = [names.indices.filter { $0 == 0 || !first.isEmpty && Set(names[$0]) == first }]
    slots = [Entry?](repeating: nil, count: 16)
    while slots.count < 4 * byName.count { slots += slots }
    for (name, certificates) in byName.sorted(by: { $0.key < $1.key }) {
      let set = sets.firstIndex(of: certificates) ?? sets.count
      if set == sets.count { sets.append(certificates) }
      let bytes = Array(name.utf8)
      var slot = bytes.withUnsafeBytes { Self.hash($0) } & (slots.count - 1)
      while slots[slot] != nil { slot = (slot + 1) & (slots.count - 1) }
      slots[slot] = Entry(name: bytes, set: set)
    }
  }

  /// The set of certificates for a name in any case, without a port; a trailing dot is ignored.
  func set(for name: UnsafeRawBufferPointer) -> Int {
    if sets.count == 1 { return Self.defaultSet }
    let end = name.last == UInt8(ascii: ".") ? name.count - 1 : name.count
    let exact = UnsafeRawBufferPointer(rebasing: name[..<end])
    if let set = find(exact) { return set }
    guard let dot = exact.firstIndex(of: UInt8(ascii: ".")), dot > 0 else {
      return Self.defaultSet
    }
    return find(UnsafeRawBufferPointer(rebasing: exact[dot...])) ?? Self.defaultSet
  }

  private func find(_ name: UnsafeRawBufferPointer) -> Int? {
    var slot = Self.hash(name) & (slots.count - 1)
    while let entry = slots[slot] {
      if entry.name.count == name.count,
        zip(entry.name, name).allSatisfy({ $0 == Self.lower($1) })
      {
        return entry.set
      }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  /// FNV-1a of the name in lower case. The names in the table are the operator's.
  private static func hash(_ name: UnsafeRawBufferPointer) -> Int {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in name { hash = (hash ^ UInt64(lower(byte))) &* 0x100_0000_01B3 }
    return Int(truncatingIfNeeded: hash >> 16)
  }

  private static func lower(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
  }
}
