import Fleet
import Primitives
import Testing

@testable import Balancer

@Suite struct ReusableClientsTests {
  private func drained(_ clients: inout ReusableClients, _ kind: ReusableClients.Kind) -> [Int] {
    var order: [Int] = []
    while let first = clients.first(kind) {
      order.append(first)
      clients.remove(first)
    }
    return order
  }

  @Test func theLongestIdleComesFirst() {
    let slab = ConnectionSlab(capacity: 5)
    var clients = ReusableClients(slab.downstream, capacity: 5)
    for index in [3, 0, 4, 1] { clients.append(index, .idle) }
    clients.append(3, .idle)
    clients.remove(4)
    clients.remove(4)
    #expect(clients.idleCount == 3)
    #expect(clients.next(after: 0) == 1)
    #expect(clients.next(after: 3) == nil)
    #expect(drained(&clients, .idle) == [0, 1, 3])
    #expect(clients.idleCount == 0)
  }

  @Test func aClientIsInOneListAtMost() {
    let slab = ConnectionSlab(capacity: 3)
    var clients = ReusableClients(slab.downstream, capacity: 3)
    clients.append(0, .silent)
    clients.append(2, .silent)
    clients.append(2, .unfinished)
    clients.append(1, .idle)
    #expect(clients.idleCount == 1)
    clients.append(1, .silent)
    #expect(clients.idleCount == 0)
    #expect(drained(&clients, .idle) == [])
    #expect(drained(&clients, .unfinished) == [2])
    #expect(drained(&clients, .silent) == [0, 1])
  }
}

@Suite struct DescriptorBudgetTests {
  private func fleet(connections: Int) -> Fleet {
    var fleet = Fleet()
    fleet.limits.connectionsMax = connections
    fleet.listeners = [Listener(address: .loopback(port: 1), routes: [])]
    return fleet
  }

  @Test func whatTheSystemAllowsIsNotTouched() {
    let budget = DescriptorBudget(
      fleet(connections: 20_000), workerCount: 2, openFilesMax: 1 << 20)
    #expect(budget.connectionsMax == 20_000)
    #expect(budget.adminConnectionsMax == 1_024)
    #expect(
      DescriptorBudget(fleet(connections: 16), workerCount: 1, openFilesMax: .max)
        .connectionsMax == 16)
  }

  @Test(arguments: [48, 64, 100, 256, 1_024, 4_096, 40_000])
  func everybodyTogetherFitsIntoTheLimit(openFiles: Int) {
    let workers = openFiles < 64 ? 1 : 2
    let budget = DescriptorBudget(
      fleet(connections: 20_000), workerCount: workers, openFilesMax: openFiles)
    #expect(budget.connectionsMax < 20_000 && budget.connectionsMax >= 4)
    #expect(budget.adminConnectionsMax >= 2)
    let fixed =
      DescriptorBudget.fixedCount + workers * (DescriptorBudget.countPerWorker + 1)
    #expect(
      fixed + workers * budget.connectionsMax + 2 * budget.adminConnectionsMax <= openFiles)
    #expect(budget.wantedCount > openFiles)
  }
}
