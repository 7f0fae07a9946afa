// `steelyard probe URL`: carries out the steps of a `ProbeSession`. A signal ends it at once.
import Client
import Controller
import Fleet
import IO
import Primitives

enum ProbeCommand {
  static func run(_ arguments: CommandArguments) throws(UsageError) -> ExitCode {
    let options = try ProbeOptions(arguments)
    var session = ProbeSession(options)
    var security: ClientSecurity?
    if options.url.isTLS {
      let host = options.url.host
      let name = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
      security = try options.tls.security(name: name, arguments)
    }
    let addresses: [SocketAddress]
    do throws(HostResolver.Failure) {
      addresses = try HostResolver.resolve(options.url.host, port: session.port)
    } catch {
      Console.error("steelyard: cannot find \(options.url.host): \(error.reason)")
      return .unavailable
    }
    return probe(&session, addresses, security)
  }

  private static func probe(
    _ session: inout ProbeSession, _ addresses: [SocketAddress], _ security: ClientSecurity?
  ) -> ExitCode {
    let (host, timeout) = (session.host, session.options.timeout)
    func fetch(_ path: String, _ kind: PollRequest.Kind) -> PageFetch {
      PageFetchDriver.fetch(
        addresses, security, host: host, path: path, kind: kind, timeout: timeout,
        userAgent: Version.userAgent)
    }
    var firstSentAt = Clock.now
    while true {
      switch session.next {
      case .report:
        let report = session.report
        Console.out(session.options.isJSON ? report.json : report.text)
        return report.isGood ? .ok : .unavailable
      case .fetch(let path, let kind):
        firstSentAt = Clock.now
        session.take(fetch(path, kind))
      case .fetchAgain(let path, let kind, let after):
        let end = firstSentAt + after
        while Clock.now < end { Clock.pause(end - Clock.now) }
        session.take(fetch(path, kind))
      }
    }
  }
}
