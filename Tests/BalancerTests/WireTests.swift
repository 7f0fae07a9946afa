import Fleet
import Primitives
import Testing

@testable import Balancer

@Suite struct BodyPaceTests {
  @Test func theClockRunsFromTheFirstByteOn() {
    var pace = BodyPace(rate: 100)
    #expect(pace.deadline(received: 0, now: .seconds(1)) == nil)
    #expect(pace.deadline(received: 1, now: .seconds(100)) == .seconds(110.01))
    // Every hundred bytes add one second.
    #expect(pace.deadline(received: 500, now: .seconds(103)) == .seconds(115))
    #expect(pace.deadline(received: 500, now: .seconds(114)) == .seconds(115))
  }

  @Test func whatTheClientWaitsForTheEndpointDoesNotCount() {
    var pace = BodyPace(rate: 100)
    #expect(pace.deadline(received: 100, now: .seconds(1)) == .seconds(12))
    pace.hold(now: .seconds(2))
    pace.hold(now: .seconds(30))
    #expect(pace.deadline(received: 100, now: .seconds(62)) == .seconds(72))
  }

  @Test func withoutARateThereIsNoDeadline() {
    var pace = BodyPace(rate: nil)
    #expect(pace.deadline(received: 1, now: .seconds(1)) == nil)
  }
}

@Suite struct IdentifierSourceTests {
  @Test func identifiersDoNotRepeat() {
    var entropy = RandomSource(seed: 1)
    var sources = (0..<8).map { _ in IdentifierSource(&entropy) }
    var halves: Set<UInt64> = []
    for _ in 0..<2_000 {
      for index in sources.indices {
        let (high, low) = sources[index].next()
        #expect(halves.insert(high).inserted && halves.insert(low).inserted)
      }
    }
  }

  @Test func noneIsZero() {
    struct Zeros: RandomNumberGenerator {
      // A state after which SplitMix64 returns 0.
      mutating func next() -> UInt64 { 0 &- 0x9E37_79B9_7F4A_7C15 }
    }
    var zeros = Zeros()
    var source = IdentifierSource(&zeros)
    let (high, low) = source.next()
    #expect(high | low != 0)
    source = IdentifierSource(&zeros)
    #expect(source.nextHalf() != 0)
  }
}

@Suite struct TunnelLeaseTests {
  @Test func aTunnelIsInFlightButIsNoRequestThatTakesTime() {
    let evidence = EvidenceBoard(workerCount: 1, endpointLimit: 1)
    var book = LeaseBook(evidence: evidence, pickBoard: PickBoard(endpointLimit: 1), workerIndex: 0)
    var lease = book.take(0, now: .seconds(5))
    book.becomeTunnel(&lease)
    #expect(evidence.sum(.inFlight, 0) == 1 && evidence.sum(.tunnels, 0) == 1)
    #expect(evidence.sum(.outstandingStarts, 0) == 0)
    #expect(book.load[0] == 1 && book.tunnels[0] == 1)
    book.end(lease, .abandoned, now: .seconds(3_605))
    #expect(evidence.sum(.inFlight, 0) == 0 && evidence.sum(.tunnels, 0) == 0)
    #expect(evidence.sum(.outstandingStarts, 0) == 0)
    #expect(evidence.sum(.completed, 0) + evidence.sum(.failed, 0) == 0)
    #expect(evidence.sum(.completedNanoseconds, 0) + evidence.sum(.timedOutNanoseconds, 0) == 0)
    #expect(book.load[0] == 0 && book.tunnels[0] == 0 && book.count == 0)
  }

  @Test func tunnelsDoNotKeepAnEjectedEndpointOut() {
    let evidence = EvidenceBoard(workerCount: 1, endpointLimit: 2)
    let pickBoard = PickBoard(endpointLimit: 2)
    var book = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 0)
    var pool = Pool(name: "p", endpoints: [])
    for endpointIndex in 0..<2 {
      var endpoint = Endpoint(address: .loopback(port: UInt16(endpointIndex + 1)))
      endpoint.endpointIndex = endpointIndex
      pool.endpoints.append(endpoint)
    }
    var picker = Picker(pool: pool)
    for position in 0..<2 {
      picker.set(position, weight: 1, isEligible: true, now: .zero, isFirst: true)
    }
    picker.finishTable()
    var tunnel = book.take(0, now: .seconds(100))
    book.becomeTunnel(&tunnel)
    for _ in 0..<3 {
      book.end(
        book.take(0, now: .seconds(100)), .failed(.unreachable), &picker, 0, now: .seconds(100))
    }
    var random = RandomSource(seed: 1)
    func pick(_ now: Nanoseconds, _ tunnels: UnsafePointer<Int32>?) -> Int? {
      picker.pick(
        now: now, load: book.load, tunnels: tunnels, pickBoard: pickBoard, tried: TriedSet(),
        random: &random)
    }
    #expect(pick(.seconds(101), book.tunnels) == 1)
    // The cooldown is over: one request tries the endpoint, though the tunnel is still open.
    #expect(pick(.seconds(200), nil) == 1)
    #expect(pick(.seconds(200), book.tunnels) == 0)
    book.end(tunnel, .abandoned, now: .seconds(201))
  }
}
