// Another fleet in place of the present one: by a signal, by the admin API, or because a host name
// has other addresses now. Exchanges that run are not touched.
import Admin
import Balancer
import CLI
import Configuration
import Controller
import Discovery
import Events
import Fleet
import IO
import Metrics
import Primitives

extension Steelyard {
  /// Lines of the log that one reload writes at most.
  private static let linesMax = 50
  /// Errors of a file that an answer has at most.
  private static let errorsMax = 100
  /// Before addresses that there was no room for are tried again.
  private static let namesPause = Nanoseconds.seconds(5)
  /// How long a reload waits for the addresses of host names that it brings, so that no pool is
  /// without endpoints for a moment. Scrapes and the admin API wait with it, requests do not.
  private static let namesWait = Nanoseconds.seconds(1)

  /// Reads the file again and takes it. On an error nothing has changed.
  func reload(now: Nanoseconds) -> ReloadResult {
    let result = readAndReload(now: now)
    // A reload that cannot be is no failed one.
    if path != nil, stopsAt == nil { lastReload.note(failure: result.refusal, wall: Clock.wall) }
    switch result {
    case .success(let lines):
      controller.journal.append(.reload(.taken(changeCount: lines.count)), at: now)
    case .failure(let problem):
      controller.journal.append(.reload(.refused(problem.detail)), at: now)
    }
    return result
  }

  private func readAndReload(now: Nanoseconds) -> ReloadResult {
    guard let path else {
      return .failure(Problem(409, "this steelyard was not started with a file"))
    }
    // Nobody would accept what its listeners open.
    if stopsAt != nil {
      let problem = Problem(409, "steelyard is ending; nothing was changed")
      log.write(.error, "reload refused", ["file": path, "reason": problem.detail])
      return .failure(problem)
    }
    do throws(ConfigurationLoader.Failure) {
      // The control loop waits for no writer of a pipe.
      let file = try ConfigurationLoader.load(path, patience: .zero)
      do throws(StartError) {
        let lines = try reload(file.fleet, now: now)
        ConfigurationLoader.tell(file.warnings, log)
        log.write(
          .info, "configuration reloaded", ["file": path, "changes": lines.count],
          isLimited: false)
        for line in lines.prefix(Self.linesMax) {
          log.write(.info, "configuration change", ["change": line], isLimited: false)
        }
        if lines.count > Self.linesMax {
          log.write(
            .info, "more changes", ["left_out": lines.count - Self.linesMax], isLimited: false)
        }
        return .success(lines)
      } catch {
        log.write(.error, "reload refused", ["file": path, "reason": error.message])
        return .failure(Problem(409, error.message))
      }
    } catch {
      for line in error.message.split(separator: "\n").prefix(Self.linesMax) {
        log.write(.error, "configuration error", ["text": String(line)])
      }
      log.write(
        .error, "reload refused, the configuration in force is unchanged", ["file": path])
      guard case .invalid(let errors) = error else {
        return .failure(Problem(409, error.message))
      }
      var problem = Problem(422, "the configuration file has errors; nothing was changed")
      problem.errors = Array(errors.prefix(Self.errorsMax))
      return .failure(problem)
    }
  }

  /// Puts another configuration in place of the present one and says what changed. On an error
  /// nothing has changed.
  func reload(_ file: Fleet, now: Nanoseconds) throws(StartError) -> [String] {
    let fleet = try Self.withSecrets(file, log)
    if fleet.admin != configured.admin || fleet.workerCount != configured.workerCount
      || fleet.limits != configured.limits
    {
      throw StartError(
        .configuration, "admin, workers and limits change with a restart only; nothing was changed")
    }
    let nextAccess = try Self.access(fleet, log)
    do throws(IOError) {
      try accessLog.use(fleet.accessLog)
    } catch {
      throw StartError(accessLog: fleet.accessLog, error)
    }
    var next = discovery
    next.apply(fleet, now: now)
    if fleet.nameCount > 0 { next.tryAll(atMost: min(fleet.names.timeout, Self.namesWait)) }
    do throws(StartError) {
      try publish(fleet.resolved(next.names.table), now: now)
    } catch {
      // It was open a moment ago.
      try? accessLog.use(configured.accessLog)
      // What was heard of names meanwhile is not lost.
      next.apply(configured, now: now)
      discovery = next
      namesDueAt = now
      throw error
    }
    discovery = next
    log.use(fleet.log)
    hooks.apply(fleet.hooks, log)
    observer.keep(fleet)
    digest.keep(pools: Set(fleet.pools.map(\.name)))
    var lines = FleetDifference.lines(from: configured, to: fleet)
    if !nextAccess.hasTokens(of: api.access) {
      if fleet.adminTokens == configured.adminTokens { lines.append("admin tokens changed") }
      mustEndStreams = true
    }
    configured = fleet
    api.access = nextAccess
    return lines
  }

  /// Takes what was heard of host names. Requires: not within an answer of the admin server.
  func takeNames() {
    guard stopsAt == nil else { return }
    let now = Clock.now
    if !discovery.turn(now: now, wall: Clock.wall).isEmpty { namesDueAt = now }
    guard now >= namesDueAt else { return }
    namesDueAt = .distantFuture
    do throws(StartError) {
      try publish(configured.resolved(discovery.names.table), now: now)
      if namesAreRefused { log.write(.info, "new addresses are used") }
      namesAreRefused = false
    } catch {
      namesDueAt = now + Self.namesPause
      if !namesAreRefused {
        log.write(.error, "new addresses are not used", ["reason": error.message])
      }
      namesAreRefused = true
    }
  }

  /// Publishes a fleet of addresses to workers and controller.
  private func publish(_ resolved: Fleet, now: Nanoseconds) throws(StartError) {
    var fleet = resolved
    var next = endpointIndexes
    let fresh: [Int]
    do throws(EndpointIndexMap.Full) {
      fresh = try next.assign(&fleet) { quarantine.holds($0) }
    } catch {
      throw StartError(
        .configuration,
        "no room for so many new endpoints, before a restart or before those that are gone have "
          + "ended; nothing was changed")
    }
    let before = Self.indexSet(board.table.fleet)
    // Nobody writes to these cells now: they begin at 0 for their next endpoint.
    for endpointIndex in fresh {
      evidence.clear(endpointIndex)
      pickBoard.clear(endpointIndex)
      balancer.metrics.clear(endpointIndex: endpointIndex)
    }
    do throws(Balancer.ListenError) {
      try balancer.apply(fleet)
    } catch {
      throw StartError(listen: error.address, error.error)
    }
    endpointIndexes = next
    quarantine.replace(before, by: Self.indexSet(fleet), revision: board.table.fleetRevision)
    controller.apply(fleet: fleet, now: now)
    mustCloseProbes = true
  }

  /// Lets indexes go that no worker can write to any more.
  func observeSlots(now: Nanoseconds) {
    if quarantine.isEmpty { return }
    quarantine.observe(now: now, adopted: balancer.adoptedRevision) {
      evidence.sum(.inFlight, $0) == 0 && evidence.sum(.connections, $0) == 0
    }
  }

  private static func indexSet(_ fleet: Fleet) -> Set<Int> {
    Set(fleet.pools.flatMap { $0.endpoints.map(\.endpointIndex) })
  }
}
