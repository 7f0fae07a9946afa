// What operators said at run time and want to keep over a restart: endpoints and orders, as the
// content of the state file.
package import Controller
package import Discovery
import Fleet
package import Primitives

/// The content of the state file. Pure.
package struct SavedState: Codable, Equatable, Sendable {
  package struct SavedEndpoint: Codable, Equatable, Sendable {
    package var pool: String
    package var address: String
    package var weight: Double?
    package var backup: Bool?
    package var drain: Bool?
    package var name: String?
    package var uid: String?
    package var labels: [String: String]?
    /// In the record of an upgrade: until it is dropped unless it is renewed.
    package var secondsLeft: Double?
    /// In the record of an upgrade: the state file has it too.
    package var persists: Bool?
  }

  package struct SavedOrder: Codable, Equatable, Sendable {
    package var pool: String
    /// nil: the order is for the pool.
    package var endpoint: String?
    /// `pin`, `scale`, `drain`, `freeze`, `law`, `floor`, `slew` or `dry_run`.
    package var action: String
    package var value: String?
  }

  /// Why a state file is not used.
  package struct Failure: Error, Equatable {
    package let reason: String
  }

  /// The most bytes of a state file.
  package static let byteCountMax = 16 << 20
  private static let versionNow = 1

  package private(set) var version = versionNow
  package private(set) var endpoints: [SavedEndpoint] = []
  package private(set) var orders: [SavedOrder] = []

  package init() {}

  /// Reads the bytes of a file. Errors: no such content, another version.
  package init(_ bytes: [UInt8]) throws(Failure) {
    guard let read = AdminJSON.read(SavedState.self, bytes) else {
      throw Failure(reason: "it is no state file")
    }
    guard read.version == Self.versionNow else {
      throw Failure(reason: "it has version \(read.version), and this steelyard writes 1")
    }
    self = read
  }

  /// The bytes of a file.
  package var bytes: [UInt8] { AdminJSON.bytes(self) }

  // MARK: Endpoints

  /// Takes the endpoints that persist in place of those before.
  package mutating func note(_ members: RuntimeMembers, pools: [String]) {
    endpoints = pools.flatMap { pool in
      members.entries(ofPool: pool).filter(\.persists).map { Self.saved($0.member, pool: pool) }
    }
  }

  /// Adds the endpoints to those of run time. Entries that are none are left out.
  package func restore(_ members: inout RuntimeMembers, now: Nanoseconds) {
    for saved in endpoints {
      guard let member = Self.member(saved), member.address.port > 0 else { continue }
      _ = members.set(member, pool: saved.pool, lasts: nil, persists: true, now: now)
    }
  }

  /// All endpoints of run time, for the process that replaces this one.
  package static func record(
    of members: RuntimeMembers, pools: [String], now: Nanoseconds
  ) -> [SavedEndpoint] {
    pools.flatMap { pool in
      members.entries(ofPool: pool).map { entry in
        var saved = Self.saved(entry.member, pool: pool)
        saved.secondsLeft = entry.expiresAt.map { max(0, ($0 - now).seconds) }
        saved.persists = entry.persists
        return saved
      }
    }
  }

  /// Takes the endpoints of the process that this one replaces; others are removed.
  package static func restore(
    _ record: [SavedEndpoint], _ members: inout RuntimeMembers, now: Nanoseconds
  ) {
    members.keep { pool, address in
      record.contains { $0.pool == pool && $0.address == "\(address)" }
    }
    for saved in record {
      guard let member = member(saved), member.address.port > 0 else { continue }
      _ = members.set(
        member, pool: saved.pool, lasts: saved.secondsLeft.map { .seconds(max(0.001, $0)) },
        persists: saved.persists ?? false, now: now)
    }
  }

  static func saved(_ member: Member, pool: String) -> SavedEndpoint {
    SavedEndpoint(
      pool: pool, address: "\(member.address)", weight: member.weight, backup: member.isBackup,
      drain: member.isDraining ? true : nil, name: member.name, uid: member.uid,
      labels: member.labels.isEmpty ? nil : member.labels)
  }

  static func member(_ saved: SavedEndpoint) -> Member? {
    guard let address = SocketAddress(saved.address) else { return nil }
    var member = Member(address: address)
    member.weight = saved.weight.flatMap { (0...1_000_000).contains($0) ? $0 : nil }
    member.isBackup = saved.backup
    member.isDraining = saved.drain ?? false
    (member.name, member.uid, member.labels) = (saved.name, saved.uid, saved.labels ?? [:])
    return member
  }

  // MARK: Orders

  /// Takes an order. Returns whether the file has to be written.
  package mutating func note(_ order: TuningRequest) -> Bool {
    let endpoint = order.endpoint.map { "\($0)" }
    if order.action == .reset {
      let before = orders.count
      orders.removeAll { $0.pool == order.pool && $0.endpoint == endpoint }
      return orders.count != before
    }
    guard order.persists, let (action, value) = Self.words(order.action) else { return false }
    orders.removeAll { $0.pool == order.pool && $0.endpoint == endpoint && $0.action == action }
    orders.append(
      SavedOrder(pool: order.pool, endpoint: endpoint, action: action, value: value))
    return true
  }

  /// The orders that can be given now; `address`: those of one endpoint.
  package func requests(pool: String? = nil, address: SocketAddress? = nil) -> [TuningRequest] {
    orders.compactMap { saved in
      let endpoint = saved.endpoint.flatMap { SocketAddress($0) }
      guard (saved.endpoint == nil) == (endpoint == nil), let action = Self.action(saved),
        pool == nil || saved.pool == pool, address == nil || endpoint == address
      else { return nil }
      var request = TuningRequest(pool: saved.pool, endpoint: endpoint, action)
      request.persists = true
      return request
    }
  }

  private static func words(_ action: TuningAction) -> (String, String?)? {
    switch action {
    case .pin(let weight): ("pin", "\(weight)")
    case .scale(let factor): ("scale", "\(factor)")
    case .drain: ("drain", nil)
    case .freeze: ("freeze", nil)
    case .set(.law(let law)): ("law", law.rawValue)
    case .set(.floor(let floor)): ("floor", "\(floor)")
    case .set(.slew(let slew)): ("slew", "\(slew)")
    case .set(.dryRun(let isDry)): ("dry_run", "\(isDry)")
    case .reset: nil
    }
  }

  private static func action(_ saved: SavedOrder) -> TuningAction? {
    func number(_ range: ClosedRange<Double>) -> Double? {
      saved.value.flatMap { Double($0) }.flatMap { range.contains($0) ? $0 : nil }
    }
    return switch saved.action {
    case "pin": number(0...1_000_000).map { .pin($0) }
    case "scale": number(0...1_000).map { .scale($0) }
    case "drain": .drain
    case "freeze": .freeze
    case "law": saved.value.flatMap { Law(rawValue: $0) }.map { .set(.law($0)) }
    case "floor": number(0...1).map { .set(.floor($0)) }
    case "slew": number(0.01...100).map { .set(.slew($0)) }
    case "dry_run": saved.value.map { .set(.dryRun($0 == "true")) }
    default: nil
    }
  }
}
