import Fleet
import Primitives
import Synchronization
import Testing

private func board() -> (WeightBoard, Fleet) {
  var fleet = Fleet()
  fleet.pools = [
    Pool(
      name: "p",
      endpoints: [1, 2].map {
        Endpoint(address: .loopback(port: UInt16($0)), baseWeight: Double($0))
      })
  ]
  var map = EndpointIndexMap(for: fleet)
  map.assign(&fleet) { _ in false }
  return (WeightBoard(fleet: fleet, endpointLimit: map.count), fleet)
}

private final class TornCount: Sendable { let count = Atomic<Int>(0) }

@Suite struct WeightBoardTests {
  @Test func beginsWithTheBaseWeights() {
    let (board, fleet) = board()
    for endpoint in fleet.pools[0].endpoints {
      #expect(board.table.rows[endpoint.endpointIndex]?.effective == endpoint.baseWeight)
    }
    #expect(board.revision == board.table.revision)
  }

  @Test func aReloadKeepsTheRowsOfEndpointsThatStay() {
    let (board, fleet) = board()
    var rows = board.table.rows
    let endpointIndex = fleet.pools[0].endpoints[1].endpointIndex
    rows[endpointIndex]?.effective = 0.25
    rows[endpointIndex]?.eligibility = .unhealthy
    board.publish(rows: rows)
    var next = fleet
    next.pools[0].endpoints.removeFirst()
    next.pools[0].endpoints[0].baseWeight = 7
    board.publish(fleet: next)
    let table = board.table
    #expect(table.rows[endpointIndex]?.effective == 0.25)
    #expect(table.rows[endpointIndex]?.eligibility == .unhealthy)
    #expect(table.rows[endpointIndex]?.base == 7)
    #expect(table.rows[fleet.pools[0].endpoints[0].endpointIndex] == nil)
    #expect(table.fleetRevision == table.revision)
  }

  @Test func readersNeverSeeHalfATable() async {
    let (board, fleet) = board()
    let (a, b) = (
      fleet.pools[0].endpoints[0].endpointIndex, fleet.pools[0].endpoints[1].endpointIndex
    )
    let torn = TornCount()
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        for step in 1...20_000 {
          var rows = board.table.rows
          rows[a]?.effective = Double(step)
          rows[b]?.effective = Double(step)
          board.publish(rows: rows)
        }
      }
      group.addTask {
        var last: UInt64 = 0
        while last <= 20_000 {
          let table = board.table
          if table.revision > 1, table.rows[a]?.effective != table.rows[b]?.effective {
            torn.count.add(1, ordering: .relaxed)
          }
          if table.revision < last { torn.count.add(1, ordering: .relaxed) }
          last = table.revision
        }
      }
    }
    #expect(torn.count.load(ordering: .relaxed) == 0)
  }
}

@Suite struct MembershipPublicationTests {
  private static func member(_ port: UInt16, index: Int) -> MembershipDelta.Member {
    var endpoint = Endpoint(address: .loopback(port: port), baseWeight: 3)
    endpoint.endpointIndex = index
    return MembershipDelta.Member(pool: 0, endpoint)
  }

  @Test func aDeltaTouchesItsOwnRowsOnly() {
    let (board, fleet) = board()
    var rows = board.table.rows
    rows[1]?.effective = 0.25
    board.publish(rows: rows)
    let before = board.table
    var delta = MembershipDelta()
    delta.added = [Self.member(9, index: 5)]
    delta.removed = [MembershipDelta.Member(pool: 0, fleet.pools[0].endpoints[0])]
    var next = fleet
    next.pools[0].endpoints[0] = delta.added[0].endpoint
    board.publish(fleet: next, delta)
    let table = board.table
    #expect(table.rows[0] == nil && table.rows[1]?.effective == 0.25)
    #expect(table.rows[5]?.effective == 3)
    #expect(table.rowsRevision == before.rowsRevision)
    #expect(table.deltas(since: before.fleetRevision).map(Array.init) == [delta])
    #expect(table.deltas(since: table.fleetRevision)?.isEmpty == true)
    #expect(table.fleet == next)
  }

  @Test func whoMissedTooManyChangesTakesTheWholeFleet() {
    let (board, fleet) = board()
    let first = board.table.fleetRevision
    var revisions: [UInt64] = []
    for number in 1...20 {
      var delta = MembershipDelta()
      delta.updated = [Self.member(1, index: number)]
      revisions.append(board.publish(fleet: fleet, delta))
    }
    let table = board.table
    #expect(table.deltas(since: first) == nil)
    #expect(table.deltas(since: revisions[2]) == nil)
    #expect(table.deltas(since: revisions[3])?.count == 16)
    #expect(table.deltas(since: revisions[18])?.count == 1)
    board.publish(fleet: fleet)
    #expect(board.table.deltas(since: revisions[19]) == nil)
  }
}
