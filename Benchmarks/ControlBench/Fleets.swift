// The fleets of the suites. Batch endpoints have 8 slots and FIFO queues. h4 is 8 endpoints with
// speeds 1, 1, 1, 2, 2, 2, 4, 4; h5 is five with 1, 1, 2, 2, 4; engines are three of half, three of
// one and two of twice the speed.
import Simulation

enum Fleets {
  static func group(
    _ count: Int, _ speed: Double, _ service: Service = .batch, slots: Int = 8
  ) -> EndpointGroup {
    var group = EndpointGroup()
    group.count = count
    group.speed = speed
    group.service = service
    group.slots = service == .batch ? slots : 1
    return group
  }

  static func h4(_ service: Service) -> [EndpointGroup] {
    [group(3, 1, service), group(3, 2, service), group(2, 4, service)]
  }

  static let engines = [
    group(3, 0.5, .engine), group(3, 1, .engine), group(2, 2, .engine),
  ]

  static let h5 = [group(2, 1), group(2, 2), group(1, 4)]

  static func batch(
    _ name: String, _ groups: [EndpointGroup] = h4(.batch), load: Double = 0.8,
    _ change: (inout Scenario) -> Void = { _ in }
  ) -> Scenario {
    var scenario = Scenario(name: name, groups: groups)
    scenario.loads = [LoadStep(at: 0, load: load)]
    change(&scenario)
    return scenario
  }

  /// Answers are long: no client gives up within a minute.
  static func engine(
    _ name: String, load: Double, _ change: (inout Scenario) -> Void = { _ in }
  ) -> Scenario {
    batch(name, engines, load: load) { scenario in
      scenario.timeout = 600
      // A cache takes minutes to fill.
      scenario.warmup = 100
      scenario.measured = 300
      change(&scenario)
    }
  }

  static func sharing(
    _ name: String, _ groups: [EndpointGroup] = h4(.sharing), load: Double = 0.8,
    _ change: (inout Scenario) -> Void = { _ in }
  ) -> Scenario {
    batch(name, groups, load: load) { scenario in
      scenario.work.mean = 0.1
      change(&scenario)
    }
  }
}
