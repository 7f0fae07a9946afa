// How evidence reaches the capacity law: the workers' cells at every tick, pages' counters and
// loads at every scrape; and what scrapes tell the workers in return: forecasts of other
// balancers' load and news of health.
import Fleet
package import Primitives

extension Controller {
  /// Budget: all balancers together scrape an endpoint at most so often a second.
  static let scrapesPerSecondMax = 50.0

  /// After a scrape's end has been noted.
  mutating func takeWork(_ slot: Int, _ index: Int, sentAt: Nanoseconds, now: Nanoseconds) {
    guard let pool = endpoints[slot]?.pool, let scrape = endpoints[slot]?.scrapes[index],
      scrape.hasRoles
    else { return }
    let isSuccess = scrape.statistics.failure == nil
    if let news = endpoints[slot]?.scrapeRow.take(isSuccess: isSuccess, now: now) {
      hints.tell(news, slot)
    }
    guard isSuccess, let work = scrape.work else { return }
    endpoints[slot]?.service.takePage(running: work.running, waiting: work.waiting)
    endpoints[slot]?.fullPages.take(
      running: work.running, waiting: work.waiting, at: sentAt)
    let cells = cellsOfPage(slot, now: now)
    if pools[pool].hasOthers,
      let others = endpoints[slot]?.capacity.foreignOutcomes(work, cells: cells)
    {
      tellOutcomes(slot, others)
    }
    let load = endpoints[slot]?.capacity.take(
      work, cells: cells, sentAt: sentAt, foreignMax: pools[pool].foreignMax)
    guard let load else { return }
    pools[pool].noteLoad(
      total: load.total, own: load.own, endpointCount: fleet.pools[pool].endpoints.count)
    if let capacity = endpoints[slot]?.capacity {
      capacity.publishForeign(
        hints, slot, interval: fleet.pools[pool].weights.interval.seconds, now: now)
    }
  }

