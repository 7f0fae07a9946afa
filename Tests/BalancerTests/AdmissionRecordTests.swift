// Rate limits and ejections of a process that another one replaces.
import Fleet
import Primitives
import Testing

@testable import Balancer

@Suite struct AdmissionRecordTests {
  private let limit = RateLimit(key: .all, rate: .init(1, per: .hour), burst: 2)

  private func board(_ hash: SipHash, _ limit: RateLimit) -> (AdmissionBoard, RateBuckets) {
    var fleet = Fleet()
    var pool = Pool(name: "text", endpoints: [])
    pool.rateLimits = [limit]
    fleet.pools = [pool]
    let board = AdmissionBoard(limits: Limits(), workerCount: 1, endpointLimit: 1, hash: hash)
    board.prepare(fleet)
    return (board, board.buckets(limit, of: RateScope.all(of: fleet)[0]))
  }

  @Test func emptyBucketsStayEmpty() throws {
    let (old, before) = board(SipHash(3, 4), limit)
    let rule = RateRule(limit)
    let now = Nanoseconds.seconds(1_000)
    for _ in 0..<2 { #expect(before.take(7, rule, now: now, worker: 0) == nil) }
    #expect(before.take(9, rule, now: now, worker: 0) == nil)
    let wait = before.take(7, rule, now: now, worker: 0)
    #expect(wait != nil)
    let record = old.record(now: now)
    let hash = try #require(record.sipHash)
    #expect(hash(99) == SipHash(3, 4)(99))
    let (new, after) = board(hash, limit)
    new.restore(record)
    #expect(after.take(7, rule, now: now, worker: 0) == wait)
    #expect(after.take(9, rule, now: now, worker: 0) == nil)
    #expect(after.take(9, rule, now: now, worker: 0) != nil)
    // A bucket that is full is no news.
    let late = old.record(now: now + .seconds(100_000)).buckets.values.flatMap { $0 }
    #expect(late.isEmpty)
  }

  @Test func anotherLimitBeginsAnew() {
    let (old, before) = board(SipHash(3, 4), limit)
    for _ in 0..<2 { _ = before.take(7, RateRule(limit), now: .seconds(1), worker: 0) }
    let other = RateLimit(key: .all, rate: .init(2, per: .hour), burst: 2)
    let (new, after) = board(SipHash(3, 4), other)
    new.restore(old.record(now: .seconds(1)))
    #expect(after.take(7, RateRule(other), now: .seconds(1), worker: 0) == nil)
  }

  @Test func aRecordThatIsDamagedIsHarmless() {
    let (new, after) = board(SipHash(1, 2), limit)
    let name = new.record(now: .zero).buckets.keys.first ?? ""
    new.restore(AdmissionRecord(hash: [1], buckets: [name: [5], "other": [1, 2]]))
    new.restore(AdmissionRecord(hash: [], buckets: [name: [0, .max, 8, 1]]))
    #expect(AdmissionRecord(hash: [1], buckets: [:]).sipHash == nil)
    #expect(after.take(5, RateRule(limit), now: .seconds(1), worker: 0) == nil)
  }

  @Test func ejectionsGoOnUntilAWorkerReadmits() {
    let evidence = EvidenceBoard(workerCount: 2, endpointLimit: 2)
    let ejection = Ejection(
      since: .seconds(5), lastEvidenceAt: .seconds(6), reason: .refused, failures: 3,
      cooldownUntil: .seconds(60), trialFrom: .seconds(30))
    let revision = evidence.ejectionRevision
    evidence.inherit(ejection, 1)
    #expect(evidence.ejectionRevision != revision)
    #expect(evidence.hasInheritedEjection(1) && !evidence.hasInheritedEjection(0))
    #expect(evidence.isEjected(1) && !evidence.isEjected(0))
    #expect(evidence.ejection(1) == ejection)
    #expect(evidence.ejection(1, except: 0) == ejection)
    // A worker readmits it.
    evidence.block(ofWorker: 0).store(
      UInt64(Nanoseconds.seconds(20).rawValue), at: evidence.index(.readmittedAt, 1))
    #expect(!evidence.isEjected(1) && evidence.ejection(1) == nil)
    evidence.clear(1)
    #expect(!evidence.hasInheritedEjection(1))
  }
}
