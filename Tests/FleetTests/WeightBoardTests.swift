import Fleet
import Primitives
import Synchronization
import Testing

private func board() throws -> (WeightBoard, Fleet) {
  var fleet = Fleet()
  fleet.pools = [
    Pool(
      name: "p",
      endpoints: [1, 2].map {
        Endpoint(address: .loopback(port: UInt16($0)), baseWeight: Double($0))
      })
  ]
  var map = EndpointIndexMap(for: fleet)
  try map.assign(&fleet) { _ in false }
  return (WeightBoard(fleet: fleet, endpointLimit: map.count), fleet)
}

private final class TornCount: Sendable { let count = Atomic<Int>(0) }

@Suite struct WeightBoardTests {
  @Test func beginsWithTheBaseWeights() throws {
    let (board, fleet) = try board()
    for endpoint in fleet.pools[0].endpoints {
      #expect(board.table.rows[endpoint.endpointIndex]?.effective == endpoint.baseWeight)
    }
    #expect(board.revision == board.table.revision)
  }

  @Test func aReloadKeepsTheRowsOfEndpointsThatStay() throws {
    let (board, fleet) = try board()
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

  @Test func readersNeverSeeHalfATable() async throws {
    let (board, fleet) = try board()
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
