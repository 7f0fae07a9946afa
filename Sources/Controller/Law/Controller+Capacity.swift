// How evidence reaches the capacity law: the workers' cells at every tick, the pages' counters and
// loads at every scrape. In return, scrapes give the workers forecasts of other balancers' load and
// notices of health.
import Fleet
package import Primitives

extension Controller {
  /// The scrape budget: scrapes of an endpoint per second by all balancers together, at most.
  static let scrapesPerSecondMax = 50.0

  /// Takes the work on the endpoint's page. Call after a scrape's end has been noted.
  mutating func takeWork(_ endpointIndex: Int, _ index: Int, sentAt: Nanoseconds, now: Nanoseconds)
  {
    guard let pool = endpoints[endpointIndex]?.pool,
      let scrape = endpoints[endpointIndex]?.scrapes[index],
      scrape.hasRoles
    else { return }
    let isSuccess = scrape.statistics.failure == nil
    if let notice = endpoints[endpointIndex]?.scrapeRow.take(isSuccess: isSuccess, now: now) {
      pickBoard.notify(notice, endpointIndex)
    }
    guard isSuccess, let work = scrape.work else { return }
    endpoints[endpointIndex]?.service.takePage(running: work.running, waiting: work.waiting)
    endpoints[endpointIndex]?.fullPages.take(
      running: work.running, waiting: work.waiting, at: sentAt)
    let cells = cellsOfPage(endpointIndex, now: now)
    if pools[pool].hasOthers,
      let others = endpoints[endpointIndex]?.capacity.othersOutcomes(work, cells: cells)
    {
      notifyOutcomes(endpointIndex, others)
    }
    let load = endpoints[endpointIndex]?.capacity.take(
      work, cells: cells, sentAt: sentAt, othersMax: pools[pool].othersMax)
    guard let load else { return }
    pools[pool].noteLoad(
      total: load.total, own: load.own, endpointCount: fleet.pools[pool].endpoints.count)
    if let capacity = endpoints[endpointIndex]?.capacity {
      capacity.publishOthers(
        pickBoard, endpointIndex, interval: fleet.pools[pool].weights.interval.seconds, now: now)
    }
  }

  private func notifyOutcomes(_ endpointIndex: Int, _ others: (failed: Double, good: Double)) {
    if others.failed >= 1, others.failed > others.good {
      pickBoard.notify(.othersFailures, endpointIndex)
      if others.failed >= 3 { pickBoard.notify(.othersOutage, endpointIndex) }
    } else if others.failed < 1, others.good >= 1 {
      pickBoard.notify(.othersSuccesses, endpointIndex, count: UInt64(min(others.good, 1e9)))
    }
  }

  /// Takes the workers' cells of one pool and computes the law's verdicts, in the pool's order.
  mutating func judge(
    _ index: Int, _ pool: Pool, passed: Nanoseconds, now: Nanoseconds
  ) -> [CapacityVerdict] {
    let tau = pools[index].tau
    let configured = pool.weights.interval.seconds
    var all: [CapacityEvidence.Sums] = []
    all.reserveCapacity(pool.endpoints.count)
    var bases: [Double] = []
    bases.reserveCapacity(pool.endpoints.count)
    var (started, pieces, answers) = (0.0, 0.0, 0.0)
    let piecesPerAnswer = pools[index].piecesPerAnswer
    for position in pool.endpoints.indices {
      let endpointIndex = pool.endpoints[position].endpointIndex
      let cells = EvidenceReading(evidence, endpointIndex, now: now)
      let taken = endpoints[endpointIndex]?.takeCells(
        cells, passed: passed.seconds, tau: tau, piecesPerAnswer, pickBoard,
        interval: configured, now: now)
      if let delta = taken?.delta {
        started += delta.started
        pieces += delta.pieces
        answers += delta.completions
      }
      all.append(taken?.sums ?? CapacityEvidence.Sums())
      bases.append(pool.endpoints[position].baseWeight)
    }
    pools[index].noteRequests(started, passed: passed.seconds)
    pools[index].noteStreams(pieces: pieces, answers: answers, passed: passed.seconds)
    let verdicts = CapacityLaw.verdicts(
      all, bases: bases, floorRatio: pool.weights.floorRatio, pool: &pools[index])
    let interval = scrapeInterval(index)
    for (position, verdict) in verdicts.enumerated() {
      let endpointIndex = pool.endpoints[position].endpointIndex
      let mustFollow = endpoints[endpointIndex]?.take(verdict, interval: interval) == true
      let isKnown = verdict.completions >= 3 && verdict.seconds > 0
      pickBoard.setCapacity(endpointIndex, isKnown ? verdict.amount / verdict.seconds : 0)
      pickBoard.setPool(
        endpointIndex, fleetResponse: pools[index].fleetResponse, interval: interval.seconds,
        balancers: pools[index].balancers)
      guard mustFollow else { continue }
      for source in pool.weights.scrapes.indices {
        if endpoints[endpointIndex]?.scrapes[source].follow(interval, now: now, &random) == true {
          reschedule(endpointIndex, source)
        }
      }
    }
    let isSteering = pool.weights.law == .capacity && !pool.weights.isDryRun
    if isSteering { tryAgain(index, pool, passed: passed.seconds, now: now) }
    shape(index, pool, isSteering: isSteering, passed: passed.seconds, now: now)
    return verdicts
  }

