// `steelyard serve FILE`: runs until a signal ends it.
import Balancer
import CSystem
import Configuration
import Fleet
import IO
import Primitives

enum ServeCommand {
  static func run(_ arguments: [String]) throws(UsageError) -> ExitCode {
    guard let path = arguments.first else { throw UsageError("serve: FILE is missing") }
    guard arguments.count == 1 else { throw UsageError("serve: one FILE, please") }
    if path.hasPrefix("-") { throw UsageError("serve: unknown option \(path)") }
    let log = Log()
    do throws(ConfigurationLoader.Failure) {
      let fleet = try ConfigurationLoader.load(path).fleet
      return serve(fleet, path, log)
    } catch {
      Console.error(error.message)
      return error.exitCode
    }
  }

  private static func serve(_ fleet: Fleet, _ path: String, _ log: Log) -> ExitCode {
    var service = ServiceNotice(log: log)
    let waker: Waker
    let signals: SignalWatcher
    do throws(IOError) {
      waker = try Waker()
      signals = try SignalWatcher([SIGTERM, SIGINT, SIGHUP, SIGUSR1], waker: waker)
    } catch {
      return fail(StartError(error))
    }
    let steelyard: Steelyard
    do throws(StartError) {
      steelyard = try Steelyard(fleet, path: path, waker: waker, log: log)
      try steelyard.start()
    } catch {
      return fail(error)
    }
    service.ready(steelyard, now: Clock.now)
    while true {
      steelyard.turn(until: .distantFuture)
      service.turn(steelyard, now: Clock.now)
      for signal in signals.take() {
        switch signal {
        case SIGHUP:
          service.reloading(steelyard, now: Clock.now)
          let answer = steelyard.reload(now: Clock.now)
          service.ready(steelyard, isRefused: answer.isRefused, now: Clock.now)
        case SIGUSR1: steelyard.reopenLog()
        default:
          if steelyard.stopsAt != nil {
            log.write(.warning, "ended by a second signal")
            return .ok
          }
          log.write(
            .info, "ending", ["signal": "\(signal)", "in_flight": "\(steelyard.balancer.inFlight)"])
          steelyard.beginStop()
          service.stopping(now: Clock.now)
        }
      }
      if let deadline = steelyard.stopsAt, steelyard.balancer.isEnded || Clock.now > deadline {
        steelyard.balancer.join()
        steelyard.finishLog()
        log.write(.info, "ended")
        return .ok
      }
    }
  }

  private static func fail(_ error: StartError) -> ExitCode {
    Console.error("steelyard: \(error.message)")
    return error.exitCode
  }
}
