// The fleets of the suites. Batch endpoints have 8 slots and FIFO; h4 is 8 endpoints with speeds
// 1, 1, 1, 2, 2, 2, 4, 4, h5 five with 1, 1, 2, 2, 4.
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
