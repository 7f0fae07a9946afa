// `steelyard serve FILE`: runs until a signal ends it.
import Admin
import Balancer
import CLI
import CSystem
import Configuration
import Events
import Fleet
import IO
import Primitives
import Upgrade

enum ServeCommand {
  /// Serves as the file at `path` says.
  static func run(_ path: String) -> ExitCode {
    let arrival = Arrival()
    do throws(ConfigurationLoader.Failure) {
      return serve(try ConfigurationLoader.load(path), path, arrival)
    } catch {
      Console.error(error.message)
      let lines = error.message.split(separator: "\n").map(String.init)
      arrival.predecessor?.refuse(exitCode: Int(error.exitCode.rawValue), lines: lines)
      return error.exitCode
    }
  }

  private static func serve(
    _ file: ConfigurationFile, _ path: String, _ arrival: Arrival
  ) -> ExitCode {
    let fleet = file.fleet
    var service = ServiceDriver()
    let waker: Waker
    let signals: SignalWatcher
    let log: LogDriver
    do throws(IOError) {
      waker = try Waker()
      signals = try SignalWatcher([SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2], waker: waker)
      log = try LogDriver()
    } catch {
      return fail(StartError(error), arrival)
    }
    log.use(fleet.log)
    ConfigurationLoader.tell(file.warnings, log)
    service.open(log: log)
    let steelyard: Steelyard
    do throws(StartError) {
      steelyard = try Steelyard(
        fleet, path: path, waker: waker, log: log, inherited: arrival.sockets,
        record: arrival.record)
      steelyard.programStart = arrival.start
      arrival.settle(log)
      try arrival.begin(steelyard)
    } catch {
      log.finish()
      return fail(error, arrival)
    }
    service.ready(steelyard.serviceState, now: Clock.now)
    var isUpgrading = false
    while true {
      steelyard.turn(until: .distantFuture)
      if steelyard.upgrades.isActive != isUpgrading {
        isUpgrading.toggle()
        if isUpgrading {
          service.reloading(steelyard.serviceState, now: Clock.now)
        } else if steelyard.successor == nil {
          service.ready(steelyard.serviceState, now: Clock.now)
        }
      }
      service.turn(
        { steelyard.serviceState }, now: Clock.now,
        wakeWorkers: { steelyard.balancer.ringWorkers() })
      for signal in signals.take() {
        switch signal {
        case SIGHUP:
          service.reloading(steelyard.serviceState, now: Clock.now)
          let answer = steelyard.reload(now: Clock.now)
          service.ready(
            steelyard.serviceState, isRefused: answer.refusal != nil, now: Clock.now)
        case SIGUSR1: steelyard.reopenLog()
        case SIGUSR2:
          // The log says why, if it is not possible.
          try? steelyard.upgrade(now: Clock.now)
        default:
          // A process that was replaced ends gracefully first.
          if steelyard.isEnding {
            log.write(.warning, "ended by a second signal")
            log.finish()
            return .ok
          }
          log.write(
            .info, "ending", ["signal": Int(signal), "in_flight": steelyard.balancer.inFlight])
          steelyard.beginStop()
          service.stopping(now: Clock.now)
        }
      }
      if steelyard.isSuccessorReady {
        service.handOver(to: steelyard.upgrades.process ?? 0)
        steelyard.handOver(now: Clock.now)
      }
      if steelyard.isOver(now: Clock.now) {
        steelyard.balancer.join()
        steelyard.tellSuccessor()
        steelyard.finishLogs()
        return .ok
      }
    }
  }

  private static func fail(_ error: StartError, _ arrival: Arrival) -> ExitCode {
    Console.error("steelyard: \(error.message)")
    arrival.predecessor?.refuse(exitCode: Int(error.exitCode.rawValue), lines: [error.message])
    return error.exitCode
  }
}
