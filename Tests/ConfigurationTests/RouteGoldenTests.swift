// Routes: what they say loads as what they mean, and what is wrong with them is said where it is.
import Fleet
import Testing

@testable import Configuration

/// A file whose one listener has these routes, which begin in line 3.
private func file(_ routes: String) -> String {
  let lines = routes.split(separator: "\n").map { "      \($0)\n" }.joined()
  return "listeners:\n  - {listen: \":80\", routes: [\n\(lines)    ]}\n"
    + "pools: {a: {endpoints: [\"10.0.0.1:1\"]}, b: {endpoints: [\"10.0.0.1:2\"]}}\n"
}

@Suite struct RouteGoldenTests {
  @Test func everyConditionIsReadAndPrinted() throws {
    let loaded = try load(
      file(
        """
        {match: {host: [A.example.com, "*.Example.com", "[FD00::1]", 10.0.0.1], path: /x,
         method: [GET, PURGE],
         headers: {X-A: one, x-b: {prefix: two}, x-c: {present: true}, x-d: {present: false}}},
         pool: b, rewrite: /y, body_bytes: 1KiB, retries: 1},
        {match: {host: h, method: POST}, redirect: {location: "/new{path}", status: 301}},
        {respond: {status: 503, body: "a\\nb", content_type: text/x}},
        {match: {path: /empty}, respond: {}},
        """))
    let routes = loaded.fleet.listeners[0].routes
    var match = RouteMatch(path: .exact("/x"))
    match.hosts = [
      .exact("a.example.com"), .wildcard("example.com"), .exact("[fd00::1]"), .exact("10.0.0.1"),
    ]
    match.methods = ["GET", "PURGE"]
    match.fields = [
      FieldCondition(name: "x-a", .exact("one")), FieldCondition(name: "x-b", .prefix("two")),
      FieldCondition(name: "x-c", .present(true)), FieldCondition(name: "x-d", .present(false)),
    ]
    #expect(routes[0].match == match)
    #expect(routes[0].action == .pool(1))
    #expect(routes[0].rewrite == "/y")
    #expect(routes[0].bodyBytesMax == 1_024)
    #expect(routes[0].retriesMax == 1)
    #expect(routes[1].match.hosts == [.exact("h")])
    #expect(routes[1].match.methods == ["POST"])
    var redirect = Redirect(location: "/new{path}")
    redirect.status = 301
    #expect(routes[1].action == .redirect(redirect))
    var fixed = FixedAnswer()
    (fixed.status, fixed.body, fixed.contentType) = (503, "a\nb", "text/x")
    #expect(routes[2].action == .respond(fixed))
    #expect(routes[3].action == .respond(FixedAnswer()))
    let again = try load(loaded.effective)
    #expect(again.fleet == loaded.fleet)
    #expect(!again.effective.contains("# default"))
  }

  /// Pairs of routes that differ in something that a request can differ in.
  @Test(arguments: [
    "{pool: a}, {match: {host: h}, pool: a}",
    "{match: {path: /}, pool: a}, {match: {path_prefix: /}, pool: a}",
    "{match: {host: h}, pool: a}, {match: {host: \"*.h\"}, pool: a}",
    "{match: {method: GET}, pool: a}, {match: {method: [HEAD, POST]}, pool: a}, {pool: a}",
    "{match: {headers: {a: b}}, pool: a}, {match: {headers: {a: c}}, pool: a}",
    "{match: {headers: {a: b}}, pool: a}, {match: {headers: {a: {prefix: b}}}, pool: a}",
  ])
  func routesThatDifferMayStandBesideEachOther(_ routes: String) {
    #expect(messages(file(routes)) == [])
  }

  @Test(arguments: [
    (
      "{match: {path: /a}, pool: a},\n{match: {path: /a}, pool: b}",
      "4:22: `/a` is already the path of the route in line 3"
    ),
    (
      "{match: {host: [g, H]}, pool: a},\n{match: {host: [h, i]}, pool: b}",
      "4:15: `/` is already the prefix of the route in line 3, with the same conditions"
    ),
    (
      "{match: {method: [GET, PUT]}, pool: a},\n{match: {method: [POST, PUT]}, pool: b}",
      "4:15: `/` is already the prefix of the route in line 3, with the same conditions"
    ),
    (
      "{match: {headers: {a: b, c: d}}, pool: a},\n{match: {headers: {C: d, A: b}}, pool: b}",
      "4:15: `/` is already the prefix of the route in line 3, with the same conditions"
    ),
    (
      "{pool: a},\n{match: {host: []}, pool: b}",
      "4:15: `/` is already the prefix of the route in line 3"
    ),
  ])
  func equalRoutesAreRefusedAndTheOtherLineNamed(_ routes: String, _ expected: String) {
    #expect(messages(file(routes)) == [expected])
  }

