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

enum ServeCommand {
  /// Serves as the file at `path` says.
  static func run(_ path: String) -> ExitCode {
    do throws(ConfigurationLoader.Failure) {
      return serve(try ConfigurationLoader.load(path), path)
    } catch {
      Console.error(error.message)
      return error.exitCode
    }
  }

  private static func serve(_ file: ConfigurationFile, _ path: String) -> ExitCode {
    let fleet = file.fleet
    var service = ServiceDriver()
    let waker: Waker
    let signals: SignalWatcher
    let log: LogDriver
    do throws(IOError) {
      waker = try Waker()
      signals = try SignalWatcher([SIGTERM, SIGINT, SIGHUP, SIGUSR1], waker: waker)
      log = try LogDriver()
    } catch {
      return fail(StartError(error))
    }
    log.use(fleet.log)
    ConfigurationLoader.tell(file.warnings, log)
    service.open(log: log)
    let steelyard: Steelyard
    do throws(StartError) {
      steelyard = try Steelyard(fleet, path: path, waker: waker, log: log)
      try steelyard.start()
    } catch {
      log.finish()
      return fail(error)
    }
    service.ready(steelyard.serviceState, now: Clock.now)
    while true {
      steelyard.turn(until: .distantFuture)
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
        default:
          if steelyard.stopsAt != nil {
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
      if let deadline = steelyard.stopsAt, steelyard.balancer.isEnded || Clock.now > deadline {
        steelyard.balancer.join()
        steelyard.finishLogs()
        return .ok
      }
    }
  }

  private static func fail(_ error: StartError) -> ExitCode {
    Console.error("steelyard: \(error.message)")
    return error.exitCode
  }
}
