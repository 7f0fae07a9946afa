// What a path of the admin server names, which methods it takes and who may use it.
//   GET  /api/v1/pools                               every pool
//   GET  /api/v1/status                              what the status page shows
//   GET  /api/v1/status/events                       the same every second, server-sent events
//   GET  /api/v1/pools/NAME/explain                  from samples to weights, in words
//   POST /v3/discovery:endpoints                     Envoy's endpoint discovery over REST
//   GET  /api/v1/discovery                           what each source of endpoints says
//   PUT, DELETE /api/v1/pools/NAME/endpoints/ADDRESS an endpoint that is not in the file
//   POST /api/v1/reload                              the configuration file, read again
//   POST /api/v1/upgrade                             another process replaces this one
//   GET  /api/v1/upgrade                             how far that is
//   POST /api/v1/pools/NAME/{freeze|set|reset}       ?law= floor= slew= dry_run= for=
//   POST /api/v1/pools/NAME/endpoints/ADDRESS/{pin|scale|drain|reset}   ?weight= factor= deadline=
package import HTTP
package import StatusPage

/// A resource of the admin server. docs/openapi.yaml describes each.
package enum AdminResource: Equatable {
  case page(StatusPage)
  case metrics, health, readiness, discovery
  /// Envoy's endpoint discovery.
  case endpointDiscovery
  case sources
  case openAPI, pools, status, statusEvents, reload, upgrade
  case explain(pool: String)
  /// A change: the verb is one of `poolVerbs` or `endpointVerbs`.
  case pool(String, verb: String)
  case endpoint(String, pool: String, verb: String)
  /// An endpoint of run time.
  case member(String, pool: String)

  /// Who may use a resource.
  package enum Need: CaseIterable {
    /// Any client.
    case nothing
    case read, write
  }

  /// The prefix of all paths of the API.
  package static let apiPrefix = "/api/v1/"
  private static let poolVerbs = ["freeze", "set", "reset"]
  private static let endpointVerbs = ["pin", "scale", "drain", "reset"]
  private static let pathBytesMax = 2_048

  /// The resource that a path names; nil: there is none. Requires: the path begins with `/` and is
  /// not decoded.
  package static func find(_ path: String) throws(Problem) -> AdminResource {
    guard path.utf8.count <= pathBytesMax else {
      throw Problem(414, "a path has at most \(pathBytesMax) bytes here")
    }
    var parts: [String] = []
    for part in path.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
      guard let text = PercentText.decoded(part) else {
        throw Problem(400, "the path has an escape that is none, a control character or no UTF-8")
      }
      parts.append(text)
    }
    if parts.count > 1, parts[0] == "api" {
      return try findAPI(Array(parts.dropFirst()))
    }
    switch parts {
    case ["metrics"]: return .metrics
    case ["healthz"]: return .health
    case ["readyz"]: return .readiness
    case ["sd", "prometheus"]: return .discovery
    case ["v3", "discovery:endpoints"]: return .endpointDiscovery
    default:
      if parts.count == 1, let file = StatusPage(rawValue: parts[0]) { return .page(file) }
      throw unknown
    }
  }

  /// `parts` is the rest of the path after `/api/`.
  private static func findAPI(_ parts: [String]) throws(Problem) -> AdminResource {
    guard parts[0] == "v1" else { throw unknown }
    switch parts.count {
    case 2 where parts[1] == "pools": return .pools
    case 2 where parts[1] == "discovery": return .sources
    case 5 where parts[1] == "pools" && parts[3] == "endpoints":
      return .member(parts[4], pool: parts[2])
    case 2 where parts[1] == "status": return .status
    case 3 where parts[1] == "status" && parts[2] == "events": return .statusEvents
    case 2 where parts[1] == "reload": return .reload
    case 2 where parts[1] == "upgrade": return .upgrade
    case 2 where parts[1] == "openapi.yaml": return .openAPI
    case 4 where parts[1] == "pools" && parts[3] == "explain": return .explain(pool: parts[2])
    case 4 where parts[1] == "pools" && poolVerbs.contains(parts[3]):
      return .pool(parts[2], verb: parts[3])
    case 6
    where parts[1] == "pools" && parts[3] == "endpoints" && endpointVerbs.contains(parts[5]):
      return .endpoint(parts[4], pool: parts[2], verb: parts[5])
    default: throw unknown
    }
  }

  private static var unknown: Problem {
    Problem(404, "there is no such resource; \(apiPrefix)openapi.yaml describes those that are")
  }

  /// The allowed methods, as in the field Allow.
  var methods: String {
    switch self {
    case .reload, .pool, .endpoint, .endpointDiscovery: "POST"
    case .member: "PUT, DELETE"
    case .statusEvents: "GET"
    case .upgrade: "GET, HEAD, POST"
    default: "GET, HEAD"
    }
  }

  /// Whether the resource allows the method.
  package func takes(_ method: Method) -> Bool {
    switch methods {
    case "POST": method == .post
    case "PUT, DELETE": method == .put || method == .delete
    case "GET": method == .get
    case "GET, HEAD, POST": method == .get || method == .head || method == .post
    default: method == .get || method == .head
    }
  }

  /// Whether the content of a request to this path is read.
  static func takesContent(_ path: String) -> Bool {
    (try? find(path)) == .endpointDiscovery
  }

  /// The rights that a request with the method needs.
  package func need(of method: Method) -> Need {
    switch self {
    // The page itself is public: it fetches its data with requests of its own.
    case .page, .health, .readiness: .nothing
    case .reload, .pool, .endpoint, .member: .write
    case .upgrade: method == .post ? .write : .read
    default: .read
    }
  }
}
