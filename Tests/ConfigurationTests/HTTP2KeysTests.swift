// `http2` of listeners, `protocol` and `keepalive.streams` of pools.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct HTTP2KeysTests {
  private static func listener(_ text: String) -> String {
    "listeners:\n  - listen: \":80\"\n    \(text)\npools: {a: {endpoints: [\"10.0.0.1:1\"]}}"
  }

  /// The policy of a text; the outer nil: HTTP/2 is off.
  private static let read: [(String, HTTP2Policy?)] = {
    var some = HTTP2Policy()
    (some.streamsMax, some.ageMax, some.requestsMax) = (7, .seconds(90), 1_000)
    var endless = HTTP2Policy()
    endless.ageMax = nil
    return [
      ("http2: false", nil), ("http2: true", HTTP2Policy()), ("http2: {}", HTTP2Policy()),
      ("http2: {streams: 7, max_age: 90s, max_requests: 1000}", some),
      ("http2: {max_age: none, max_requests: none}", endless),
    ]
  }()

  @Test(arguments: read) func aListenerIsRead(_ text: String, _ expected: HTTP2Policy?) throws {
    let file = try load(Self.listener(text))
    #expect(file.fleet.listeners[0].http2 == expected)
    #expect(try load(file.effective).fleet == file.fleet)
    #expect(try !load(file.effective).effective.contains("# default"))
  }

  @Test func defaultsOfAListenerArePrintedAndMarked() throws {
    #expect(
      try load(Self.listener("http2: {streams: 7}")).effective.contains(
        """
            http2:
              streams: 7
              max_age: 1h # default
              max_requests: none # default

        """))
  }

  @Test(
    arguments: [
      ("protocol: http1", .http1), ("protocol: http2", .http2), ("keepalive: {streams: 1}", .http1),
      ("protocol: auto\ntls: true", .auto), ("tls: {insecure: true}\nprotocol: auto", .auto),
    ] as [(String, EndpointProtocol)])
  func aPoolIsRead(_ text: String, _ expected: EndpointProtocol) throws {
    let file = try load(pool(text))
    #expect(file.fleet.pools[0].endpointProtocol == expected)
    #expect(file.fleet.pools[0].keepAlive.streamsMax == (text.contains("streams") ? 1 : 100))
    #expect(try load(file.effective).fleet == file.fleet)
  }

  @Test func aChangeIsSaidByReloads() throws {
    let before = try load(Self.listener("http2: false")).fleet
    let after = try load(Self.listener("http2: true")).fleet
    #expect(
      FleetDifference.lines(from: before, to: after) == ["listener 0.0.0.0:80 changed"])
    let plain = try load(pool("tls: true")).fleet
    let both = try load(pool("tls: true\nprotocol: auto")).fleet
    #expect(FleetDifference.lines(from: plain, to: both) == ["pool a changed"])
  }

  private static let refused = [
    Golden(
      listener("http2: on"),
      """
      a.yaml:3:12: error: `http2` must be `true`, `false` or a mapping, not `on`
          http2: on
                 ^
      hint: without HTTP/2 it is `http2: false`; `{streams: 100}` is a mapping
      """),
    Golden(
      listener("http2: {steams: 7}"),
      """
      a.yaml:3:13: error: unknown key `steams` in `http2`
          http2: {steams: 7}
                  ^
      hint: did you mean `streams`?
      """),
    Golden(
      listener("http2: {streams: 0, max_age: 1, max_requests: any}"),
      """
      a.yaml:3:22: error: `streams` must be a whole number 1 to 1000, not `0`
          http2: {streams: 0, max_age: 1, max_requests: any}
                           ^
      a.yaml:3:34: error: `max_age` must be a duration, or `none`, not `1`
          http2: {streams: 0, max_age: 1, max_requests: any}
                                       ^
      hint: it needs a unit: `1s` or `1ms`
      a.yaml:3:51: error: `max_requests` must be a whole number 1 to 1000000000, or `none`, not `any`
          http2: {streams: 0, max_age: 1, max_requests: any}
                                                        ^
      """),
    Golden(
      listener("htp2: true"),
      """
      a.yaml:3:5: error: unknown key `htp2` in this listener
          htp2: true
          ^
      hint: did you mean `http2`?
      """),
    Golden(
      pool("protocol: htp2"),
      """
      a.yaml:5:15: error: `protocol` must be `http1`, `http2` or `auto`, not `htp2`
          protocol: htp2
                    ^
      hint: did you mean `http2`?
      """),
    Golden(
      pool("protocol: auto"),
      """
      a.yaml:5:15: error: `protocol: auto` needs `tls`: an endpoint chooses the protocol in the TLS \
      handshake
          protocol: auto
                    ^
      hint: write `tls: true`, or `protocol: http2` if all endpoints speak HTTP/2 in the clear
      """),
    Golden(
      pool("protocol: http2\nproxy_protocol: v2"),
      """
      a.yaml:6:21: error: `proxy_protocol` needs `protocol: http1`: an HTTP/2 connection carries \
      requests of many clients
          proxy_protocol: v2
                          ^
      hint: remove it; `X-Forwarded-For` names the client of each request
      """),
    Golden(
      pool("keepalive: {streams: 1001}"),
      """
      a.yaml:5:26: error: `streams` must be a whole number 1 to 1000, not `1001`
          keepalive: {streams: 1001}
                               ^
      """),
  ]

  @Test(arguments: refused) func isRefused(_ row: Golden) {
    #expect(rendered(row.text) == row.expected, sourceLocation: row.location)
  }

  /// A `tls` that is wrong is one error, not two.
  @Test func brokenTLSIsNoFurtherError() {
    #expect(messages(pool("protocol: auto\ntls: maybe")).count == 1)
  }
}
