// The families of queues and rate limits. Keys of rate limits may be secrets; they never come here.
import Balancer
import Exposition
import Fleet
import Primitives

struct AdmissionMetrics {
  private let fleet: Fleet
  private let queues: [(labels: Labels, queue: PoolQueue, lengthMax: Int)]
  private let refusals: [(labels: Labels, counts: RefusalCounts)]
  private let limits: [(labels: Labels, buckets: RateBuckets)]
  private let now: Nanoseconds

  init(_ board: AdmissionBoard, _ fleet: Fleet, now: Nanoseconds) {
    self.fleet = fleet
    self.now = now
    let known = board.queues
    queues = fleet.pools.compactMap { pool in
      guard pool.queue.concurrency != .unlimited,
        let queue = known.first(where: { $0.name == pool.name })
      else { return nil }
      return (Labels(["pool": pool.name]), queue, pool.queue.lengthMax)
    }
    refusals = fleet.pools.map { (Labels(["pool": $0.name]), board.refusals(of: $0.name)) }
    limits = RateScope.all(of: fleet).flatMap { scope in
      scope.limits.map { limit in
        let labels = Labels([
          "scope": scope.name, "key": limit.key.text, "rate": limit.rate.text,
        ])
        return (labels, board.buckets(limit, of: scope))
      }
    }
  }

  func write(to writer: inout MetricsWriter) {
    writer.open(.queueLength)
    for (labels, queue, _) in queues { writer.sample(queue.waitingCount, labels) }
    writer.open(.queueLengthLimit)
    for (labels, _, lengthMax) in queues { writer.sample(lengthMax, labels) }
    writer.open(.queueOldestWaitSeconds)
    for (labels, queue, _) in queues {
      writer.sample(queue.oldest.map { max(0, (now - $0).seconds) } ?? 0, labels)
    }
    writer.open(.queueWaitSeconds)
    for (labels, queue, _) in queues { writer.histogram(queue.waits, labels) }
    writer.open(.queueRequestsTotal)
    let outcomes = Labels.each(PoolQueue.Outcome.self, "outcome", \.label)
    for (labels, queue, _) in queues {
      for (outcome, label) in outcomes { writer.sample(queue.sum(outcome), labels, label) }
    }
    writer.open(.poolRefusalsTotal)
    let reasons = Labels.each(RefusalCounts.Reason.self, "reason", \.label)
    for (labels, counts) in refusals {
      for (reason, label) in reasons { writer.sample(counts.sum(reason), labels, label) }
    }
    writer.open(.rateLimitRequestsTotal)
    for (labels, buckets) in limits {
      writer.sample(buckets.count(.allowed), labels.adding("outcome", "allowed"))
      writer.sample(buckets.count(.limited), labels.adding("outcome", "limited"))
    }
    writer.open(.rateLimitForgottenKeysTotal)
    for (labels, buckets) in limits { writer.sample(buckets.count(.forgotten), labels) }
  }
}
