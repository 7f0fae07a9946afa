// The access log of the program: it is opened at the start, reopened by signals and reloads, its
// failures are logged, and its last lines are written at the end.
import Balancer
import CLI
import Events
import Fleet
import IO

extension Steelyard {
  static func openLog(
    _ policy: AccessLogPolicy, workerCount: Int
  ) throws(StartError) -> AccessLogDriver {
    let driver: AccessLogDriver
    do throws(IOError) {
      driver = try AccessLogDriver(workerCount: workerCount)
    } catch {
      throw StartError(error)
    }
    do throws(IOError) {
      try driver.use(policy)
    } catch {
      throw StartError(accessLog: policy, error)
    }
    return driver
  }

  /// Reopens the file of the access log, as after a rotation.
  func reopenLog() {
    do throws(IOError) {
      try accessLog.reopen()
      log.write(.info, "access log opened anew")
    } catch {
      log.write(.error, "access log not opened anew", ["reason": error.reason])
    }
  }

  /// Logs when writing the access log begins to fail, and when it works again.
  func noteLogFailure() {
    let failure = accessLog.failure
    guard failure != loggedFailure else { return }
    loggedFailure = failure
    if failure == 0 {
      log.write(.info, "access log is written again")
    } else {
      log.write(.error, "access log cannot be written", ["reason": IOError.reason(failure)])
    }
  }

  /// Writes the remaining lines of the access log, then those of the log. Requires: the workers
  /// have ended, and no further line is logged.
  func finishLogs() {
    let left = accessLog.finish()
    if left > 0 {
      log.write(.error, "the end of the access log is lost", ["bytes": left])
    }
    hooks.finish(log)
    log.write(.info, "ended")
    log.finish()
  }
}

extension StartError {
  init(accessLog policy: AccessLogPolicy, _ error: IOError) {
    var path = ""
    if case .file(let given) = policy.destination { path = given }
    self.init(.cannotCreate, "cannot open the access log \(path): \(error.reason)")
  }
}
