// `queue`, `rate_limits` and `connections_per_client`: what is read, and what is refused.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct AdmissionTests {
  private func pool(_ text: String) throws -> Pool {
    try load(pooled(text)).fleet.pools[0]
  }

  private func pooled(_ text: String) -> String {
    "listeners: [{listen: \":80\"}]\npools: {a: {endpoints: [\"10.0.0.1:1\"], \(text)}}\n"
  }

  @Test func aQueueSaysHowManyRunAndHowManyWait() throws {
    var expected = QueuePolicy()
    #expect(try pool("queue: {}").queue == expected)
    expected.concurrency = .total(100)
    expected.lengthMax = 0
    expected.timeout = .seconds(300)
    #expect(
      try pool("queue: {max_concurrent: 100, max_length: 0, timeout: 5m}").queue == expected)
    let slots = try load(
      "listeners: [{listen: \":80\"}]\npools: {a: {queue: {max_concurrent: slots}, "
        + "endpoints: [{address: \"10.0.0.1:1\", concurrency: 4}]}}")
    #expect(slots.fleet.pools[0].queue.concurrency == .slots)
  }

  @Test func prioritiesComeFromAField() throws {
    #expect(try pool("queue: {priority: none}").queue.priority == nil)
    #expect(try pool("queue: {priority: {}}").queue.priority == PriorityPolicy())
    var expected = PriorityPolicy()
    expected.header = "x-class"
    expected.values = [.init("interactive", .high), .init("2", .low), .init("x", .normal)]
    #expect(
      try pool(
        "queue: {priority: {header: X-Class, values: {interactive: high, \"2\": low, x: normal}}}"
      ).queue.priority == expected)
  }

  @Test func rateLimitsStandAtPoolsAndRoutes() throws {
    let fleet = try load(
      """
      limits: {connections_per_client: 50}
      listeners:
        - listen: ":80"
          routes: [{match: {path_prefix: /a}, rate_limits: [{key: path, rate: 5/h}]}, {}]
      pools:
        a:
          endpoints: ["10.0.0.1:1"]
          rate_limits:
            - {key: {header: Authorization}, rate: 10/s, burst: 20}
            - {key: client_ip, rate: 600/m, max_keys: 1000}
            - {key: none, rate: 1000000/s}

      """
    ).fleet
    #expect(fleet.limits.connectionsPerClient == 50)
    #expect(
      fleet.listeners[0].routes[0].rateLimits == [RateLimit(key: .path, rate: .init(5, per: .hour))]
    )
    #expect(fleet.listeners[0].routes[0].rateLimits[0].burst == 1)
    #expect(fleet.listeners[0].routes[1].rateLimits.isEmpty)
    let limits = fleet.pools[0].rateLimits
    #expect(limits.map(\.key) == [.header("authorization"), .clientIP, .all])
    #expect(limits.map(\.burst) == [20, 10, 1_000_000])
    #expect(limits.map(\.keysMax) == [65_536, 1_000, 65_536])
    #expect(limits.map(\.rate.interval.rawValue) == [100_000_000, 100_000_000, 1_000])
  }

  @Test(arguments: [
    (
      "queue: {max_concurrent: 0}",
      "`max_concurrent` must be a whole number 1 to 1000000, `slots` or `none`, not `0`"
    ),
    (
      "queue: {max_concurrent: endpointIndex}",
      "`max_concurrent` must be a whole number 1 to 1000000, `slots` or `none`, not `endpointIndex`"
    ),
    (
      "queue: {max_concurrent: slots}",
      "`max_concurrent: slots` needs the `concurrency` of every endpoint, and `10.0.0.1:1` has none"
    ),
    ("queue: {max_length: -1}", "`max_length` must be a whole number 0 to 1000000, not `-1`"),
    ("queue: {timeout: 30}", "`timeout` must be a duration, not `30`"),
    ("queue: {priority: high}", "`priority` must be a mapping, not `high`"),
    (
      "queue: {priority: {header: \"a b\"}}",
      "`header` must be a name of letters, digits and `-`, at most 64, not `\"a b\"`"
    ),
    (
      "queue: {priority: {values: {a: urgent}}}",
      "priority value `a` must be `high`, `normal` or `low`, not `urgent`"
    ),
    ("rate_limits: {}", "`rate_limits` must be a list, not a mapping"),
    ("rate_limits: [{rate: 1/s}]", "`key` is missing in this rate limit"),
    ("rate_limits: [{key: path}]", "`rate` is missing in this rate limit"),
    (
      "rate_limits: [{key: ip, rate: 1/s}]", "`key` must be `client_ip`, `path` or `none`, not `ip`"
    ),
    ("rate_limits: [{key: {}, rate: 1/s}]", "`header` is missing in `key`"),
    (
      "rate_limits: [{key: path, rate: 0/s}]",
      "`rate` must be 1 to 1000000 requests a second, minute or hour, not `0/s`"
    ),
    ("rate_limits: [{key: path, rate: 10}]", "`rate` must be a rate, not `10`"),
    ("rate_limits: [{key: path, rate: 1/d}]", "`rate` must be a rate, not `1/d`"),
    ("rate_limits: [{key: path, rate: 1.5/s}]", "`rate` must be a rate, not `1.5/s`"),
    (
      "rate_limits: [{key: path, rate: 99999999999999999999/s}]",
      "`rate` must be a rate, not `99999999999999999999/s`"
    ),
    (
      "rate_limits: [{key: path, rate: 1/s, burst: 0}]",
      "`burst` must be a whole number 1 to 1000000, not `0`"
    ),
    (
      "rate_limits: [{key: path, rate: 1/s, max_keys: 1}]",
      "`max_keys` must be a whole number 64 to 16777216, not `1`"
    ),
    (
      "rate_limits: [{key: path, rate: 1/s}, {key: path, rate: 1/s, burst: 9}]",
      "the same key and rate are already in line 2"
    ),
    (
      "rate_limits: [" + (1...9).map { "{key: path, rate: \($0)/s}" }.joined(separator: ", ") + "]",
      "`rate_limits` has at most 8 items"
    ),
  ])
  func refuses(_ text: String, _ message: String) {
    #expect(messages(pooled(text)).map { $0.drop { $0 != " " }.dropFirst() } == [message[...]])
  }
}
