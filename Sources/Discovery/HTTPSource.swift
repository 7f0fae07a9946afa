// A list of targets from a web server, as Prometheus' `http_sd_configs` reads it: only an answer
// with status 200 and a good list counts, and `[]` is a list.
package import Fleet
package import Primitives

package struct HTTPSource: EndpointSource {
  private let path: String
  private var times: AskTimes

  package init(_ source: DiscoverySource) {
    path = source.target
    times = AskTimes(interval: source.interval)
  }

  package var nextDue: Nanoseconds { times.nextAt }

  package mutating func ask(now: Nanoseconds) -> SourceQuestion? {
    now >= times.nextAt ? .exchange(SourceRequest(path)) : nil
  }

  package mutating func take(_ answer: SourceAnswer, now: Nanoseconds) -> SourceVerdict {
    do throws(SourceFailure) {
      let (_, content) = try answer.content()
      let members = try TargetList.members(json: content)
      times.noteSuccess(now: now)
      return .members(members)
    } catch {
      times.noteFailure(now: now)
      return .failed(error)
    }
  }
}

extension SourceAnswer {
  /// The content of an answer with status 200, and the fields that were asked for.
  func content() throws(SourceFailure) -> (fields: [String: String], content: [UInt8]) {
    switch self {
    case .answer(200, let fields, let content): return (fields, content)
    case .answer(let status, _, let content):
      let words = String(decoding: content.prefix(80), as: UTF8.self)
      let text = "status \(status)" + (words.isEmpty ? "" : ": \(TargetList.shown(words))")
      switch status {
      case 401, 403: throw SourceFailure(.denied, text)
      case 404: throw SourceFailure(.missing, text)
      default: throw SourceFailure(.server, text)
      }
    case .failed(let failure): throw failure
    case .part, .files, .records: throw SourceFailure(.malformed, "another answer was expected")
    }
  }
}
