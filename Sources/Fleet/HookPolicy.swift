// Hooks: a command or an HTTP request for certain events. Each default stands here.
public import Primitives

/// An event at an endpoint, at a pool or of the configuration.
public enum HookEvent: String, Sendable, CaseIterable {
  case endpointEjected = "endpoint_ejected"
  case endpointStalled = "endpoint_stalled"
  case endpointUnhealthy = "endpoint_unhealthy"
  case endpointReady = "endpoint_ready"
  case endpointDraining = "endpoint_draining"
  case endpointDrained = "endpoint_drained"
  case poolWithoutEndpoint = "pool_without_endpoint"
  case poolRecovered = "pool_recovered"
  case weightsFrozen = "weights_frozen"
  case scrapeFailing = "scrape_failing"
  case scrapeRecovered = "scrape_recovered"
  case configurationReloaded = "config_reloaded"

  /// The endpoint left service. One failure often causes several of these events in a row; a hook's
  /// cooldown treats them as one event.
  public var isOut: Bool {
    switch self {
    case .endpointEjected, .endpointStalled, .endpointUnhealthy: true
    default: false
    }
  }
}

/// One entry of `hooks`.
public struct HookPolicy: Sendable, Equatable {
  /// What the hook does.
  public enum Action: Sendable, Equatable {
    /// Runs a program with arguments, without a shell. The arguments may hold placeholders.
    case run([String])
    /// Sends an HTTP request with a JSON object as content.
    case post(WebTarget)
  }

  /// The target of a request: `http://ADDRESS/PATH` or `https://ADDRESS/PATH`.
  public struct WebTarget: Sendable, Equatable {
    public var address: SocketAddress
    /// Begins with `/` and may have a query.
    public var path: String
    /// nil: the request is sent in the clear.
    public var tls: ClientTLS?
    public init(address: SocketAddress, path: String, tls: ClientTLS? = nil) {
      self.address = address
      self.path = path
      self.tls = tls
    }

    /// The target as the operator writes it.
    public var url: String { "\(tls == nil ? "http" : "https")://\(address)\(path)" }
  }

  /// The number of events that wait while the hook's runs are busy. Further events are dropped.
  public static let waitingMax = 16
  /// Words that are replaced, written in braces, by the event's values.
  public static let placeholders = ["event", "pool", "endpoint", "reason"]

  /// Not empty, without duplicates.
  public var events: [HookEvent]
  /// Pools whose events count; nil: all events, those without a pool included.
  public var pools: [String]?
  public var action: Action
  /// Further fields of a `post` request. At most 16.
  public var fields: [HealthPolicy.Field] = []
  /// The time after which a run is ended. Range 100 ms...1 h.
  public var timeout: Nanoseconds = .seconds(10)
  /// The number of concurrent runs. Range 1...16.
  public var concurrency = 1
  /// How long the hook does not run again for the same event of the same endpoint; all events with
  /// `isOut` count as one. Range 0...24 h.
  public var cooldown: Nanoseconds = .seconds(60)

  public init(events: [HookEvent], action: Action) {
    self.events = events
    self.action = action
  }
}
