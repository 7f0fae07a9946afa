// What one controller knows another one goes on with.
import Fleet
import Primitives
import Testing

@testable import Controller

@Suite struct ControllerRecordTests {
  private static let first = SocketAddress(bytes: [10, 0, 0, 1], port: 8000)

  private static var policy: HealthPolicy {
    var policy = HealthPolicy()
    policy.interval = .seconds(1)
    policy.timeout = .milliseconds(500)
    return policy
  }

  @Test func weightsEvidenceAndVerdictsGoOn() throws {
    let fleet = makeFleet(bases: [2, 2], scrapes: [try .json], health: Self.policy)
    var old = Bench(fleet)
    old.run(seconds: 8) { request in
      let isFirst = request.id.endpointIndex == 0
      if request.kind == .health { return .page(isFirst ? 200 : 503, "") }
      return .usage(isFirst ? 90 : 20)
    }
    let factor = try #require(old.controller.endpoints[0]?.factor)
    #expect(factor < 0.9)
    #expect(old.rows[1]?.eligibility == .unhealthy)
    var new = Bench(fleet)
    new.controller.restore(old.controller.record)
    #expect(new.controller.endpoints[0]?.factor == factor)
    #expect(new.controller.endpoints[1]?.eligibility == .unhealthy)
    #expect(new.controller.endpoints[0]?.eligibility != .unhealthy)
    for index in 0...1 {
      let (kept, taken) = (old.controller.endpoints[index], new.controller.endpoints[index])
      #expect(kept?.capacity.sums.long == taken?.capacity.sums.long)
      #expect(kept?.capacity.sums.short == taken?.capacity.sums.short)
    }
    // What it says is published before anything is heard.
    let rows = new.controller.tick(now: new.now)
    #expect(rows?[0]?.effective == 2 * factor)
    #expect(rows?[1]?.takesNewExchanges == false)
  }

  @Test func anEndpointThatIsNotKnownBeginsAnew() throws {
    var old = Bench(makeFleet(bases: [2], scrapes: [try .json]))
    old.run(seconds: 8) { _ in .usage(90) }
    var record = old.controller.record
    record.endpoints[0].address = "10.9.9.9:1"
    var new = Bench(makeFleet(bases: [2], scrapes: [try .json]))
    new.controller.restore(record)
    #expect(new.controller.endpoints[0]?.factor == 1)
    record.endpoints[0].address = "10.0.0.1:8000"
    record.endpoints[0].factor = .infinity
    new.controller.restore(record)
    #expect(new.controller.endpoints[0]?.factor == 1)
  }

  @Test func ordersGoOnWithTheirEnds() throws {
    let fleet = makeFleet(bases: [2, 2], scrapes: [try .json])
    var old = Bench(fleet)
    old.run(seconds: 2) { _ in .usage(20) }
    func order(
      _ action: TuningAction, _ endpoint: SocketAddress? = nil, lasts: Nanoseconds? = nil
    ) throws {
      try old.controller.tune(
        TuningRequest(pool: "text", endpoint: endpoint, action, lasts: lasts), now: old.now)
    }
    try order(.pin(0.25), Self.first, lasts: .seconds(10))
    try order(.scale(0.5), Self.first)
    try order(.drain, Self.first)
    try order(.freeze)
    for change in [PolicyChange.law(.static), .floor(0.2), .slew(0.3), .dryRun(true)] {
      try order(.set(change))
    }
    let record = old.controller.orderRecord
    #expect(record.orders.count == 8)
    var new = Bench(fleet)
    let later = old.now + .seconds(4)
    #expect(new.controller.restore(record, now: later) == [])
    #expect(new.controller.orderRecord == record)
    // Once more changes nothing; an order that was taken back is taken back here too.
    #expect(new.controller.restore(record, now: later) == [])
    #expect(new.controller.orderRecord == record)
    #expect(new.controller.restore(OrderRecord(), now: later) == [])
    #expect(new.controller.orderRecord.orders.isEmpty)
    // One that ended on the way does not begin again.
    #expect(new.controller.restore(record, now: old.now + .seconds(10)) == [])
    #expect(!new.controller.orderRecord.orders.contains { $0.action == "pin" })
  }

  @Test func anOrderThatIsNotPossibleIsNamed() throws {
    var record = OrderRecord()
    record.orders = [
      OrderRecord.Order(pool: "gone", action: "freeze"),
      OrderRecord.Order(pool: "text", endpoint: "10.9.9.9:1", action: "drain"),
      OrderRecord.Order(pool: "text", action: "invented"),
      OrderRecord.Order(pool: "text", endpoint: "10.0.0.1:8000", action: "pin", value: "much"),
    ]
    var bench = Bench(makeFleet(bases: [2], scrapes: [try .json]))
    let refused = bench.controller.restore(record, now: bench.now)
    #expect(refused.count == 4)
    #expect(refused[0] == "freeze gone: there is no pool gone")
    #expect(refused[2] == "invented text: not understood")
  }
}