  /// Gives the next request to a sick endpoint that has none in flight, if a trial is due.
  private mutating func tryAgain(
    _ index: Int, _ pool: Pool, passed: Double, now: Nanoseconds
  ) {
    var (waiting, isTrying) = (0, false)
    let usual = pools[index].usualResponse
    for position in pool.endpoints.indices {
      let endpointIndex = pool.endpoints[position].endpointIndex
      guard let state = endpoints[endpointIndex]?.probe(usual: usual, passed: passed) else {
        continue
      }
      if state.isWaiting { waiting += 1 }
      if state.isTried { isTrying = true }
    }
    guard waiting > 0, !isTrying else { return }
    let rate = pools[index].requestRate
    for position in pool.endpoints.indices {
      let endpointIndex = pool.endpoints[position].endpointIndex
      guard
        endpoints[endpointIndex]?.wantsTrial(sickIdle: waiting, rate: rate, now: now) == true,
        !evidence.isEjected(endpointIndex), !pool.endpoints[position].isBackup,
        pool.endpoints[position].baseWeight > 0
      else { continue }
      endpoints[endpointIndex]?.capacity.probation.begin()
      pickBoard.giveTrial(endpointIndex)
      return
    }
  }

  /// The scrape interval of the pool's endpoints: as configured, or, with other balancers, twice
  /// per mean response time within the operator's limit and the budget.
  package func scrapeInterval(_ index: Int) -> Nanoseconds {
    let policy = policy(ofPool: index)
    let pool = pools[index]
    guard policy.law == .capacity, pool.hasOthers, pool.fleetResponse > 0 else {
      return policy.interval
    }
    let wanted = max(pool.fleetResponse / 2, pool.balancers / Self.scrapesPerSecondMax)
    return min(policy.interval, max(policy.intervalMin, .seconds(wanted)))
  }
}

extension EndpointState {
  /// Takes the cells `passed` seconds after the last call, publishes the expected load of other
  /// balancers to the workers, and returns the present sums.
  fileprivate func takeCells(
    _ cells: EvidenceReading, passed: Double, tau: Double,
    _ piecesPerAnswer: Double?, _ pickBoard: PickBoard, interval: Double, now: Nanoseconds
  ) -> (sums: CapacityEvidence.Sums, delta: CapacityDelta) {
    let stream = piecesPerAnswer.map {
      let count =
        cells.inFlight - cells.held + capacity.fadedOthersMean(now: now, interval: interval)
      return StreamPace(
        piecesPerAnswer: $0, stretch: pickBoard.shape(endpoint.endpointIndex).stretch(max(1, count))
      )
    }
    capacity.take(cells, passed: passed, tau: tau, stream: stream)
    capacity.publishOthers(pickBoard, endpoint.endpointIndex, interval: interval, now: now)
    return (capacity.sums, capacity.delta)
  }

  /// Updates the probation with the last tick.
  fileprivate func probe(usual: Double, passed: Double) -> Probation {
    let sums = capacity.sums
    if let verdict {
      let hasFallen = exponential(CapacityLaw.exponent * verdict.lately) < Probation.fallRatio
      let isUnknown = usual > 0 && capacity.last?.completed == 0 && sums.inFlight == 0
      if !capacity.probation.isSick, hasFallen || isUnknown { capacity.probation.fall() }
    }
    let isWell = capacity.probation.take(
      capacity.delta, inFlight: sums.inFlight, outstandingSeconds: sums.outstandingSeconds,
      usual: sums.usualResponse(pool: usual), passed: passed)
    if isWell { capacity.recover(usual: usual) }
    return capacity.probation
  }

  /// Whether the endpoint should get the next request.
  fileprivate func wantsTrial(sickIdle: Int, rate: Double, now: Nanoseconds) -> Bool {
    capacity.probation.wantsTrial(
      sickIdle: sickIdle, rate: rate, isCleared: canary.map { $0.isClear(now: now) })
      && eligibility.takesNewExchanges
  }

  /// Stores the verdict. Returns true if the pool's scrape interval has changed.
  fileprivate func take(_ verdict: CapacityVerdict, interval: Nanoseconds) -> Bool {
    self.verdict = verdict
    defer { toldInterval = interval }
    return toldInterval != interval
  }
}

extension ScrapeState {
  /// Adopts an interval that differs by more than a tenth, for sources with roles. Returns true if
  /// it did.
  mutating func follow(
    _ interval: Nanoseconds, now: Nanoseconds, _ random: inout RandomSource
  ) -> Bool {
    guard hasRoles else { return false }
    let change = Double(interval.rawValue) / Double(timer.interval.rawValue)
    guard change > 1.1 || change < 0.9 else { return false }
    setInterval(interval, now: now, &random)
    return true
  }
}

extension CapacityEvidence {
  /// Publishes the expected load of other balancers on the endpoint to the workers.
  fileprivate func publishOthers(
    _ pickBoard: PickBoard, _ endpointIndex: Int, interval: Double, now: Nanoseconds
  ) {
    guard let othersAt else { return }
    let mean = fadedOthersMean(now: now, interval: interval)
    // A small fraction of a request is noise, and a forecast of 0 costs picks nothing.
    let isNoise = others < 0.5 && mean < 0.05
    pickBoard.setOthersLoad(
      endpointIndex, latest: isNoise ? 0 : others, mean: isNoise ? 0 : mean, sentAt: othersAt)
  }
}
