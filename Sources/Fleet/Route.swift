// Routes of a listener: what a route matches, and what happens to the request. The balancer's
// `RouteTable` decides which of several matching routes wins.

/// A route: requests that match go to a pool or are answered at once.
public struct Route: Sendable, Equatable {
  public var match: RouteMatch
  public var action: RouteAction
  /// Replaces the matched prefix (or the whole exact path) on the way to the endpoint; begins with
  /// "/". nil: the path is unchanged.
  public var rewrite: String?
  /// nil: the pool's.
  public var timeouts: ExchangeTimeouts?
  /// The longest content of a request, bytes; nil: `Limits.bodyBytesMax`.
  public var bodyBytesMax: Int?
  /// Overrides `Limits.requestBufferBytes`; nil: that value.
  public var requestBufferBytes: Int?
  /// The largest number of further attempts of an exchange; nil: the pool's. Range 0...7.
  public var retriesMax: Int?
  /// A repeated request has the same effect as a single one, whatever its method. True of
  /// inference.
  public var isIdempotent = false
  /// Whether the route's exchanges are written to the access log, if there is one.
  public var logsAccess = true
  /// Rate limits of the route, applied before those of the pool. At most 8.
  public var rateLimits: [RateLimit] = []

  public init(match: RouteMatch, action: RouteAction) {
    self.match = match
    self.action = action
  }

  public init(pathPrefix: String, pool: Int, timeouts: ExchangeTimeouts? = nil) {
    self.init(match: RouteMatch(path: .prefix(pathPrefix)), action: .pool(pool))
    self.timeouts = timeouts
  }
}

/// The conditions that a request has to fulfil, all of them.
public struct RouteMatch: Sendable, Equatable {
  /// One of these hosts; empty: any host, or none.
  public var hosts: [HostPattern] = []
  public var path: PathPattern
  /// One of these methods, case-sensitive (RFC 9110 §9.1); empty: any.
  public var methods: [String] = []
  /// All of these field conditions.
  public var fields: [FieldCondition] = []

  public init(path: PathPattern = .prefix("/")) { self.path = path }

  /// The number of conditions besides host and path.
  public var furtherCount: Int { fields.count + (methods.isEmpty ? 0 : 1) }
}

/// The host that a request names, without its port, in lower case.
public enum HostPattern: Sendable, Hashable {
  case exact(String)
  /// `*.example.com`: any host that ends in the part after the star, at any depth.
  case wildcard(String)
}

/// A pattern of the path, compared byte by byte with the path as it was received: without decoding
/// and without removing dot segments.
public enum PathPattern: Sendable, Hashable {
  case exact(String)
  /// `/api` is a prefix of `/apix` too.
  case prefix(String)

  /// The bytes that are compared.
  public var text: String {
    switch self {
    case .exact(let text), .prefix(let text): text
    }
  }
}

/// A condition on the field lines of one name. It holds if any of those lines fulfils it.
public struct FieldCondition: Sendable, Hashable {
  /// The condition on a field line.
  public enum Test: Sendable, Hashable {
    case exact(String)
    case prefix(String)
    /// The field is present (true) or absent (false).
    case present(Bool)
  }

  /// In lower case.
  public var name: String
  public var test: Test

  public init(name: String, _ test: Test) {
    self.name = name
    self.test = test
  }
}

/// What happens to a request.
public enum RouteAction: Sendable, Equatable {
  /// An index into `Fleet.pools`.
  case pool(Int)
  case redirect(Redirect)
  case respond(FixedAnswer)

  /// The pool that requests go to; nil: steelyard answers by itself.
  public var pool: Int? { if case .pool(let index) = self { index } else { nil } }
}

/// Redirects the client (RFC 9110 §15.4).
public struct Redirect: Sendable, Equatable {
  /// 301, 302, 303, 307 or 308. 308 is permanent and keeps the method.
  public var status = 308
  /// An absolute URL or a path. `{path}` in it is replaced by path and query as received, `{host}`
  /// after `https://` or `http://` by the host that the request names, without its port.
  public var location: String
  public init(location: String) { self.location = location }

  /// The placeholder for path and query in `location`.
  public static let placeholder = "{path}"
  /// The placeholder for the host.
  public static let hostPlaceholder = "{host}"
}

/// An answer that steelyard gives itself.
public struct FixedAnswer: Sendable, Equatable {
  /// 2xx, 4xx or 5xx.
  public var status = 200
  /// At most 4 KiB.
  public var body = ""
  public var contentType = "text/plain"
  /// An index into `Fleet.pools`: while that pool has no endpoint that may take requests, the
  /// status is 503. nil: the answer never changes.
  public var unlessEmpty: Int?
  public init() {}
}