  @Test(arguments: [
    (
      "{match: {host: \"*\"}, pool: a}",
      "`host` must be a host, like `example.com` or `*.example.com`, not `\"*\"`"
    ),
    (
      "{match: {host: \"h:80\"}, pool: a}",
      "`host` must be a host, like `example.com` or `*.example.com`, not `\"h:80\"`"
    ),
    (
      "{match: {host: a..b}, pool: a}",
      "`host` must be a host, like `example.com` or `*.example.com`, not `a..b`"
    ),
    (
      "{match: {host: \"a.*.b\"}, pool: a}",
      "`host` must be a host, like `example.com` or `*.example.com`, not `\"a.*.b\"`"
    ),
    ("{match: {host: [h, H]}, pool: a}", "h is already in this list"),
    ("{match: {method: get}, pool: a}", "`method` must be a method, like `POST`, not `get`"),
    ("{match: {method: CONNECT}, pool: a}", "`CONNECT` is refused before routes are looked at"),
    (
      "{match: {method: \"GET /\"}, pool: a}",
      "`method` must be a method, like `POST`, not `\"GET /\"`"
    ),
    (
      "{match: {path: /a, path_prefix: /}, pool: a}",
      "a route has `path` or `path_prefix`, not both"
    ),
    (
      "{match: {headers: {\"a b\": c}}, pool: a}",
      "the name of a header must be a name of letters, digits and `-`, at most 64, not `a b`"
    ),
    ("{match: {headers: {a: {}}}, pool: a}", "`present` is missing in header `a`"),
    (
      "{match: {headers: {a: {present: true, prefix: b}}}, pool: a}",
      "header `a` has `present` or `prefix`, not both"
    ),
    (
      "{match: {headers: {a: b, A: c}}, pool: a}", "header `a` is already given: names have no case"
    ),
    (
      "{pool: a, redirect: {location: /}}",
      "a route has one of `pool`, `redirect` and `respond`, not `pool` and `redirect`"
    ),
    (
      "{redirect: {location: /}, respond: {}}",
      "a route has one of `pool`, `redirect` and `respond`, not `redirect` and `respond`"
    ),
    ("{respond: {}, retries: 1}", "`retries` is for routes with a pool: this one answers itself"),
    ("{respond: {status: 302}}", "`status` must be 200 to 299 or 400 to 599, not `302`"),
    ("{respond: {status: 204, body: x}}", "an answer with status 204 has no body"),
    (
      "{respond: {content_type: \"a/b\\r\\nX: y\"}}",
      "`content_type` must be a media type, like `application/json`, not `\"a/b\\u{D}\\u{A}X: y\"`"
    ),
    (
      "{redirect: {status: 304, location: /}}",
      "`status` must be 301, 302, 303, 307 or 308, not `304`"
    ),
    ("{redirect: {}}", "`location` is missing in `redirect`"),
    (
      "{redirect: {location: \"{path}\"}}",
      "`location` must be an absolute URL or a path of at most 2048 visible ASCII characters, not `\"{path}\"`"
    ),
    (
      "{redirect: {location: \"/{path}\"}}",
      "before `{path}` a host or part of a path is needed: the client could name any host"
    ),
    (
      "{redirect: {location: \"https://{path}\"}}",
      "before `{path}` a host or part of a path is needed: the client could name any host"
    ),
    (
      "{redirect: {location: //h}}",
      "`location` must be an absolute URL or a path of at most 2048 visible ASCII characters, not `//h`"
    ),
    (
      "{redirect: {location: \"https://\"}}",
      "`location` must be an absolute URL or a path of at most 2048 visible ASCII characters, not `\"https://\"`"
    ),
    (
      "{redirect: {location: \"/a{path}{path}\"}}",
      "a location has `{path}` at most once, and no other braces"
    ),
    (
      "{redirect: {location: \"/a{host}\"}}",
      "a location has `{path}` at most once, and no other braces"
    ),
    (
      "{redirect: {location: \"https://{host}.evil{path}\"}}",
      "a location has `{path}` at most once, and no other braces"
    ),
    (
      "{redirect: {location: \"https://a.{host}/\"}}",
      "a location has `{path}` at most once, and no other braces"
    ),
    (
      "{redirect: {location: \"/a\\r\\nX: y\"}}",
      "`location` must be an absolute URL or a path of at most 2048 visible ASCII characters, not `\"/a\\u{D}\\u{A}X: y\"`"
    ),
    (
      "{match: {path_prefix: /api}, pool: a, rewrite: /}",
      "`rewrite` and `path_prefix` end in `/` both or neither: `/api/x` would become `//x`"
    ),
    (
      "{match: {path_prefix: /api/}, pool: a, rewrite: /new}",
      "`rewrite` and `path_prefix` end in `/` both or neither: `/api/x` would become `/newx`"
    ),
  ])
  func whatIsWrongIsSaid(_ route: String, _ expected: String) {
    let found = messages(file(route)).map { $0.drop { $0 != " " }.dropFirst() }
    #expect(found == [expected[...]])
  }

  @Test func routesHostsAndMethodsAreBounded() {
    let routes = (0...1_000).map { "{match: {path: /\($0)}, pool: a}" }.joined(separator: ",\n")
    #expect(messages(file(routes)) == ["1003:7: a listener has at most 1000 routes"])
    let hosts = (0...32).map { "h\($0)" }.joined(separator: ",")
    #expect(
      messages(file("{match: {host: [\(hosts)]}, pool: a}")).map { $0.suffix(27) }
        == ["`host` has at most 32 items"])
  }
}
