// Steelyard itself in the simulator: the real picker, leases, controller, page reader and law, on
// the virtual clock. Scrapes go through real pages of text.
import Balancer
import Controller
import Fleet
import Primitives

final class SteelyardPolicy: SimulatedPolicy {
  private static let tickInterval = Nanoseconds.milliseconds(100)

  private let evidence: EvidenceBoard
  private let pickBoard: PickBoard
  private(set) var controller: Controller
  private var picker: Picker
  private var leases: LeaseBook
  private var random: RandomSource
  private var nextTick = Nanoseconds.zero
  private var serials: [UInt64: PollID] = [:]
  private var isFirstTable = true
  private var cached: Nanoseconds?
  private let timeout: Nanoseconds

  /// Requires: at least one endpoint; `weights` are the base weights.
  init(
    _ scenario: Scenario, weights: [Double], seed: UInt64, configure: (inout Pool) -> Void
  ) {
    var pool = Pool(
      name: "simulated",
      endpoints: weights.enumerated().map { index, weight in
        let address = SocketAddress(
          bytes: [10, 0, UInt8(index >> 8), UInt8(index & 255)], port: 8_000)
        var endpoint = Endpoint(address: address, baseWeight: weight)
        endpoint.endpointIndex = index
        return endpoint
      })
    timeout = .seconds(scenario.timeout)
    pool.weights.interval = .seconds(scenario.scrapeInterval)
    pool.weights.scrapes = [SimulatedPage.source(scenario)]
    configure(&pool)
    var fleet = Fleet()
    fleet.pools = [pool]
    random = RandomSource(seed: seed)
    evidence = EvidenceBoard(workerCount: 1, endpointLimit: weights.count)
    pickBoard = PickBoard(endpointLimit: weights.count)
    controller = Controller(
      fleet: fleet, evidence: evidence, pickBoard: pickBoard, random: RandomSource(seed: seed &+ 1),
      now: .zero)
    picker = Picker(pool: pool)
    leases = LeaseBook(evidence: evidence, pickBoard: pickBoard, workerIndex: 0)
    for position in weights.indices {
      picker.set(position, weight: weights[position], isEligible: true, now: .zero, isFirst: true)
    }
    picker.finishTable()
  }

  func pick(_ request: SimulatedRequest, now: Nanoseconds) -> Int? {
    picker.takeNotices(pickBoard, now: now, &random)
    let position = picker.pick(
      now: now, load: leases.load, pickBoard: pickBoard, tried: request.tried,
      isRepeatable: request.isRepeatable && request.retriesLeft > 0,
      contentBytes: request.contentLength ?? 0, random: &random)
    guard let position else { return nil }
    if picker.sheds(position, load: leases.load, pickBoard: pickBoard, timeout: timeout) {
      return nil
    }
    request.lease = leases.take(
      position, now: now, contentBytes: request.contentLength ?? 0)
    return position
  }

  func pieceCame(_ request: SimulatedRequest, now: Nanoseconds) {
    leases.notePiece(request.endpoint, isStream: true)
    guard !request.hasAnswer, var lease = request.lease.take() else { return }
    leases.noteAnswer(&lease, isWork: true)
    request.lease = consume lease
  }

  /// The client still has to read, and nothing more is read from the endpoint.
  func endpointDone(_ request: SimulatedRequest, now: Nanoseconds) {
    guard request.readingSeconds > 0, var lease = request.lease.take() else { return }
    leases.hold(&lease, now: now)
    request.lease = consume lease
  }

  func outcomeOfLeaving(_ request: SimulatedRequest, now: Nanoseconds) -> AttemptOutcome {
    let usual = pickBoard.fleetResponse(request.endpoint)
    let isLate = usual > 0 && (now - request.sentAt).seconds > 3 * usual
    return isLate && !request.hasAnswer ? .givenUp : .abandoned
  }

  func ended(_ request: SimulatedRequest, _ outcome: AttemptOutcome, now: Nanoseconds) {
    guard let lease = request.lease.take() else { return }
    leases.end(lease, outcome, &picker, request.endpoint, now: now)
  }

  func repeatsTrial(_ request: SimulatedRequest) -> Bool {
    picker.hasOther(load: leases.load, tried: request.tried)
  }

  var nextControl: Nanoseconds {
    if cached == nil { cached = controller.nextDue }
    return min(nextTick, cached ?? nextTick)
  }

  func control(now: Nanoseconds) -> [ScrapeOrder] {
    if now >= nextTick {
      nextTick = now + Self.tickInterval
      cached = nil
      if let rows = controller.tick(now: now) { adopt(rows, now) }
    }
    if let cached, now < cached { return [] }
    cached = nil
    return controller.due(now: now).map { request in
      serials[request.id.serial] = request.id
      return ScrapeOrder(endpoint: request.id.endpointIndex, id: request.id.serial)
    }
  }

  private func adopt(_ rows: [WeightRow?], _ now: Nanoseconds) {
    for position in rows.indices {
      guard let row = rows[position] else { continue }
      picker.set(
        position, weight: row.effective, isEligible: row.takesNewExchanges, now: now,
        isFirst: isFirstTable)
    }
    isFirstTable = false
    picker.finishTable()
  }

  func scraped(_ order: ScrapeOrder, _ sample: EndpointSample?, now: Nanoseconds) {
    guard let id = serials.removeValue(forKey: order.id) else { return }
    cached = nil
    guard let sample else {
      controller.finished(
        id, .failed(PollFailure(.timeout, "lost")), now: now, wall: now)
      return
    }
    let page = SimulatedPage.text(sample)
    page.withUnsafeBytes { bytes in
      _ = controller.finished(id, .answered(status: 200, content: bytes), now: now, wall: now)
    }
  }

  /// The balancer's evidence, summed over all endpoints.
  func sum(_ column: EvidenceBoard.Column) -> UInt64 {
    (0..<evidence.endpointLimit).reduce(0) { $0 &+ evidence.sum(column, $1) }
  }

  var shares: [Double] {
    let weights = picker.candidates.map(\.weight)
    let sum = weights.reduce(0, +)
    return sum > 0 ? weights.map { $0 / sum } : weights
  }
}
