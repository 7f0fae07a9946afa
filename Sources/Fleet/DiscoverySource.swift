// Sources of endpoints other than the file itself and its host names. Each default stands here.
public import Primitives

/// Something outside the configuration that says which endpoints a pool has.
public struct DiscoverySource: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    /// Files of targets as Prometheus' `file_sd_configs` reads them.
    case file
    /// A web server that answers with targets, as Prometheus' `http_sd_configs` reads them.
    case http
    /// SRV records of the DNS (RFC 2782).
    case srv
    /// A service of a Consul catalogue.
    case consul
    /// Keys of etcd 3.
    case etcd
    /// The EndpointSlices of a Kubernetes service.
    case kubernetes
  }

  /// The server that is asked.
  public struct Server: Sendable, Equatable {
    /// A host name in lower case or an address without brackets.
    public var host: String
    public var port: UInt16
    /// What every path begins with; empty, or begins with `/` and does not end with it.
    public var path: String

    public init(host: String, port: UInt16, path: String = "") {
      self.host = host
      self.port = port
      self.path = path
    }

    /// The value of `Host`, and the server in messages.
    public var authority: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
  }

  public var kind: Kind
  /// Tells it from the other sources of its pool; the kind, if the file gives no name.
  public var label: String
  /// A pattern of files, a path with query, a name of SRV records, a service, or a prefix of keys.
  public var target: String
  /// nil: there is none (file, srv), or the environment names it (kubernetes in a cluster).
  public var server: Server?
  /// TLS to the server; nil: requests are in the clear.
  public var tls: ClientTLS?
  /// Further fields of requests.
  public var fields: [HealthPolicy.Field] = []
  /// The token of the server's; it is read again for every request. nil: none.
  public var token: TokenSource?
  /// The time between two questions to what cannot say by itself that something has changed.
  /// Range 1 s … 1 h.
  public var interval: Nanoseconds
  /// The time after which a question has failed. Range 100 ms … 1 min.
  public var timeout: Nanoseconds = .seconds(10)
  /// An answer without endpoints is believed, if it is certain. Otherwise the last endpoints stay.
  public var acceptsEmpty = false
  /// The endpoints' settings where the source says nothing else. Its address is unused.
  public var template = Endpoint(address: .loopback(port: 0))
  /// Consul: all of these tags.
  public var tags: [String] = []
  /// Consul: nil: the server's own.
  public var datacenter: String?
  /// Kubernetes: the namespace of the service; nil: that of the pod.
  public var namespace: String?
  /// Kubernetes: the name or number of the port; nil: the first one.
  public var portName: String?

  public init(_ kind: Kind, target: String) {
    self.kind = kind
    label = kind.rawValue
    self.target = target
    interval =
      switch kind {
      case .file: .seconds(5)
      case .http: .seconds(60)
      case .srv: .seconds(30)
      case .consul, .etcd, .kubernetes: .seconds(15)
      }
  }

  /// What endpoints of the configuration file, and those of run time, are called where sources have
  /// a label.
  public static var ownLabels: [String] { ["list", "api"] }

  /// Where a pod finds its token and the authority of its cluster's API server.
  public static var podFolder: String { "/var/run/secrets/kubernetes.io/serviceaccount" }

  /// The most endpoints that are taken from one source.
  public static var membersMax: Int { 10_000 }
}
