// The route of a request: tables of requests and the routes that they match.
import Fleet
import HTTP
import Testing

@testable import Balancer

/// The index of the route that the request head matches; −1: none.
private func route(_ routes: [Route], _ head: String) -> Int {
  let table = RouteTable(routes)
  var parser = HeadParser()
  var parsed = RequestHead()
  return Array(head.utf8).withUnsafeBytes { bytes in
    guard parser.parse(bytes, into: &parsed) == .complete else { return -2 }
    return table.match(parsed, parser.table(in: bytes)) ?? -1
  }
}

private func route(
  _ path: PathPattern = .prefix("/"), hosts: [HostPattern] = [], methods: [String] = [],
  fields: [FieldCondition] = []
) -> Route {
  var match = RouteMatch(path: path)
  match.hosts = hosts
  match.methods = methods
  match.fields = fields
  return Route(match: match, action: .pool(0))
}

private func get(
  _ target: String, host: String = "test.example", method: String = "GET", fields: String = ""
) -> String {
  "\(method) \(target) HTTP/1.1\r\nHost: \(host)\r\n\(fields)\r\n"
}

private struct Row: Sendable {
  let head: String
  let expected: Int
  let location: SourceLocation

  init(_ head: String, _ expected: Int, _ location: SourceLocation = #_sourceLocation) {
    (self.head, self.expected, self.location) = (head, expected, location)
  }

  func check(_ routes: [Route]) {
    #expect(route(routes, head) == expected, sourceLocation: location)
  }
}

@Suite struct RouteTableTests {
  @Test func pathsAreComparedExactFirstThenByTheLongestPrefix() {
    let routes = [
      route(.prefix("/api/")), route(.prefix("/")), route(.exact("/api/v1")),
      route(.prefix("/api/v1")), route(.prefix("/api")),
    ]
    let rows = [
      Row(get("/"), 1), Row(get("/ap"), 1), Row(get("/api"), 4), Row(get("/apix"), 4),
      Row(get("/api/"), 0), Row(get("/api/x?y"), 0), Row(get("/api/v1"), 2),
      Row(get("/api/v1?q=/api/v2"), 2), Row(get("/api/v12"), 3), Row(get("/api/v1/"), 3),
      Row(get("/API/"), 1), Row(get("?q"), -2), Row(get("http://h.example"), 1),
      Row(get("http://h.example?q=1"), 1), Row(get("http://h.example/api/v1"), 2),
      Row(get("*", method: "OPTIONS"), 1),
    ]
    for row in rows { row.check(routes) }
  }

  @Test func theWholeServerIsAskedWhereAPoolServesAllOfIt() {
    let asked = get("*", method: "OPTIONS")
    Row(asked, -1).check([route(.prefix("/api/")), route(.exact("/"))])
    Row(asked, -1).check([
      Route(
        match: RouteMatch(path: .prefix("/")), action: .redirect(Redirect(location: "https://a")))
    ])
    Row(asked, 1).check([route(methods: ["GET"]), route()])
    Row(asked, 1).check([route(hosts: [.exact("other.example")]), route(methods: ["OPTIONS"])])
  }

  @Test func pathsAreComparedAsTheyCame() {
    let routes = [route(.prefix("/public/")), route(.prefix("/admin/"))]
    let rows = [
      Row(get("/public/../admin/x"), 0), Row(get("/%61dmin/"), -1), Row(get("//admin/"), -1),
      Row(get("/./admin/"), -1), Row(get("/admin%2Fx"), -1), Row(get("/admin/%2e%2e/"), 1),
      Row(get("/admin;x/"), -1), Row(get("/public/%00"), 0),
    ]
    for row in rows { row.check(routes) }
  }

  @Test func anExactHostWinsOverTheLongestWildcardOverAnyHost() {
    let routes = [
      route(hosts: [.wildcard("example.com")]), route(),
      route(hosts: [.exact("a.example.com"), .exact("[::1]"), .exact("10.0.0.1")]),
      route(hosts: [.wildcard("a.example.com")]),
    ]
    let rows = [
      Row(get("/", host: "a.example.com"), 2), Row(get("/", host: "A.Example.COM:8080"), 2),
      Row(get("/", host: "a.example.com."), 2), Row(get("/", host: "a.example.com.:80"), 2),
      Row(get("/", host: "a.example.com.."), 1), Row(get("/", host: "b.example.com"), 0),
      Row(get("/", host: "x.b.example.com:1"), 0), Row(get("/", host: "x.a.example.com"), 3),
      Row(get("/", host: "example.com"), 1), Row(get("/", host: ".example.com"), 1),
      Row(get("/", host: "xexample.com"), 1), Row(get("/", host: "a.example.com.evil.org"), 1),
      Row(get("/", host: "[::1]:8080"), 2), Row(get("/", host: "[::1]"), 2),
      Row(get("/", host: "[::1"), -2), Row(get("/", host: "[::2]"), 1),
      Row(get("/", host: "10.0.0.1:80"), 2), Row(get("/", host: ""), 1),
      Row(get("/", host: "."), 1), Row(get("/", host: ":80"), -2),
      Row(get("http://b.example.com/", host: "a.example.com"), 0),
      Row("GET / HTTP/1.0\r\n\r\n", 1),
    ]
    for row in rows { row.check(routes) }
  }

