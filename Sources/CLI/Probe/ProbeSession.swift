// The steps of `steelyard probe`: the next page to fetch, given the pages so far. Pure; the command
// fetches. A page that is not found at its path is searched at the paths of the presets.
import Controller
import Fleet
import Primitives

struct ProbeSession: Sendable {
  /// A step for the command.
  enum Step: Sendable, Equatable {
    case fetch(path: String, kind: PollRequest.Kind)
    /// The same page again, `after` the time at which the first was requested.
    case fetchAgain(path: String, kind: PollRequest.Kind, after: Nanoseconds)
    case report
  }

  let options: ProbeOptions
  /// The port to connect to.
  let port: UInt16
  /// The value of `Host`: host and port.
  let host: String
  private let path: String
  private var first: PageFetch?
  private var second: PageFetch?
  private var error: PageError?
  /// The paths that are still to be fetched, and the answers of those that were.
  private var otherPaths: [String] = []
  private var cluePaths: [String] = []
  private var followUps: [PageFetch] = []
  /// The page that was found.
  private var found: PageFetch?

  init(_ options: ProbeOptions) {
    self.options = options
    port = options.url.port ?? options.preset?.port ?? (options.url.isTLS ? 443 : 80)
    host = "\(options.url.host):\(port)"
    path = options.url.path ?? options.preset?.path ?? "/metrics"
  }

  private var scheme: String { options.url.isTLS ? "https://" : "http://" }

  private var kind: PollRequest.Kind { options.preset?.format == .json ? .json : .prometheus }

  var next: Step {
    guard first != nil else { return .fetch(path: path, kind: kind) }
    if let page = found {
      return second == nil
        ? .fetchAgain(path: page.path, kind: kind, after: options.interval) : .report
    }
    if let other = otherPaths.first { return .fetch(path: other, kind: .prometheus) }
    if let clue = cluePaths.first { return .fetch(path: clue, kind: .health) }
    return .report
  }

  /// Takes the result of the last step.
  mutating func take(_ fetch: PageFetch) {
    guard first != nil else { return takeFirst(fetch) }
    if found != nil {
      second = fetch
    } else if !otherPaths.isEmpty {
      otherPaths.removeFirst()
      if Self.error(fetch, options.preset) == nil, fetch.page != nil { found = fetch }
    } else {
      cluePaths.removeFirst()
      followUps.append(fetch)
    }
  }

  private mutating func takeFirst(_ fetch: PageFetch) {
    first = fetch
    error = Self.error(fetch, options.preset)
    if fetch.page != nil, error == nil {
      found = fetch
    } else if PageDiagnosis.wantsFollowUps(fetch) {
      // A path in the URL is the only one that is fetched.
      if options.url.path == nil { otherPaths = PageDiagnosis.otherPaths(than: path) }
      cluePaths = ServerClue.paths
    }
  }

  /// Why the content of an answer with status 200 is not a metrics page; nil: it is one.
  private static func error(_ fetch: PageFetch, _ preset: Preset?) -> PageError? {
    guard let page = fetch.page else { return nil }
    do throws(PageError) {
      let survey = try PageSurvey(page, nil, preset: preset)
      // JSON that no preset reads is no metrics page.
      if preset == nil, survey.format == .json, !survey.isUseful { return .badJSON }
      return nil
    } catch {
      return error
    }
  }

  /// The report. Requires: `next` is `report`.
  var report: ProbeReport {
    guard let page = found, let content = page.page else {
      let fetch = first ?? PageFetch(path: path, .failed(PollFailure(.local, "nothing was asked")))
      var report = ProbeReport(url: "\(scheme)\(host)\(fetch.path)", port: port, fetch: fetch)
      report.diagnosis = PageDiagnosis(fetch, error: error, port: port, followUps: followUps)
      return report
    }
    var report = ProbeReport(url: "\(scheme)\(host)\(page.path)", port: port, fetch: page)
    if options.url.isTLS { report.tls = options.tls }
    if let first, first.path != page.path {
      let problem = PageDiagnosis(first, error: error, port: 0).problem
      report.notes.append("at \(first.path) there are none: \(problem)")
    }
    var later: (page: [UInt8], after: Nanoseconds)?
    if let second {
      if let again = second.page {
        later = (again, second.sentAt - page.sentAt)
      } else {
        let problem = PageDiagnosis(second, port: 0).problem
        report.notes.append("the second fetch failed, so there are no rates: \(problem)")
      }
    }
    report.survey = try? PageSurvey(content, later, preset: options.preset)
    if options.isStrict, report.survey?.format == .prometheus {
      report.strict = StrictCheck(content, contentType: page.contentType)
    } else if options.isStrict {
      report.notes.append("the page is JSON: --strict checks text only")
    }
    return report
  }
}
