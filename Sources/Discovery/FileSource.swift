// Files of targets: all files of a pattern together. A file that is replaced by rename is read in
// its place; one that is wrong keeps the members of its last good content.
package import Fleet
package import Primitives

package struct FileSource: EndpointSource {
  private let pattern: String
  private var times: AskTimes
  /// The members of each file, and the content that they were read from.
  private var files: [String: (content: [UInt8], members: [Member])] = [:]

  package init(_ source: DiscoverySource) {
    pattern = source.target
    times = AskTimes(interval: source.interval)
  }

  package var nextDue: Nanoseconds { times.nextAt }

  package mutating func ask(now: Nanoseconds) -> SourceQuestion? {
    now >= times.nextAt ? .files(pattern) : nil
  }

  package mutating func take(_ answer: SourceAnswer, now: Nanoseconds) -> SourceVerdict {
    times.noteSuccess(now: now)
    guard case .files(let found) = answer else {
      if case .failed(let failure) = answer { return .failed(failure) }
      return .nothing
    }
    if found.isEmpty {
      // Nobody says that there are no endpoints: a pattern without files is a mistake.
      return .failed(SourceFailure(.missing, "no file matches \(pattern)"))
    }
    var next: [String: (content: [UInt8], members: [Member])] = [:]
    var failure: SourceFailure?
    for file in found {
      if let known = files[file.path], known.content == file.content {
        next[file.path] = known
        continue
      }
      do throws(SourceFailure) {
        next[file.path] = (file.content, try Self.members(file))
      } catch {
        next[file.path] = files[file.path]
        failure = failure ?? SourceFailure(error.reason, "\(file.path): \(error.detail)")
      }
    }
    files = next
    let members = found.flatMap { files[$0.path]?.members ?? [] }
    return failure.map { .partly(members, $0) } ?? .members(members)
  }

  private static func members(_ file: SourceFile) throws(SourceFailure) -> [Member] {
    let isYAML = file.path.hasSuffix(".yml") || file.path.hasSuffix(".yaml")
    return isYAML
      ? try TargetList.members(yaml: file.content, path: file.path)
      : try TargetList.members(json: file.content)
  }
}
