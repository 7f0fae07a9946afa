// What the answer to an active check says: good, or why not. A pure function of the policy and the
// outcome. An answer that says in so many words that a model is not loaded is its own kind of
// failure: it needs no repetition.
// Source of the model's states: TensorFlow Serving, apis/get_model_status.proto and api_rest.md.
package import Fleet

package enum HealthCheck {
  /// Why the endpoint is not well; nil where it is.
  package static func failure(_ outcome: PollOutcome, _ policy: HealthPolicy) -> PollFailure? {
    switch outcome {
    case .failed(let failure): return failure
    case .connected: return nil
    case .answered(let status, let content, let call):
      if policy.kind == .grpc {
        return GRPCHealth.failure(status, call, content, service: policy.service)
      }
      if let model = policy.model { return modelFailure(status, content, model) }
      guard policy.statuses.contains(status) else {
        return PollFailure(.status, "\(status): \(Wording.snippet(content))")
      }
      return policy.content.flatMap { contentFailure(content, $0) }
    }
  }

  /// Whether the answer has to be read to its end.
  package static func needsContent(_ policy: HealthPolicy) -> Bool {
    policy.content != nil || policy.model != nil || policy.kind == .grpc
  }

  // MARK: Content

  private static func contentFailure(
    _ content: UnsafeRawBufferPointer, _ wanted: HealthPolicy.Content
  ) -> PollFailure? {
    switch wanted {
    case .contains(let text):
      if contains(content, Array(text.utf8)) { return nil }
      return PollFailure(.content, "no `\(text)` in: \(Wording.snippet(content))")
    case .json(let path, let equals):
      do throws(JSONLeaves.Malformed) {
        let found = try JSONLeaves.read(content).filter { $0.path == path }
        // A name that is there twice says nothing.
        guard let leaf = found.first, found.count == 1 else {
          let what = found.isEmpty ? "no value" : "several values"
          return PollFailure(.content, "\(what) at `\(path)`: \(Wording.snippet(content))")
        }
        if isEqual(leaf, equals) { return nil }
        let text = leaf.text.withCString { start in
          Wording.snippet(UnsafeRawBufferPointer(start: start, count: leaf.text.utf8.count))
        }
        return PollFailure(.content, "`\(path)` is `\(text)`, not `\(equals)`")
      } catch {
        return PollFailure(.content, error.detail)
      }
    }
  }

  private static func isEqual(_ leaf: JSONLeaves.Leaf, _ wanted: String) -> Bool {
    if leaf.text == wanted { return true }
    guard leaf.kind == .number, let number = Double(wanted) else { return false }
    return Double(leaf.text) == number
  }

  private static func contains(_ content: UnsafeRawBufferPointer, _ text: [UInt8]) -> Bool {
    guard let first = text.first else { return true }
    guard content.count >= text.count else { return false }
    for start in 0...content.count - text.count where content[start] == first {
      if content[start..<start + text.count].elementsEqual(text) { return true }
    }
    return false
  }

  // MARK: Model status

  /// What is known of one version of the model.
  private struct Version {
    var version: String?
    var state: String?
    var isTwice = false
  }

  private static func modelFailure(
    _ status: Int, _ content: UnsafeRawBufferPointer, _ model: HealthPolicy.Model
  ) -> PollFailure? {
    // 404: "Could not find any versions of model …".
    if status == 404 {
      return PollFailure(.notReady, "no model `\(model.name)`: \(Wording.snippet(content))")
    }
    guard status == 200 else {
      return PollFailure(.status, "\(status): \(Wording.snippet(content))")
    }
    let versions: [Version]
    do throws(JSONLeaves.Malformed) {
      versions = modelVersions(try JSONLeaves.read(content))
    } catch {
      return PollFailure(.content, error.detail)
    }
    guard versions.contains(where: { $0.version != nil }) else {
      return PollFailure(.content, "no model_version_status: \(Wording.snippet(content))")
    }
    let wanted = versions.filter { version in
      version.version != nil
        && (model.version.map { version.version == "\($0)" } ?? true)
    }
    if wanted.contains(where: { $0.state == "AVAILABLE" && !$0.isTwice }) { return nil }
    let name = "model `\(model.name)`" + (model.version.map { " version \($0)" } ?? "")
    guard let best = wanted.first else { return PollFailure(.notReady, "\(name) is not there") }
    return PollFailure(.notReady, "\(name) is \(known(best.state))")
  }

  /// Foreign text only where it is one of the known states.
  private static func known(_ state: String?) -> String {
    let states = ["START", "LOADING", "UNLOADING", "END", "UNKNOWN"]
    return state.flatMap { states.contains($0) ? $0 : nil } ?? "in no known state"
  }

  /// `model_version_status.N.version` and `.state`, by N. A version is a string in the JSON form of
  /// an int64; servers that copy the API send a number.
  private static func modelVersions(_ leaves: [JSONLeaves.Leaf]) -> [Version] {
    var versions: [Version] = []
    for leaf in leaves where leaf.kind != .word {
      let parts = leaf.path.split(separator: ".", omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0] == "model_version_status", let index = Int(parts[1]),
        index <= versions.count
      else { continue }
      if index == versions.count { versions.append(Version()) }
      switch parts[2] {
      case "version":
        if versions[index].version != nil { versions[index].isTwice = true }
        versions[index].version = leaf.text
      case "state":
        if versions[index].state != nil { versions[index].isTwice = true }
        versions[index].state = leaf.text
      default: break
      }
    }
    return versions
  }
}
