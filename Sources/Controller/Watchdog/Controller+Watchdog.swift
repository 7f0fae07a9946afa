// Runs the watchdog of each endpoint: gathers its reading from the evidence board, the pages and
// the checks, and turns its verdict into eligibility, as far as the pool can do without the
// endpoint.
// Invariant: it takes out at most half of a pool, and never the last endpoint that is left.
import Fleet
import Primitives

extension Controller {
  /// Checks every endpoint of the pool. Call after the tick's cells were taken. Allocates only when
  /// an endpoint stalls.
  mutating func watch(_ index: Int, _ pool: Pool, passed: Nanoseconds, now: Nanoseconds) {
    // A process that was stopped for a while observed nothing in that time.
    let passed = min(passed.seconds, 0.5)
    let recent = pool.watchdog.timeout.seconds
    var movingCount = 0
    for position in pool.endpoints.indices
    where (endpoints[pool.endpoints[position].endpointIndex]?.look().quiet ?? .infinity) < recent {
      movingCount += 1
    }
    var wanted: [(endpointIndex: Int, cause: StallCause)] = []
    for position in pool.endpoints.indices {
      let endpointIndex = pool.endpoints[position].endpointIndex
      let look = endpoints[endpointIndex]?.look()
      let isMoving = (look?.quiet ?? .infinity) < recent
      let before = look?.eligibility ?? .ready
      let view = endpoints[endpointIndex]?.watch(
        othersMove: movingCount > (isMoving ? 1 : 0), pool.watchdog, passed: passed, now: now)
      guard let view else { continue }
      if view.hastens {
        reschedule(endpointIndex, -1)
        for source in pool.weights.scrapes.indices { reschedule(endpointIndex, source) }
      }
      if let cause = view.cause { wanted.append((endpointIndex, cause)) }
      guard let event = view.event else { continue }
      pickBoard.notify(event == .retried ? .stalled : .recovered, endpointIndex)
      noteHealth(endpointIndex, before: before, now)
    }
    pools[index].isHeld = false
    for each in wanted {
      guard mayStall(each.endpointIndex, pool) else {
        pools[index].isHeld = true
        continue
      }
      let before = endpoints[each.endpointIndex]?.eligibility ?? .ready
      endpoints[each.endpointIndex]?.watchdog.trip(each.cause)
      noteHealth(each.endpointIndex, before: before, now, cause: each.cause)
    }
  }

  /// Whether the pool can do without the endpoint. An endpoint on trial is already out.
  private func mayStall(_ endpointIndex: Int, _ pool: Pool) -> Bool {
    var (stalled, left) = (1, 0)
    for endpoint in pool.endpoints where endpoint.endpointIndex != endpointIndex {
      guard let state = endpoints[endpoint.endpointIndex] else { continue }
      if state.watchdog.phase != .fine { stalled += 1 }
      if state.eligibility.takesNewExchanges, endpoint.baseWeight > 0 { left += 1 }
    }
    return stalled * 2 <= pool.endpoints.count && left > 0
  }
}

/// The result of one tick of an endpoint's watchdog.
struct WatchdogView {
  /// Why the endpoint should be taken out.
  var cause: StallCause?
  var event: Watchdog.Event?
  /// Its polls have become due earlier.
  var hastens = false
}

extension EndpointState {
  /// The seconds since the endpoint last sent content of an answer, and its eligibility.
  fileprivate func look() -> (quiet: Double, eligibility: Eligibility) {
    (watchdog.quiet, eligibility)
  }

  /// One tick of the endpoint's watchdog.
  fileprivate func watch(
    othersMove: Bool, _ policy: WatchdogPolicy, passed: Double, now: Nanoseconds
  ) -> WatchdogView? {
    guard let cells = capacity.last else { return nil }
    let reading = watchdogReading(cells, now)
    var view = WatchdogView()
    view.cause = watchdog.observe(reading, passed: passed, othersMove: othersMove, policy)
    view.event = watchdog.advance(reading, passed: passed, policy)
    // The durations of those requests say nothing about the endpoint's capacity.
    if watchdog.isFreshlyBack { capacity.forget() }
    if watchdog.isSuspicious, !isHastened {
      isHastened = true
      view.hastens = true
      health?.timer.hasten(to: now)
      for index in scrapes.indices where scrapes[index].hasRoles {
        scrapes[index].timer.hasten(to: now)
      }
    }
    if !watchdog.isSuspicious { isHastened = false }
    return view
  }

  private func watchdogReading(_ cells: EvidenceReading, _ now: Nanoseconds) -> WatchdogReading {
    var reading = WatchdogReading()
    // Requests whose clients do not read say nothing about the endpoint's progress.
    reading.inFlight = cells.inFlight - cells.held
    reading.started = cells.started
    reading.pieces = cells.pieces
    reading.startedBytes = cells.startedBytes
    reading.outstandingBytes = cells.outstandingBytes
    reading.answeredBytes = cells.answeredBytes
    // A page whose signals have no roles describes something else, such as the host.
    for index in scrapes.indices where scrapes[index].hasRoles {
      reading.answers += scrapes[index].statistics.answers
      reading.scrapeTimeouts = max(reading.scrapeTimeouts, scrapes[index].timeoutsInRow)
      reading.interval = scrapes[index].timer.interval.seconds
      if reading.page == nil { reading.page = scrapes[index].watchdogPage(now) }
    }
    if let health {
      reading.answers += health.statistics.answers
      reading.healthSilence = health.silence(now)
    }
    return reading
  }
}

extension ScrapeState {
  /// The work on the last page; nil once the page is old.
  fileprivate func watchdogPage(_ now: Nanoseconds) -> WatchdogReading.Page? {
    guard let work, let sentAt = pageSentAt,
      now - sentAt <= Freshness.staleAge(interval: timer.interval)
    else { return nil }
    var page = WatchdogReading.Page()
    page.serial = sentAt.rawValue
    if let running = work.running {
      page.load = running + (work.waiting ?? 0)
    } else if let waiting = work.waiting, waiting > 0 {
      page.load = waiting
    }
    page.isQueueing = work.waiting.map { $0 > 0 } ?? true
    page.isCoarse = work.progress == nil
    page.progress = work.progress ?? work.completions
    page.isProgressHeld = work.isProgressHeld
    return page
  }
}

extension CheckState {
  /// For how many seconds a check has not been answered; infinite if the last one was not.
  fileprivate func silence(_ now: Nanoseconds) -> Double {
    if statistics.failure?.kind == .timeout { return .infinity }
    return timer.attempt.map { (now - $0.sentAt).seconds } ?? 0
  }
}
