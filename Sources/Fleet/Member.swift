// What a source says of one endpoint, and the names of the sets that sources fill.
public import Primitives

/// A set of endpoints of the configuration that something outside the file fills.
public enum MemberSet: Hashable, Sendable {
  /// The addresses of a host name, in all pools that have it.
  case name(String)
  /// A source of a pool, by its label.
  case source(pool: String, label: String)
  /// The endpoints that were added to a pool at run time.
  case runtime(pool: String)
}

/// One endpoint as a source describes it. What it does not say is the entry's own setting.
public struct Member: Sendable, Equatable {
  /// Of a host name the port is 0, because the entry has the port.
  public var address: SocketAddress
  /// Tells two endpoints apart that have the same address one after the other, such as pods; nil:
  /// the source knows only addresses.
  public var uid: String?
  /// Range 0...1_000_000.
  public var weight: Double?
  public var isBackup: Bool?
  /// The endpoint takes no further requests.
  public var isDraining = false
  /// Used if an endpoint may have such a name.
  public var name: String?
  /// Each of them one that `Endpoint.labels` allows.
  public var labels: [String: String] = [:]

  public init(address: SocketAddress) { self.address = address }

  /// An address of a host name.
  public init(host: HostAddress) {
    address = SocketAddress(bytes: host.bytes, port: 0)
  }

  public var host: HostAddress { HostAddress(bytes: address.bytes) }
}

extension Endpoint {
  /// Takes what the member says over the settings that it has.
  mutating func take(_ member: Member) {
    uid = member.uid
    if let weight = member.weight { baseWeight = weight }
    if let isBackup = member.isBackup { self.isBackup = isBackup }
    if member.isDraining { baseWeight = 0 }
    if let name = member.name, Self.isName(name) { self.name = name }
    for (label, value) in member.labels.sorted(by: { $0.key < $1.key })
    where labels[label] != nil || labels.count < Self.labelsMax {
      labels[label] = value
    }
  }

  /// Whether an endpoint may have the name: 1 to 64 letters, digits, `_`, `-` and `.`.
  public static func isName(_ text: String) -> Bool {
    (1...64).contains(text.utf8.count)
      && text.utf8.allSatisfy { byte in
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2D, 0x2E: true
        default: false
        }
      }
  }
}
