// What an operator wants done when something happens: a command or an HTTP request for each of
// certain events. Every default stands here.
public import Primitives

/// Something that happens to an endpoint, a pool or the configuration.
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

  /// The endpoint went out of service. One that dies does so in more than one way, one after the
  /// other: for a hook's cooldown they are one event.
  public var isOut: Bool {
    switch self {
    case .endpointEjected, .endpointStalled, .endpointUnhealthy: true
    default: false
    }
  }
}

/// One entry of `hooks`.
public struct HookPolicy: Sendable, Equatable {
  /// What is done.
  public enum Action: Sendable, Equatable {
    /// A program and its arguments, started without a shell; may hold placeholders.
    case run([String])
    /// An HTTP request with a JSON object as content.
    case post(WebTarget)
  }

  /// Where a request goes: `http://ADDRESS/PATH`.
  public struct WebTarget: Sendable, Equatable {
    public var address: SocketAddress
    /// Begins with `/`; may have a query.
    public var path: String
    public init(address: SocketAddress, path: String) {
      self.address = address
      self.path = path
    }
  }

  /// Events that wait for one of the hook's runs to end. More are dropped.
  public static let waitingMax = 16
  /// Words in braces that stand for what happened.
  public static let placeholders = ["event", "pool", "endpoint", "reason"]

  /// Not empty, without repetitions.
  public var events: [HookEvent]
  /// Names of pools; nil: of any, and what concerns none.
  public var pools: [String]?
  public var action: Action
  /// Further fields of `post`. At most 16.
  public var fields: [HealthPolicy.Field] = []
  /// Until a run is ended. Range 100 ms...1 h.
  public var timeout: Nanoseconds = .seconds(10)
  /// Runs at once. Range 1...16.
  public var concurrency = 1
  /// Not again for the same event of the same endpoint, where `isOut` is one event. Range 0...24 h.
  public var cooldown: Nanoseconds = .seconds(60)

  public init(events: [HookEvent], action: Action) {
    self.events = events
    self.action = action
  }
}
