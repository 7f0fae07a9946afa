// Clients whose connections can be closed without losing an answer, in the order in which they
// became idle: when connections are short, the one that has been idle longest is closed. nginx does
// the same (its queue of reusable connections).
// Invariant: a client is in one list at most, and in none while an exchange runs on its connection.
// HOT PATH: no allocation, no lock, no existential, no clock.
/// The lists, linked through the clients' own memory; the list heads are stored after the last
/// client.
struct ReusableClients: ~Copyable {
  /// The kinds of clients, in the order in which they are closed.
  enum Kind: Int, CaseIterable {
    /// Kept alive after an exchange; no other one has begun.
    case idle
    /// Connected, without having sent a byte; with TLS, without having ended the handshake.
    case silent
    /// A part of a head has come, or the handshake is over and no head has come, or the answer was
    /// sent and the client has not closed yet.
    case unfinished
  }
  /// The number of entries that the slab needs in addition to its clients.
  static let headCount = Kind.allCases.count

  private let clients: UnsafeMutablePointer<Downstream>
  private let capacity: Int
  /// The number of clients of kind `idle`.
  private(set) var idleCount = 0

  /// Requires: `clients` has room for `capacity` and `headCount` more, and outlives this.
  init(_ clients: UnsafeMutablePointer<Downstream>, capacity: Int) {
    self.clients = clients
    self.capacity = capacity
    for head in capacity..<capacity + Self.headCount {
      (clients + head).initialize(to: Downstream())
      clients[head].previousReusable = Self.link(head)
      clients[head].nextReusable = Self.link(head)
    }
  }

  /// Moves the client to the end of a list, out of the list that it is in.
  mutating func append(_ index: Int, _ kind: Kind) {
    remove(index)
    let head = capacity + kind.rawValue
    let last = clients[head].previousReusable
    clients[index].previousReusable = last
    clients[index].nextReusable = Self.link(head)
    clients[Int(last) - 1].nextReusable = Self.link(index)
    clients[head].previousReusable = Self.link(index)
    if kind == .idle {
      clients[index].isKept = true
      idleCount += 1
    }
  }

  /// Removes the client from its list. No effect if it is in no list.
  @inline(__always)
  mutating func remove(_ index: Int) {
    let next = clients[index].nextReusable
    guard next != 0 else { return }
    let previous = clients[index].previousReusable
    clients[Int(previous) - 1].nextReusable = next
    clients[Int(next) - 1].previousReusable = previous
    clients[index].nextReusable = 0
    if clients[index].isKept {
      clients[index].isKept = false
      idleCount -= 1
    }
  }

  /// The client that has been in the list longest; nil: the list is empty.
  func first(_ kind: Kind) -> Int? { client(clients[capacity + kind.rawValue].nextReusable) }

  /// The client after `index` in its list; nil: it is the last. Requires: `index` is in a list.
  func next(after index: Int) -> Int? { client(clients[index].nextReusable) }

  private func client(_ link: Int32) -> Int? { link <= capacity ? Int(link) - 1 : nil }

  private static func link(_ index: Int) -> Int32 { Int32(index + 1) }
}
