// Choosing an endpoint by each policy, and taking a new weight table.
import Balancer
import Fleet
import Primitives

/// A pool of endpoints in indexes 0…, some of them busy, and what a pick needs beside it.
struct PickBench {
  let fleet: Fleet
  let board: WeightBoard
  let pickBoard: PickBoard
  var picker: Picker
  var leases: [Int32]

  init(_ policy: BalancePolicy, endpointCount: Int) {
    var pool = Pool(
      name: "text",
      endpoints: (0..<endpointCount).map { index in
        var endpoint = Endpoint(address: .loopback(port: UInt16(9_000 + index)))
        endpoint.endpointIndex = index
        return endpoint
      })
    pool.balance = policy
    pool.weights.law = .static
    var fleet = Fleet()
    fleet.pools = [pool]
    self.fleet = fleet
    board = WeightBoard(fleet: fleet, endpointLimit: endpointCount)
    pickBoard = PickBoard(endpointLimit: endpointCount)
    picker = Picker(pool: pool)
    // Different loads, no two endpoints alike for their weights: no ties to draw for.
    leases = (0..<endpointCount).map { Int32(($0 * 7) % 13) }
    adopt(isFirst: true)
  }

  /// As a worker does with a table whose fleet it knows.
  mutating func adopt(isFirst: Bool = false) {
    let table = board.table
    for position in picker.candidates.indices {
      guard let row = table.rows[picker.candidates[position].endpointIndex] else { continue }
      picker.set(
        position, weight: row.effective, isEligible: row.takesNewExchanges,
        takesSessions: row.eligibility.takesSessions, now: .seconds(1), isFirst: isFirst)
    }
    picker.finishTable()
  }

  /// The weights of the next table.
  func rows(round: Int) -> [WeightRow?] {
    leases.indices.map { endpointIndex in
      WeightRow(
        base: 1, target: 1, effective: 1 + Double((endpointIndex + round) % 17) / 19,
        eligibility: .ready,
        reason: WeightReason(.law))
    }
  }
}

enum PickCases {
  static var all: [Case] {
    [
      pick("pick of 4, least_request", .leastRequest, 4, count: 1_000),
      pick("pick of 100, least_request", .leastRequest, 100, count: 200),
      pick("pick of 1000, least_request", .leastRequest, 1_000, count: 200),
      pick("pick of 4, round_robin", .roundRobin, 4, count: 1_000),
      pick("pick of 100, round_robin", .roundRobin, 100, count: 200),
      pick("pick of 4, random", .random, 4, count: 1_000),
      pick("pick of 100, hash", .hash, 100, count: 200),
      publish("weights published, 100 endpoints", 100),
      adopt("weights adopted, 100 endpoints", 100),
    ]
  }

  private static func pick(
    _ name: String, _ policy: BalancePolicy, _ endpointCount: Int, count: Int
  ) -> Case {
    Case(name: name, count: count) { count, sink in
      var bench = PickBench(policy, endpointCount: endpointCount)
      bench.board.publish(rows: bench.rows(round: 0))
      bench.adopt()
      var random = RandomSource(seed: 1)
      var key = PickKey()
      bench.leases.withUnsafeMutableBufferPointer { load in
        guard let base = load.baseAddress else { return }
        for _ in 0..<count {
          if policy == .hash { key.hash = random.next() }
          guard
            let position = bench.picker.pick(
              now: .seconds(2), load: base, pickBoard: bench.pickBoard, tried: TriedSet(), key: key,
              random: &random)
          else { fatalError(name) }
          sink.take(position)
        }
      }
    }
  }

  private static func publish(_ name: String, _ endpointCount: Int) -> Case {
    Case(name: name, count: 20) { count, sink in
      let bench = PickBench(.leastRequest, endpointCount: endpointCount)
      let rows = bench.rows(round: 1)
      for _ in 0..<count {
        bench.board.publish(rows: rows)
        sink.take(Int(bench.board.revision))
      }
    }
  }

  private static func adopt(_ name: String, _ endpointCount: Int) -> Case {
    Case(name: name, count: 20) { count, sink in
      var bench = PickBench(.leastRequest, endpointCount: endpointCount)
      bench.board.publish(rows: bench.rows(round: 2))
      for _ in 0..<count {
        bench.adopt()
        sink.take(bench.picker.candidates.count)
      }
    }
  }
}
