// Which requests a listener sends where: what a route matches, and what becomes of the request.
// Which of several matching routes wins is the balancer's `RouteTable`.

/// Requests that match go to a pool, or are answered at once.
public struct Route: Sendable, Equatable {
  public var match: RouteMatch
  public var action: RouteAction
  /// What the matched prefix (or the whole exact path) is replaced with on the way to the endpoint;
  /// begins with "/". nil: the path goes on as it came.
  public var rewrite: String?
  /// nil: the pool's.
  public var timeouts: ExchangeTimeouts?
  /// Content of a request in bytes; nil: `Limits.bodyBytesMax`.
  public var bodyBytesMax: Int?
  /// As `Limits.requestBufferBytes`; nil: that.
  public var requestBufferBytes: Int?
  /// Further attempts at an exchange; nil: the pool's. Range 0...7.
  public var retriesMax: Int?
  /// Repeating a request has the effect of making it once, whatever its method: true of inference.
  public var isIdempotent = false
  /// Whether its exchanges have a line in the access log, where there is one.
  public var logsAccess = true
  /// Before those of the pool. At most 8.
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

/// What a request has to be like. All conditions have to hold.
public struct RouteMatch: Sendable, Equatable {
  /// One of them; empty: any host, and none.
  public var hosts: [HostPattern] = []
  public var path: PathPattern
  /// One of them, case-sensitive (RFC 9110 §9.1); empty: any.
  public var methods: [String] = []
  /// Each of them.
  public var fields: [FieldCondition] = []

  public init(path: PathPattern = .prefix("/")) { self.path = path }

  /// How many conditions there are beside host and path.
  public var furtherCount: Int { fields.count + (methods.isEmpty ? 0 : 1) }
}

/// The host that a request names, without its port, in lower case.
public enum HostPattern: Sendable, Hashable {
  case exact(String)
  /// `*.example.com`: any host that ends in the dot and name after the star, at any depth.
  case wildcard(String)
}

/// Compared byte by byte with the path as it came: no decoding, no dot segments removed.
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

/// A condition on the field lines of one name. Any line of that name may fulfil it.
public struct FieldCondition: Sendable, Hashable {
  /// What one of the field lines has to be.
  public enum Test: Sendable, Hashable {
    case exact(String)
    case prefix(String)
    /// There is a line of the name, or there is none.
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

/// What becomes of a request.
public enum RouteAction: Sendable, Equatable {
  /// An index into `Fleet.pools`.
  case pool(Int)
  case redirect(Redirect)
  case respond(FixedAnswer)

  /// The pool that requests go to; nil where steelyard answers by itself.
  public var pool: Int? { if case .pool(let index) = self { index } else { nil } }
}

/// The client is sent elsewhere (RFC 9110 §15.4).
public struct Redirect: Sendable, Equatable {
  /// 301, 302, 303, 307 or 308. 308 is for good and keeps the method.
  public var status = 308
  /// An absolute URL or a path. `{path}` in it stands for path and query as they came.
  public var location: String
  public init(location: String) { self.location = location }

  /// What stands for path and query in `location`.
  public static let placeholder = "{path}"
}

/// An answer of steelyard's own.
public struct FixedAnswer: Sendable, Equatable {
  /// 2xx, 4xx or 5xx.
  public var status = 200
  /// At most 4 KiB.
  public var body = ""
  public var contentType = "text/plain"
  /// An index into `Fleet.pools`: while that pool has no endpoint that may take requests, the
  /// answer is 503. nil: it is always the same.
  public var unlessEmpty: Int?
  public init() {}
}
