// `steelyard probe URL`: carries out the steps of a `ProbeSession`. A signal ends it at once.
import Controller
import IO
import Primitives

enum ProbeCommand {
  static func run(_ arguments: [String]) throws(UsageError) -> ExitCode {
    let options: ProbeOptions
    do throws(ProbeUsageError) {
      options = try ProbeOptions.parse(arguments)
    } catch {
      throw UsageError(error.message)
    }
    var session = ProbeSession(options)
    let addresses: [SocketAddress]
    do throws(HostResolver.Failure) {
      addresses = try HostResolver.resolve(options.url.host, port: session.port)
    } catch {
      Console.error("steelyard: cannot find \(options.url.host): \(error.reason)")
      return .unavailable
    }
    do throws(IOError) {
      var driver = try PageFetchDriver(userAgent: "steelyard/\(Version.number)")
      return probe(&session, addresses, &driver)
    } catch {
      Console.error("steelyard: \(error)")
      return .internalError
    }
  }

  private static func probe(
    _ session: inout ProbeSession, _ addresses: [SocketAddress], _ driver: inout PageFetchDriver
  ) -> ExitCode {
    var firstSentAt = Clock.now
    while true {
      switch session.next {
      case .report:
        let report = session.report
        Console.out(session.options.isJSON ? report.json : report.text)
        return report.isUseful ? .ok : .unavailable
      case .fetch(let path, let kind):
        firstSentAt = Clock.now
        session.take(
          driver.fetch(
            addresses, host: session.host, path: path, kind: kind,
            timeout: session.options.timeout))
      case .fetchAgain(let path, let kind, let after):
        driver.pause(until: firstSentAt + after)
        session.take(
          driver.fetch(
            addresses, host: session.host, path: path, kind: kind,
            timeout: session.options.timeout))
      }
    }
  }
}