  @Test func aHostWithoutAFittingPathFallsBackToAWiderOne() {
    let routes = [
      route(.prefix("/a/"), hosts: [.exact("x.example.com")]),
      route(.prefix("/b/"), hosts: [.wildcard("example.com")]),
      route(.exact("/health")),
    ]
    let rows = [
      Row(get("/a/", host: "x.example.com"), 0), Row(get("/b/", host: "x.example.com"), 1),
      Row(get("/health", host: "x.example.com"), 2), Row(get("/c", host: "x.example.com"), -1),
      Row(get("/a/", host: "y.example.com"), -1), Row(get("/health", host: "other"), 2),
    ]
    for row in rows { row.check(routes) }
    // The host takes precedence over the path.
    route([route(.exact("/a")), route(.prefix("/"), hosts: [.exact("h")])], get("/a", host: "h"))
      .isExpected(1)
  }

  @Test func furtherConditionsNarrowARoute() {
    let tier = FieldCondition(name: "x-tier", .exact("gold"))
    let model = FieldCondition(name: "x-model", .prefix("llama-"))
    let routes = [
      route(), route(methods: ["GET", "HEAD"]), route(methods: ["POST"], fields: [tier]),
      route(fields: [tier]), route(methods: ["POST"], fields: [tier, model]),
      route(fields: [FieldCondition(name: "x-trial", .present(true))]),
      route(
        .exact("/only"),
        fields: [
          FieldCondition(name: "x-trial", .present(false)),
          FieldCondition(name: "x-on", .present(true)),
        ]),
    ]
    let rows = [
      Row(get("/"), 1), Row(get("/", method: "HEAD"), 1), Row(get("/", method: "POST"), 0),
      Row(get("/", method: "GETS"), 0), Row(get("/", method: "get"), 0),
      Row(get("/", method: "PURGE"), 0),
      Row(get("/", method: "POST", fields: "X-Tier: gold\r\n"), 2),
      // Routes with equally many conditions are in the file's order.
      Row(get("/", fields: "X-Tier: gold\r\n"), 1),
      Row(get("/", method: "PUT", fields: "x-TIER:  gold \r\n"), 3),
      Row(get("/", method: "PUT", fields: "X-Tier: Gold\r\n"), 0),
      Row(get("/", method: "PUT", fields: "X-Tier: gold2\r\n"), 0),
      Row(get("/", method: "PUT", fields: "X-Tier: silver\r\nX-Tier: gold\r\n"), 3),
      Row(get("/", method: "POST", fields: "X-Tier: gold\r\nX-Model: llama-3\r\n"), 4),
      Row(get("/", method: "POST", fields: "X-Tier: gold\r\nX-Model: llama\r\n"), 2),
      Row(get("/", method: "PUT", fields: "X-Trial:\r\n"), 5),
      Row(get("/only", fields: "X-On: 1\r\n"), 6),
      Row(get("/only", fields: "X-On: 1\r\nX-Trial: 0\r\n"), 1),
    ]
    for row in rows { row.check(routes) }
  }

  @Test func aMethodOfItsOwnNameIsMatchedByItsBytes() {
    let routes = [route(methods: ["PURGE"])]
    Row(get("/", method: "PURGE"), 0).check(routes)
    Row(get("/", method: "PURGES"), -1).check(routes)
    Row(get("/", method: "PURG"), -1).check(routes)
  }

  @Test func withoutRoutesNothingMatches() { Row(get("/"), -1).check([]) }

  /// The table agrees with a direct reading of the rules, for any routes.
  @Test func theTableAgreesWithAPlainReadingOfTheRules() {
    let hosts: [HostPattern?] = [
      nil, .exact("a.b.c"), .exact("b.c"), .wildcard("b.c"), .wildcard("c"),
    ]
    let paths: [PathPattern] = [
      .prefix("/"), .prefix("/x"), .prefix("/x/"), .exact("/x"), .exact("/x/y"),
    ]
    var routes: [Route] = []
    for host in hosts {
      for path in paths {
        for methods in [[], ["GET"]] {
          // Some routes are left out, so that a request falls back to a more general one.
          if (routes.count * 7 + methods.count) % 3 == 0 { routes.append(route(.exact("/never"))) }
          routes.append(route(path, hosts: host.map { [$0] } ?? [], methods: methods))
        }
      }
    }
    func rank(_ route: Route) -> [Int] {
      let host =
        switch route.match.hosts.first {
        case .exact(let name)?: [2, name.utf8.count]
        case .wildcard(let name)?: [1, name.utf8.count]
        case nil: [0, 0]
        }
      let path =
        switch route.match.path {
        case .exact(let text): [1, text.utf8.count]
        case .prefix(let text): [0, text.utf8.count]
        }
      return host + path + [route.match.furtherCount]
    }
    for host in ["a.b.c", "b.c", "z.b.c", "z.c", "c", "other"] {
      for path in ["/", "/x", "/x/", "/x/y", "/xy", "/z"] {
        for method in ["GET", "PUT"] {
          let best = routes.indices.filter { index in
            let match = routes[index].match
            let isHost =
              switch match.hosts.first {
              case .exact(let name)?: host == name
              case .wildcard(let name)?: host.hasSuffix("." + name)
              case nil: true
              }
            let isPath =
              switch match.path {
              case .exact(let text): path == text
              case .prefix(let text): path.hasPrefix(text)
              }
            return isHost && isPath && (match.methods.isEmpty || match.methods == [method])
          }.max {
            let (a, b) = (rank(routes[$0]), rank(routes[$1]))
            return a == b ? $0 > $1 : a.lexicographicallyPrecedes(b)
          }
          #expect(
            route(routes, get(path, host: host, method: method)) == best ?? -1,
            "\(method) \(host)\(path)")
        }
      }
    }
  }
}

extension Int {
  fileprivate func isExpected(_ other: Int, _ location: SourceLocation = #_sourceLocation) {
    #expect(self == other, sourceLocation: location)
  }
}
