// `health` and `watchdog`: what the keys give, what is refused, and that what is printed loads again.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct HealthKeysTests {
  @Test func everyKeyIsReadAndWritten() throws {
    let file = try load(
      pool(
        """
        health:
          path: /up?deep=1
          port: 81
          method: POST
          host: "a.b:80"
          headers: {Authorization: "Bearer a b", X-N: 5}
          statuses: [200, 204-206]
          body: {json: a.0.b, equals: 1.5}
          start_period: 1m
        watchdog: {timeout: 7s, pause: 500ms}
        on_marked_down: {causes: any, end_after: none}
        """))
    var expected = HealthPolicy()
    expected.path = "/up?deep=1"
    expected.port = 81
    expected.method = .post
    expected.host = "a.b:80"
    expected.fields = [
      .init(name: "Authorization", value: "Bearer a b"), .init(name: "X-N", value: "5"),
    ]
    expected.statuses = StatusSet(ranges: [200...200, 204...206])
    expected.content = .json(path: "a.0.b", equals: "1.5")
    expected.startPeriod = .seconds(60)
    #expect(file.fleet.pools[0].health == expected)
    #expect(file.fleet.pools[0].watchdog.timeout == .seconds(7))
    #expect(file.fleet.pools[0].watchdog.pause == .milliseconds(500))
    #expect(file.fleet.pools[0].onMarkedDown.causes == .any)
    #expect(file.fleet.pools[0].onMarkedDown.endAfter == nil)
    // Values of header fields are not shown.
    var shown = file.fleet
    shown.pools[0].health?.fields = ["Authorization", "X-N"].map {
      .init(name: $0, value: SecretText.mask)
    }
    #expect(try load(file.effective).fleet == shown)
  }

  private static let good = [
    "health: {type: tcp, port: 9}\nwatchdog: none", "health: {statuses: 204}",
    "health: {model: {name: bert}}", "health: {model: {name: bert, version: 0}}",
    "health: {body: {contains: \"a: [b\"}}", "health: {body: none, model: none, headers: {}}",
    "health: {method: HEAD, statuses: [200-299, 404]}",
    "health: {body: {json: up, equals: true}}",
    "health: {type: grpc}\nwatchdog: none",
    "health: {type: grpc, service: a.B/c, port: 9, host: x, tls: true}",
    "health: {type: grpc, service: \"true\", path: /health, method: GET, model: none}",
  ]

  @Test(arguments: good) func whatIsPrintedLoadsAgain(text: String) throws {
    let file = try load(pool(text))
    let again = try load(file.effective)
    #expect(again.fleet == file.fleet)
    #expect(!again.effective.contains("# default"))
  }

  private static let bad: [(String, String)] = [
    ("{type: udp}", "5:20: `type` must be `http`, `tcp` or `grpc`, not `udp`"),
    (
      "{method: PUT}",
      "5:22: `method` must be `GET`, `HEAD`, `OPTIONS` or `POST`, not `PUT`"
    ),
    (
      "{type: tcp, statuses: 204}", "5:35: `statuses` needs `type: http`: a TCP check only connects"
    ),
    (
      "{type: grpc, path: /up}",
      "5:32: `path` needs `type: http`: a gRPC check calls grpc.health.v1"
    ),
    (
      "{type: grpc, body: {contains: x}}",
      "5:32: `body` needs `type: http`: a gRPC check calls grpc.health.v1"
    ),
    (
      "{type: grpc, model: {name: x}}",
      "5:33: `model` needs `type: http`: a gRPC check calls grpc.health.v1"
    ),
    ("{type: grpc, headers: {TE: x}}", "5:36: header `TE` is set by steelyard"),
    ("{service: a.B}", "5:23: `service` needs `type: grpc`"),
    ("{type: tcp, service: a.B}", "5:34: `service` needs `type: grpc`"),
    (
      "{type: grpc, service: \"a b\"}",
      "5:35: `service` must be the name of a gRPC service, not `\"a b\"`"
    ),
    ("{method: HEAD, body: {contains: x}}", "5:34: the answer to HEAD has no content"),
    (
      "{model: {name: a}, statuses: 204}",
      "5:42: `model` says by itself what is asked and what is good"
    ),
    ("{model: {version: 1}}", "5:21: `name` is missing in `model`"),
    (
      "{model: {name: a, version: -1}}",
      "5:40: `version` must be a version such as `3`, or `any`, not `-1`"
    ),
    ("{model: {name: \"a?b\"}}", "5:28: `name` must be the name of a model, not `\"a?b\"`"),
    (
      "{statuses: 399-200}",
      "5:24: `statuses` must be a status or a range such as `200-399`, 100 to 599, not `399-200`"
    ),
    (
      "{statuses: [99]}",
      "5:25: a status must be a status or a range such as `200-399`, 100 to 599, not `99`"
    ),
    ("{headers: {Host: x}}", "5:24: header `Host` is set by steelyard"),
    (
      "{headers: {\"a b\": x}}",
      "5:24: the name of a header must be a token of at most 64 bytes, not `a b`"
    ),
    (
      "{headers: {a: \"x\\ny\"}}",
      "5:27: header `a` must be 1 to 1024 bytes of visible ASCII, or `{file: PATH}` or "
        + "`{env: NAME}`, not text"
    ),
    (
      "{host: \"a b\"}",
      "5:20: `host` must be a host name, with a port or without, or `address`, not `\"a b\"`"
    ),
    ("{body: {json: a}}", "5:20: `equals` is missing in `body`"),
    ("{body: {contains: a, equals: b}}", "5:42: `contains` and `equals` exclude each other"),
    ("{body: {}}", "5:20: `body` needs `contains`, or `json` and `equals`"),
    ("{start_period: 2d}", "5:28: `start_period` must be a duration, not `2d`"),
  ]

  @Test(arguments: bad) func whatMakesNoSenseIsRefused(_ row: (String, String)) {
    #expect(messages(pool("health: " + row.0)) == [row.1])
  }

  @Test func whatIsMarkedDownHasDefaultsAndRanges() throws {
    let file = try load(pool("health: {}"))
    #expect(file.fleet.pools[0].onMarkedDown == MarkedDownPolicy())
    #expect(file.effective.contains("on_marked_down:"))
    #expect(
      messages(pool("on_marked_down: {causes: page, end_after: 2h}")).map { $0.prefix(5) }
        == ["5:30:", "5:47:"])
  }

  @Test func theWatchdogHasItsRanges() {
    #expect(
      messages(pool("watchdog: {timeout: 100ms, pause: 2m}")) == [
        "5:25: `timeout` must be 1s to 1h, not `100ms`",
        "5:39: `pause` must be 100ms to 1m, not `2m`",
      ])
  }
}
