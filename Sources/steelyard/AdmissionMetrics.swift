// The families of queues and rate limits. Keys of rate limits, which may be secrets, are not even
// known here.
import Balancer
import Exposition
import Fleet
import Primitives

struct AdmissionMetrics {
  private let fleet: Fleet
  private let gates: [(labels: Labels, gate: PoolGate, lengthMax: Int)]
  private let limits: [(labels: Labels, table: RateTable)]
  private let now: Nanoseconds

  init(_ board: AdmissionBoard, _ fleet: Fleet, now: Nanoseconds) {
    self.fleet = fleet
    self.now = now
    let known = board.gates
    gates = fleet.pools.compactMap { pool in
      guard pool.queue.concurrency != .unlimited,
        let gate = known.first(where: { $0.name == pool.name })
      else { return nil }
      return (Labels(["pool": pool.name]), gate, pool.queue.lengthMax)
    }
    limits = RateScope.all(of: fleet).flatMap { scope in
      scope.limits.map { limit in
        let labels = Labels([
          "scope": scope.name, "key": limit.key.text, "rate": limit.rate.text,
        ])
        return (labels, board.table(limit, of: scope))
      }
    }
  }

  func write(to writer: inout MetricsWriter) {
    writer.family("steelyard_queue_length", .gauge, help: "Requests that wait now.")
    for (labels, gate, _) in gates { writer.sample(gate.waitingCount, labels) }
    writer.family("steelyard_queue_length_limit", .gauge, help: "How many may wait.")
    for (labels, _, lengthMax) in gates { writer.sample(lengthMax, labels) }
    writer.family(
      "steelyard_queue_oldest_wait_seconds", .gauge,
      help: "How long the request has waited that waits longest.")
    for (labels, gate, _) in gates {
      writer.sample(gate.oldest.map { max(0, (now - $0).seconds) } ?? 0, labels)
    }
    writer.family(
      "steelyard_queue_wait_seconds", .histogram,
      help: "How long requests waited that were let in, 0 included.")
    for (labels, gate, _) in gates { writer.histogram(gate.waits, labels) }
    writer.family(
      "steelyard_queue_requests_total", .counter, help: "How requests of a queue fared.")
    for (labels, gate, _) in gates {
      for outcome in PoolGate.Outcome.allCases {
        writer.sample(gate.sum(outcome), labels.adding("outcome", outcome.label))
      }
    }
    writer.family(
      "steelyard_rate_limit_requests_total", .counter,
      help: "Requests that a rate limit allowed or limited.")
    for (labels, table) in limits {
      writer.sample(table.count(.allowed), labels.adding("outcome", "allowed"))
      writer.sample(table.count(.limited), labels.adding("outcome", "limited"))
    }
    writer.family(
      "steelyard_rate_limit_forgotten_keys_total", .counter,
      help: "Keys that were forgotten before their bucket was full again.")
    for (labels, table) in limits { writer.sample(table.count(.forgotten), labels) }
  }
}
