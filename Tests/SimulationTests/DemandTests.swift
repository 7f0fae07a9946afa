import Controller
import Fleet
import FoundationEssentials
import Primitives
import Testing

@testable import Simulation

/// How the slots of the endpoints come to be known.
enum SlotsBy: String, CaseIterable {
  case operators, pages, nobody
}

/// Eight endpoints, four of them twice as fast, picked by the law; what the controller makes of them.
struct DemandRun {
  /// Requests a second that the pool can really do.
  let capacity: Double
  /// What the capacity law's own estimates add up to.
  let lawCapacity: Double
  let demand: PoolDemand

  init(_ service: Service, load: Double, slots: SlotsBy, seed: UInt64) throws {
    var group = EndpointGroup()
    group.count = 4
    group.service = service
    group.slots = service == .batch ? 8 : 1
    var fast = group
    fast.speed = 2
    var scenario = Scenario(name: "demand", groups: [group, fast])
    scenario.work.mean = service == .batch ? 1 : 0.1
    scenario.loads = [LoadStep(at: 0, load: load)]
    scenario.measured = 280
    var policy: SteelyardPolicy?
    var simulator = Simulator(scenario, seed: seed) { _ in
      let weights = [Double](repeating: 1, count: scenario.endpoints.count)
      let made = SteelyardPolicy(scenario, weights: weights, seed: seed) { pool in
        if slots != .pages { pool.weights.scrapes = [] }
        guard slots == .operators else { return }
        for index in pool.endpoints.indices {
          pool.endpoints[index].concurrency = Double(group.slots)
        }
      }
      policy = made
      return made
    }
    _ = simulator.run()
    let controller = try #require(policy).controller
    capacity = scenario.capacity
    lawCapacity = controller.endpoints.reduce(0) { $0 + ($1?.verdict?.capacity ?? 0) }
    demand = controller.demand[0]
  }
}

@Suite struct DemandTests {
  private static let loads = [0.1, 0.3, 0.5, 0.8, 0.95, 1.2]

  private static func run(_ service: Service, _ load: Double, _ slots: SlotsBy) throws -> DemandRun
  {
    let run = try DemandRun(service, load: load, slots: slots, seed: 5)
    if ProcessInfo.processInfo.environment["STEELYARD_TABLES"] != nil {
      func text(_ value: Double) -> String {
        let hundredths = Int((value * 100).rounded())
        return "\(hundredths / 100).\(String(hundredths % 100 + 100).dropFirst())"
      }
      let estimates = [run.lawCapacity, run.demand.capacity ?? 0].map { text($0 / run.capacity) }
      print(
        "| \(service) | \(load) | \(slots) | \(estimates[0]) | \(estimates[1]) "
          + "| \(run.demand.basis) | \(text(run.demand.ratio ?? 0)) |")
    }
    return run
  }

  @Test(arguments: [Service.batch, .sharing], loads)
  func withKnownSlotsTheRatioIsTheLoad(service: Service, load: Double) throws {
    let run = try Self.run(service, load, .operators)
    let capacity = try #require(run.demand.capacity)
    #expect(run.demand.basis == .slots)
    #expect((0.92...1.08).contains(capacity / run.capacity))
    // The rate of the last minute scatters too.
    #expect(abs(try #require(run.demand.ratio) - load) < 0.05 + 0.1 * load)
  }

  @Test(arguments: loads)
  func whatServesOneAtATimeNeedsNoSlots(load: Double) throws {
    let run = try Self.run(.sharing, load, .nobody)
    #expect(run.demand.basis == .busy)
    #expect((0.92...1.08).contains(try #require(run.demand.capacity) / run.capacity))
  }

  @Test(arguments: loads)
  func withoutSlotsTheRatioOfABatchIsAnUpperBound(load: Double) throws {
    let run = try Self.run(.batch, load, .nobody)
    #expect(run.demand.basis == .busy)
    #expect(try #require(run.demand.ratio) > load * 0.9)
    #expect(try #require(run.demand.capacity) < run.capacity * 1.05)
  }

  @Test(arguments: loads) func slotsAreLearntFromPagesOnceAnEndpointIsFull(load: Double) throws {
    let run = try Self.run(.batch, load, .pages)
    let ratio = try #require(run.demand.capacity) / run.capacity
    if load >= 0.95 {
      #expect(run.demand.basis == .slots)
      #expect((0.92...1.08).contains(ratio))
    } else if load <= 0.3 {
      // Never seen full.
      #expect(run.demand.basis == .busy)
    }
    #expect(ratio < 1.08)
  }
}
