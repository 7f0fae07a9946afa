// What several steelyards share, and where they keep it. Each default stands here.
public import Primitives

/// The common store of several replicas: a Redis or Valkey server.
public struct SharedPolicy: Sendable, Equatable {
  /// A server by its IP address or host name.
  public struct Server: Sendable, Hashable, CustomStringConvertible {
    /// An IP address, IPv6 without brackets, or a name in lower case.
    public var host: String
    public var port: UInt16

    public init(host: String, port: UInt16) {
      self.host = host
      self.port = port
    }

    /// As it stands in a file.
    public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
  }

  /// Who a client says it is.
  public struct Login: Sendable, Equatable {
    /// nil: the server's default user.
    public var username: String?
    /// nil: no password is sent.
    public var password: TokenSource?
    public init() {}
  }

  /// The sentinels that know which server is the master.
  public struct Sentinel: Sendable, Equatable {
    /// The name of the master.
    public var name = ""
    /// One to 16, asked in this order.
    public var servers: [Server] = []
    public var login = Login()
    public init() {}
  }

  /// nil: the sentinels tell it.
  public var server: Server?
  public var sentinel: Sentinel?
  public var login = Login()
  /// The number of the database. Range 0...1_023.
  public var database = 0
  /// nil: connections are in the clear. It holds for the sentinels too.
  public var tls: ClientTLS?
  /// How long an answer may take. Range 10 ms...10 s.
  public var timeout = Nanoseconds.milliseconds(500)
  /// What the names of all keys in the store begin with: 1 to 64 bytes of visible ASCII.
  public var prefix = "steelyard:"
  /// The secret of which the names of keys are made; the same at every replica.
  public var secret = TokenSource.environment("")
  /// How many replicas there are until the store has told it. Range 1...64.
  public var replicas = 2

  public init() {}
}
