// Reloads: another configuration replaces the present one, by a signal or by the admin API.
// Exchanges in progress are not touched.
import Admin
import Balancer
import CLI
import Certificates
import Configuration
import Controller
import Discovery
import Events
import Fleet
import IO
import Metrics
import Primitives
import Upgrade

extension Steelyard {
  /// The most lines of changes or errors that one reload logs.
  private static let linesMax = 50
  /// The most errors of a file that an answer of the admin API has.
  private static let errorsMax = 100
  /// How long a reload waits for the addresses of host names that it brings, so that no pool is
  /// without endpoints for a moment. Scrapes and the admin API wait with it, requests do not.
  private static let namesWait = Nanoseconds.seconds(1)

  /// Reads the file again and applies it. If there is an error, nothing changes.
  func reload(now: Nanoseconds) -> ReloadResult {
    let result = readAndReload(now: now)
    // A reload that is not possible does not count as failed.
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
    // Nobody would accept connections from listeners that it opens.
    if stopsAt != nil {
      let problem = Problem(409, "steelyard is ending; nothing was changed")
      log.write(.error, "reload refused", ["file": path, "reason": problem.detail])
      return .failure(problem)
    }
    if upgrades.isActive {
      let problem = Problem(409, "an upgrade is in progress; the new process reads the file")
      log.write(.error, "reload refused", ["file": path, "reason": problem.detail])
      return .failure(problem)
    }
    do throws(ConfigurationLoader.Failure) {
      // The control loop waits for no writer of a pipe.
      let file = try ConfigurationLoader.load(path, timeout: .zero)
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

  /// Replaces the present configuration and returns what changed. If there is an error, nothing
  /// changes.
  func reload(_ file: Fleet, now: Nanoseconds) throws(StartError) -> [String] {
    let fleet = try Self.withSecrets(file, log)
    let before = configured
    if fleet.admin != configured.admin || fleet.agentCheck != configured.agentCheck
      || fleet.workerCount != configured.workerCount
      || fleet.limits != configured.limits
    {
      throw StartError(
        .configuration,
        "admin, agent_check, workers and limits change with an upgrade or a restart; "
          + "nothing was changed")
    }
    let nextAccess = try Self.access(fleet, log)
    let nextShared = try Self.sharedSettings(fleet, log)
    let replaced = try Self.load(fleet, store, log, now: now)
    defer {
      store.settle(configured, now: now)
      useCredentials()
    }
    do throws(IOError) {
      try accessLog.use(fleet.accessLog)
    } catch {
      throw StartError(accessLog: fleet.accessLog, error)
    }
    var next = discovery
    next.apply(fleet, now: now)
    if fleet.hasNamesOrSources { next.tryAll(atMost: min(fleet.names.timeout, Self.namesWait)) }
    Self.prepareShared(nextShared, before: sharedSettings, balancer)
    do throws(Balancer.ListenError) {
      try replace(
        fleet, next.table.merging(runtime.table) { first, _ in first }, now: now)
    } catch {
      // It was open a moment ago.
      try? accessLog.use(configured.accessLog)
      // What was heard of names meanwhile is not lost.
      next.apply(configured, now: now)
      take(next.resets, now: now)
      discovery = next
      throw StartError(listen: error.address, error.error)
    }
    discovery = next
    applyShared(nextShared)
    log.use(fleet.log)
    hooks.apply(fleet.hooks, log)
    observer.keep(fleet)
    digest.keep(pools: Set(fleet.pools.map(\.name)))
    var lines = FleetDifference.lines(from: before, to: fleet)
    lines += replaced.map { "\($0): certificate files changed" }
    if !nextAccess.hasTokens(of: api.access) {
      if fleet.adminTokens == before.adminTokens { lines.append("admin tokens changed") }
      mustEndStreams = true
    }
    api.access = nextAccess
    return lines
  }
}
