import Fleet
import Primitives
import Testing

@testable import Events

@Suite struct FleetWatchTests {
  private func view(
    _ endpointIndex: Int, _ state: Eligibility = .ready, ejected: Bool = false, count: UInt64 = 0,
    port: UInt16? = nil
  ) -> FleetWatch.View {
    FleetWatch.View(
      endpointIndex: endpointIndex, address: .loopback(port: port ?? UInt16(endpointIndex + 1)),
      eligibility: state,
      isEjected: ejected, ejectionCount: count)
  }

  private func look(
    _ watch: inout FleetWatch, _ views: [FleetWatch.View], freeze: FreezeCause? = nil
  ) -> [FleetWatch.Change] {
    var changes: [FleetWatch.Change] = []
    watch.look(at: "text", freeze: freeze, count: views.count, { views[$0] }) { change, _ in
      changes.append(change)
    }
    return changes
  }

  private func events(
    _ watch: inout FleetWatch, _ views: [FleetWatch.View], freeze: FreezeCause? = nil
  ) -> [HookEvent] {
    look(&watch, views, freeze: freeze).compactMap(\.event)
  }

  @Test func theFirstSightIsNoChange() {
    var watch = FleetWatch()
    #expect(events(&watch, [view(0, .starting), view(1, .unhealthy), view(2)]).isEmpty)
    #expect(events(&watch, [view(0, .ready), view(1, .unhealthy), view(2)]).isEmpty)
    #expect(events(&watch, [view(0), view(1), view(2)]) == [.endpointReady])
  }

  @Test(arguments: [
    (Eligibility.unhealthy, HookEvent.endpointUnhealthy), (.stalled, .endpointStalled),
    (.draining, .endpointDraining), (.drained, .endpointDrained),
  ])
  func everyWayOutHasItsEvent(_ state: Eligibility, _ event: HookEvent) {
    var watch = FleetWatch()
    #expect(events(&watch, [view(0), view(1)]).isEmpty)
    #expect(events(&watch, [view(0), view(1, state)]) == [event])
    #expect(events(&watch, [view(0), view(1, state)]).isEmpty)
    #expect(events(&watch, [view(0), view(1)]) == [.endpointReady])
  }

  @Test func ejectionsAreSeenEvenWhereTheyAreOver() {
    var watch = FleetWatch()
    #expect(events(&watch, [view(0), view(1)]).isEmpty)
    #expect(events(&watch, [view(0, ejected: true, count: 1), view(1)]) == [.endpointEjected])
    // Another worker ejects it too: nothing new.
    #expect(events(&watch, [view(0, ejected: true, count: 2), view(1)]).isEmpty)
    #expect(events(&watch, [view(0, count: 2), view(1)]) == [.endpointReady])
    #expect(events(&watch, [view(0, count: 3), view(1)]) == [.endpointEjected])
    #expect(events(&watch, [view(0, count: 3), view(1)]) == [.endpointReady])
    // Health's word counts more.
    #expect(
      events(&watch, [view(0, .unhealthy, ejected: true, count: 4), view(1)])
        == [.endpointUnhealthy])
  }

  @Test func anEjectionThatOutlastsAnotherStateIsNoNewOne() {
    var watch = FleetWatch()
    #expect(events(&watch, [view(0), view(1)]).isEmpty)
    #expect(events(&watch, [view(0, ejected: true, count: 1), view(1)]) == [.endpointEjected])
    #expect(
      events(&watch, [view(0, .unhealthy, ejected: true, count: 1), view(1)])
        == [.endpointUnhealthy])
    // Its checks are good again; requests have yet to find it so.
    #expect(events(&watch, [view(0, ejected: true, count: 1), view(1)]).isEmpty)
    #expect(events(&watch, [view(0, count: 1), view(1)]) == [.endpointReady])
  }

  @Test func oneThatIsTriedBeforeItTakesItsShareIsNotEjected() {
    var watch = FleetWatch()
    #expect(events(&watch, [view(0, .stalled), view(1)]).isEmpty)
    #expect(events(&watch, [view(0), view(1)]) == [.endpointReady])
    #expect(look(&watch, [view(0, ejected: true), view(1)]).isEmpty)
    #expect(look(&watch, [view(0), view(1)]).isEmpty)
  }

  @Test func aPoolOfWhichAllAreEjectedHasNone() {
    var watch = FleetWatch()
    #expect(look(&watch, [view(0), view(1)]).isEmpty)
    let out = [view(0, ejected: true, count: 1), view(1, ejected: true, count: 1)]
    #expect(look(&watch, out).last == .pool(.withoutEndpoint("2 ejected")))
    #expect(look(&watch, out).isEmpty)
    #expect(events(&watch, [view(0, count: 1), out[1]]) == [.endpointReady, .poolRecovered])
  }

  @Test func aPoolWithNoneLeftSaysWhatTheyAre() {
    var watch = FleetWatch()
    #expect(look(&watch, [view(0), view(1), view(2)]).isEmpty)
    let changes = look(&watch, [view(0, .unhealthy), view(1, .unhealthy), view(2, .drained)])
    #expect(changes.last == .pool(.withoutEndpoint("2 unhealthy, 1 drained")))
    let back = events(&watch, [view(0, .unhealthy), view(1, .unhealthy), view(2)])
    #expect(back == [.endpointReady, .poolRecovered])
    #expect(look(&watch, []) == [.pool(.withoutEndpoint("no endpoints"))])
  }

  @Test func freezingIsToldOnce() {
    var watch = FleetWatch()
    #expect(events(&watch, [view(0)], freeze: .operator) == [.weightsFrozen])
    #expect(look(&watch, [view(0)], freeze: .operator).isEmpty)
    #expect(look(&watch, [view(0)], freeze: .mostHang) == [.pool(.frozen(.mostHang))])
    #expect(look(&watch, [view(0)]) == [.pool(.unfrozen)])
    #expect(look(&watch, [view(0)]).isEmpty)
    #expect(events(&watch, [view(0)], freeze: .operator) == [.weightsFrozen])
  }

  @Test func aChangeSaysHowManyAreLeft() {
    var watch = FleetWatch()
    var left: [Int] = []
    for ejected in [[false, false, false], [true, true, false], [false, true, false]] {
      watch.look(
        at: "text", freeze: nil, count: 3,
        { view($0, ejected: ejected[$0], count: ejected[$0] ? 1 : 0) }
      ) { left.append($1) }
    }
    // Two went at once: one is left, whichever is told first.
    #expect(left == [1, 1, 2])
  }

  @Test func aSlotsNextEndpointIsAnotherOne() {
    var watch = FleetWatch()
    #expect(events(&watch, [view(0, .unhealthy), view(1)]).isEmpty)
    #expect(events(&watch, [view(0, port: 9), view(1)]).isEmpty)
    watch.keep(pools: [])
    #expect(events(&watch, [view(0, .unhealthy, port: 9), view(1)]).isEmpty)
  }
}

extension FleetWatch.Change {
  /// The event for hooks.
  fileprivate var event: HookEvent? {
    switch self {
    case .pool(let state): state.event
    case .endpoint(let address, _, let old, let new):
      EndpointChange(
        pool: "text", endpoint: address, old: old, new: new, readyCount: 0, count: 1
      ).event
    }
  }
}
