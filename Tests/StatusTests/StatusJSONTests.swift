import Fleet
import FoundationEssentials
import Primitives
import Testing

@testable import Status

@Suite struct StatusJSONTests {
  @Test(arguments: [
    (0, "0"), (-0.0, "0"), (1, "1"), (12_345, "12345"), (12_345.6, "12346"), (1.0 / 3, "0.3333"),
    (0.05, "0.05"), (2.5, "2.5"), (99.995, "100"), (99.95, "99.95"), (9_999.5, "10000"),
    (0.000_123_456, "0.0001235"), (-1.5, "-1.5"), (1e-20, "0"), (.nan, "null"),
    (.infinity, "null"), (1e300, "9007199254740992"), (0.1 + 0.2, "0.3"), (0.099_999_9, "0.1"),
  ])
  func numbersHaveFourDigits(value: Double, text: String) {
    #expect(JSONWriter.text(value) == text)
  }

  @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
  func aNumberIsNeverWrongByMoreThanItsLastDigit(seed: UInt64) throws {
    var random = RandomSource(seed: seed)
    for _ in 0..<2_000 {
      let scale = Double(
        sign: .plus, exponent: Int.random(in: -30...40, using: &random), significand: 1)
      let value = Double.random(in: 0..<1, using: &random) * scale
      let read = try #require(Double(JSONWriter.text(value)))
      #expect(abs(read - value) <= max(value * 0.0006, 1e-12), "\(value)")
    }
  }

  @Test func hostileTextStaysText() throws {
    let hostile = "<img src=x onerror=\"alert(1)\">\u{0}\n\\ \u{2028}\u{7F}🙂é</script>"
    var json = JSONWriter()
    json.object { $0.put("name", hostile) }
    let text = String(decoding: json.bytes, as: UTF8.self)
    #expect(!text.contains("<") && !text.contains("\n") && !text.contains("\u{2028}"))
    let read = try JSONDecoder().decode([String: String].self, from: Data(json.bytes))
    #expect(read["name"] == hostile)
  }

  struct Read: Decodable {
    struct Pool: Decodable {
      struct Queue: Decodable { var length: Int }
      struct Endpoint: Decodable {
        var address: String
        var state: String
        var reason_text: String
        var traffic_share: Double?
        var p99_seconds: Double?
        var tuning: String?
      }
      var name: String
      var queue: Queue?
      var error_ratio: Double?
      var endpoints: [Endpoint]
    }
    struct Decision: Decodable {
      var time: Double
      var kind: String
      var endpoint: String?
    }
    struct Condition: Decodable {
      var alert: String
      var severity: String
      var since: Double
    }
    var version: String
    var time: Double
    var write: String
    var pools: [Pool]
    var decisions: [Decision]
    var conditions: [Condition]
    var condition_count: Int
  }

  @Test func theStatusReadsBack() throws {
    var world = World(endpointCount: 2)
    world.pool.queue = QueueReading(length: 3, limit: 10, oldestWait: .milliseconds(1_500))
    world.endpoints[1].eligibility = .unhealthy
    world.endpoints[1].tuning = "pinned"
    world.run(10) { $0.endpoints[0].serve(10, lasting: 0.05, errors: 1) }
    let decision = Decision(
      wall: .milliseconds(1_234_567), kind: .tuning, pool: "text", endpoint: nil, text: "freeze")
    let snapshot = try #require(world.history.snapshot(decisions: [decision]))
    let read = try JSONDecoder().decode(Read.self, from: Data(snapshot.json))
    #expect(read.time == 1_763_751_010)
    #expect(read.write == "open")
    #expect(read.pools.count == 1 && read.pools[0].queue?.length == 3)
    #expect(read.pools[0].error_ratio == 0.1)
    #expect(read.pools[0].endpoints.map(\.state) == ["ready", "unhealthy"])
    #expect(read.pools[0].endpoints.map(\.tuning) == [nil, "pinned"])
    #expect(read.pools[0].endpoints.map(\.traffic_share) == [1, 0])
    #expect(read.pools[0].endpoints[1].p99_seconds == nil)
    #expect(read.decisions[0].time == 1_234.567 && read.decisions[0].endpoint == nil)
    #expect(read.conditions.contains { $0.alert == "SteelyardErrorRateHigh" })
    #expect(read.condition_count == read.conditions.count)
  }

  struct Charts: Decodable {
    struct Pool: Decodable {
      struct Endpoint: Decodable { var requests_per_second: [Double?] }
      var arrivals_per_second: [Double?]
      var p99_seconds: [Double?]
      var queue_length: [Double?]
      var endpoints: [Endpoint]
    }
    var interval_seconds: Double
    var pools: [Pool]
  }

  @Test func theChartsReadBack() throws {
    var world = World()
    world.run(5)
    world.run(5) { $0.endpoints[0].serve(4, lasting: 0.05) }
    let read = try JSONDecoder().decode(Charts.self, from: Data(world.history.chartsJSON))
    let pool = try #require(read.pools.first)
    #expect(read.interval_seconds == 1)
    let rates: [Double?] = [nil, 0, 0, 0, 0, 0.8, 1.333, 1.714, 2, 2.222]
    #expect(pool.arrivals_per_second == rates)
    #expect(pool.endpoints.map(\.requests_per_second) == [rates])
    #expect(pool.p99_seconds.compactMap { $0 }.count == 5)
    #expect(pool.queue_length == [Double?](repeating: nil, count: 10))
  }

  @Test func aSecondOfTwoHundredEndpointsIsBounded() {
    var world = World(endpointCount: 200)
    for index in world.endpoints.indices {
      let signals = (0..<500).map { SignalEvidence(name: "signal\($0)", value: 0.5) }
      world.endpoints[index].row.reason = WeightReason(.law, .load(ratio: 0.5, signals))
    }
    world.run(3) { world in
      for index in world.endpoints.indices { world.endpoints[index].serve(7, lasting: 0.0123) }
    }
    #expect(world.snapshot.json.count < 200 * 800)
  }
}
