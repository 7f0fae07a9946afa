// `thresholds` of a pool: what is read, and what is refused.
import Fleet
import Primitives
import Testing

@testable import Configuration

@Suite struct ThresholdTests {
  private func pooled(_ text: String) -> String {
    "listeners: [{listen: \":80\"}]\npools: {a: {endpoints: [\"10.0.0.1:1\"], \(text)}}\n"
  }

  private func thresholds(_ text: String) throws -> ThresholdPolicy {
    try load(pooled(text)).fleet.pools[0].thresholds
  }

  @Test func whatIsNotGivenIsTheDefault() throws {
    #expect(try thresholds("thresholds: {}") == ThresholdPolicy())
    var expected = ThresholdPolicy()
    #expect(expected.responseTime == nil && expected.p99 == nil)
    expected.responseTime = .init(normal: .milliseconds(100), alarm: .seconds(2))
    #expect(try thresholds("thresholds: {response_time: {alarm: 2s}}") == expected)
  }

  @Test func everyThresholdCanBeGiven() throws {
    var expected = ThresholdPolicy()
    expected.errorRatio = .init(normal: 0, alarm: 1)
    expected.responseTime = .init(normal: .seconds(1), alarm: .seconds(60))
    expected.p99 = .seconds(90)
    expected.endpointConnections = 100
    expected.queueLength = .init(normal: 0, alarm: 1)
    expected.successRatio = .init(normal: 1, alarm: 0)
    expected.objectiveRatio = 0.5
    expected.requestRate = .init(90, per: .minute)
    expected.giveUpRatio = 0.1
    expected.firstByte = .seconds(9)
    expected.clientErrorRatio = 0.9
    expected.endpointErrorRatio = 0.2
    expected.patience = .zero
    let read = try thresholds(
      "thresholds: {error_ratio: {normal: 0, alarm: 1}, response_time: {normal: 1s, alarm: 1m}, "
        + "p99: 90s, endpoint_connections: 100, queue_length: {normal: 0, alarm: 1}, "
        + "success_ratio: {normal: 1, alarm: 0}, objective: 0.5, request_rate: 90/m, "
        + "first_byte: 9s, patience: 0s, give_up_ratio: 0.1, client_error_ratio: 0.9, "
        + "endpoint_error_ratio: 0.2}")
    #expect(read == expected)
    #expect(read.requestRate?.perSecond == 1.5)
  }

  @Test func aProfileIsAllOfItsNumbersAndEachCanBeChanged() throws {
    var web = ThresholdPolicy()
    web.responseTime = .init(normal: .milliseconds(100), alarm: .milliseconds(500))
    web.p99 = .milliseconds(200)
    web.firstByte = .milliseconds(200)
    #expect(try thresholds("thresholds: web") == web)
    #expect(try thresholds("thresholds: {profile: web}") == web)
    #expect(try thresholds("thresholds: learned") == ThresholdPolicy())
    web.p99 = nil
    web.responseTime?.alarm = .seconds(1)
    #expect(
      try thresholds("thresholds: {profile: web, p99: learned, response_time: {alarm: 1s}}") == web)
    web.responseTime = nil
    #expect(
      try thresholds("thresholds: {profile: web, p99: learned, response_time: learned}") == web)
  }

  @Test func aWordThatIsNoProfileIsRefused() {
    let found = messages(pooled("thresholds: wbe"))
    #expect(found.count == 1)
    #expect(found[0].hasSuffix("`thresholds` must be `learned` or `web`, not `wbe`"))
  }

  @Test(arguments: [
    ("error_ratio: 0.01", "`error_ratio` must be a mapping, not `0.01`"),
    ("error_ratio: {normal: 1%}", "`normal` must be a number, not `1%`"),
    ("error_ratio: {alarm: 1.1}", "`alarm` must be 0 to 1, not `1.1`"),
    ("error_ratio: {alarm: nan}", "`alarm` must be a number, not `nan`"),
    (
      "error_ratio: {alarm: 0.01}",
      "`normal` (0.01 by default) must be less than `alarm` (0.01)"
    ),
    (
      "response_time: {normal: 1s, alarm: 200ms}",
      "`normal` (1s) must be less than `alarm` (200ms)"
    ),
    ("response_time: {normal: 0s}", "`normal` must be 1ms to 24h, not `0s`"),
    ("patience: 25h", "`patience` must be 0s to 24h, or `learned`, not `25h`"),
    ("give_up_ratio: 2", "`give_up_ratio` must be 0 to 1, not `2`"),
    ("p99: 200", "`p99` must be a duration, or `learned`, not `200`"),
    (
      "endpoint_connections: 0",
      "`endpoint_connections` must be a whole number 1 to 1000000, not `0`"
    ),
    ("queue_length: {alarm: 5}", "`normal` (10 by default) must be less than `alarm` (5)"),
    ("success_ratio: {alarm: 0.99}", "`alarm` (0.99) must be less than `normal` (0.99 by default)"),
    ("objective: 1", "`objective` must be 0.5 to 0.99999, not `1`"),
    ("request_rate: 100", "`request_rate` must be a rate, or `none`, not `100`"),
    ("profile: fast", "`profile` must be `learned` or `web`, not `fast`"),
    ("response_time: 1s", "`response_time` must be `learned`, not `1s`"),
    ("error: {}", "unknown key `error` in `thresholds`"),
  ])
  func refuses(_ text: String, _ message: String) {
    let found = messages(pooled("thresholds: {\(text)}")).map { $0.drop { $0 != " " }.dropFirst() }
    #expect(found == [message[...]])
  }
}