  private func tellOutcomes(_ slot: Int, _ others: (failed: Double, good: Double)) {
    if others.failed >= 1, others.failed > others.good {
      hints.tell(.foreignFailures, slot)
      if others.failed >= 3 { hints.tell(.foreignOutage, slot) }
    } else if others.failed < 1, others.good >= 1 {
      hints.tell(.foreignSuccesses, slot, count: UInt64(min(others.good, 1e9)))
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
    for place in pool.endpoints.indices {
      let slot = pool.endpoints[place].slot
      let cells = EvidenceReading(evidence, slot, now: now)
      let taken = endpoints[slot]?.takeCells(
        cells, passed: passed.seconds, tau: tau, piecesPerAnswer, hints,
        interval: configured, now: now)
      if let news = taken?.news {
        started += news.started
        pieces += news.pieces
        answers += news.completions
      }
      all.append(taken?.sums ?? CapacityEvidence.Sums())
      bases.append(pool.endpoints[place].baseWeight)
    }
    pools[index].noteRequests(started, passed: passed.seconds)
    pools[index].noteStreams(pieces: pieces, answers: answers, passed: passed.seconds)
    let verdicts = CapacityLaw.verdicts(
      all, bases: bases, floorRatio: pool.weights.floorRatio, pool: &pools[index])
    let interval = scrapeInterval(index)
    for (place, verdict) in verdicts.enumerated() {
      let slot = pool.endpoints[place].slot
      let mustFollow = endpoints[slot]?.take(verdict, interval: interval) == true
      let isKnown = verdict.completions >= 3 && verdict.seconds > 0
      hints.setCapacity(slot, isKnown ? verdict.amount / verdict.seconds : 0)
      hints.setPool(
        slot, fleetResponse: pools[index].fleetResponse, interval: interval.seconds,
        balancers: pools[index].balancers)
      guard mustFollow else { continue }
      for source in pool.weights.scrapes.indices {
        if endpoints[slot]?.scrapes[source].follow(interval, now: now, &random) == true {
          reschedule(slot, source)
        }
      }
    }
    let isSteering = pool.weights.law == .capacity && !pool.weights.isDryRun
    if isSteering { tryAgain(index, pool, passed: passed.seconds, now: now) }
    shape(index, pool, isSteering: isSteering, passed: passed.seconds, now: now)
    return verdicts
  }

  /// Gives the next request to an endpoint that is sick and has nothing to do, if it is time.
  private mutating func tryAgain(
    _ index: Int, _ pool: Pool, passed: Double, now: Nanoseconds
  ) {
    var (waiting, isTrying) = (0, false)
    let usual = pools[index].usualResponse
    for place in pool.endpoints.indices {
      let slot = pool.endpoints[place].slot
      guard let state = endpoints[slot]?.probe(usual: usual, passed: passed) else { continue }
      if state.isWaiting { waiting += 1 }
      if state.isTried { isTrying = true }
    }
    guard waiting > 0, !isTrying else { return }
    let rate = pools[index].requestRate
    for place in pool.endpoints.indices {
      let slot = pool.endpoints[place].slot
      guard
        endpoints[slot]?.wantsTrial(sickIdle: waiting, rate: rate, now: now) == true,
        !evidence.isEjected(slot), !pool.endpoints[place].isBackup,
        pool.endpoints[place].baseWeight > 0
      else { continue }
      endpoints[slot]?.capacity.probation.begin()
      hints.giveTrial(slot)
      return
    }
  }

  /// How often the pool's endpoints are scraped: as configured, and with other balancers about
  /// twice in a mean response time, as far as the operator and the budget let it.
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
  /// Takes the cells `passed` seconds after the last time and tells the workers what others are
  /// expected to have there; gives what is known now. In place: a copy of the state would cost more
  /// than all the rest.
  fileprivate mutating func takeCells(
    _ cells: EvidenceReading, passed: Double, tau: Double,
    _ piecesPerAnswer: Double?, _ hints: HintBoard, interval: Double, now: Nanoseconds
  ) -> (sums: CapacityEvidence.Sums, news: CapacityNews) {
    let stream = piecesPerAnswer.map {
      let count =
        cells.inFlight - cells.held + capacity.fadedForeignMean(now: now, interval: interval)
      return StreamPace(
        piecesPerAnswer: $0, stretch: hints.shape(endpoint.slot).stretch(max(1, count)))
    }
    capacity.take(cells, passed: passed, tau: tau, stream: stream)
    capacity.publishForeign(hints, endpoint.slot, interval: interval, now: now)
    return (capacity.sums, capacity.news)
  }

  /// Takes what the last tick says of its probation.
  fileprivate mutating func probe(usual: Double, passed: Double) -> Probation {
    let sums = capacity.sums
    if let verdict {
      let hasFallen = exponential(CapacityLaw.exponent * verdict.lately) < Probation.fallRatio
      let isUnknown = usual > 0 && capacity.last?.completed == 0 && sums.inFlight == 0
      if !capacity.probation.isSick, hasFallen || isUnknown { capacity.probation.fall() }
    }
    let isWell = capacity.probation.take(
      capacity.news, inFlight: sums.inFlight, outstandingSeconds: sums.outstandingSeconds,
      usual: sums.usualResponse(pool: usual), passed: passed)
    if isWell { capacity.recover(usual: usual) }
    return capacity.probation
  }

  /// Whether it should get the next request.
  fileprivate mutating func wantsTrial(sickIdle: Int, rate: Double, now: Nanoseconds) -> Bool {
    capacity.probation.wantsTrial(
      sickIdle: sickIdle, rate: rate, isCleared: canary.map { $0.isClear(now: now) })
      && eligibility.takesNewExchanges
  }

  /// Keeps the verdict. True where the pool's scrape interval is another one than at the last time.
  fileprivate mutating func take(_ verdict: CapacityVerdict, interval: Nanoseconds) -> Bool {
    self.verdict = verdict
    defer { toldInterval = interval }
    return toldInterval != interval
  }
}

extension ScrapeState {
  /// Takes an interval that differs by more than a tenth, where a source has roles. True where it
  /// did.
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
  /// Tells the workers what load others are expected to have on the endpoint.
  fileprivate func publishForeign(
    _ hints: HintBoard, _ slot: Int, interval: Double, now: Nanoseconds
  ) {
    guard let foreignAt else { return }
    let mean = fadedForeignMean(now: now, interval: interval)
    // A trace of a request is noise, and a forecast of nothing costs a pick nothing.
    let isNoise = foreign < 0.5 && mean < 0.05
    hints.setForeignLoad(
      slot, latest: isNoise ? 0 : foreign, mean: isNoise ? 0 : mean, sentAt: foreignAt)
  }
}
