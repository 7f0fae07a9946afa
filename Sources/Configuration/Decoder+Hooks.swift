// `hooks`: actions for certain events. Each hook has events and one action: a command without a
// shell, or an HTTP request.
import Fleet
import Primitives

extension Decoder {
  /// The most hooks, and the most words of a command.
  private static let hooksMax = 32
  private static let wordsMax = 64

  /// Requires: the pools are decoded.
  mutating func decodeHooks(_ scope: inout Scope) {
    let isGiven = scope.has("hooks")
    var outputs: [Output] = []
    let nodes = scope.items("hooks") ?? []
    if nodes.count > Self.hooksMax {
      report.error(
        at: nodes[Self.hooksMax].offset, "`hooks` has more than \(Self.hooksMax) items")
    }
    for node in nodes.prefix(Self.hooksMax) { outputs.append(decodeHook(node)) }
    scope.put(
      "hooks", outputs.isEmpty ? .value("[]", isDefault: !isGiven) : .sequence(outputs))
  }

  private mutating func decodeHook(_ node: Node) -> Output {
    var scope = Scope(node, "this hook", report)
    var hook = HookPolicy(events: events(&scope), action: .run([]))
    decodePools(of: &hook, &scope)
    decodeAction(of: &hook, &scope, node)
    if case .post(var target) = hook.action {
      hook.fields = decodeFields("headers", in: &scope, reserved: ["content-type", "user-agent"])
      decodeTLS(of: &target, &scope)
      hook.action = .post(target)
    } else {
      for key in ["headers", "tls"] {
        guard let node = scope.claim(key) else { continue }
        report.error(at: node.offset, "`\(key)` is for `post`", hint: "remove it, or `run`")
      }
    }
    scope.read(
      "timeout", &hook.timeout, .duration(.milliseconds(100)...Nanoseconds.seconds(3_600)))
    scope.read("concurrency", &hook.concurrency, .count(1...16))
    scope.read("cooldown", &hook.cooldown, .duration(.zero ... .seconds(86_400)))
    fleet.hooks.append(hook)
    return scope.finish()
  }

  private func events(_ scope: inout Scope) -> [HookEvent] {
    var events: [HookEvent] = []
    for node in scope.items("on", required: true) ?? [] {
      guard let event = scope.decode(node, "an event", Form<HookEvent>.choice) else { continue }
      if !events.contains(event) { events.append(event) }
    }
    let words = events.map { Output.value($0.rawValue, isDefault: false) }
    scope.put("on", Output.sequence(words).inline)
    return events
  }

  private func decodePools(of hook: inout HookPolicy, _ scope: inout Scope) {
    // A word instead of the list: all pools.
    if let node = scope.node("pools"), case .scalar(let scalar) = node.content {
      if scalar.text == "any" {
        scope.claim("pools")
        scope.put("pools", .value("any", isDefault: false))
        return
      }
    }
    guard let nodes = scope.items("pools") else {
      scope.put("pools", .value("any", isDefault: true))
      return
    }
    var names: [String] = []
    for node in nodes {
      guard let name = scope.decode(node, "the name of a pool", Form<String>.name) else { continue }
      if poolIndices[name] == nil {
        report.error(
          at: node.offset, "there is no pool \(Printable.quoted(name))",
          hint: Suggestion.hint(for: name, among: poolNames)
            ?? "the pools are \(Suggestion.names(poolNames))")
      }
      names.append(name)
    }
    if nodes.isEmpty {
      report.error(
        at: scope.offset(of: "pools"), "`pools` needs at least one item",
        hint: "leave it out for every pool")
    }
    hook.pools = names
    scope.put(
      "pools",
      Output.sequence(names.map { .value(YAMLText.scalar($0), isDefault: false) }).inline)
  }

  // MARK: Actions

  private mutating func decodeAction(of hook: inout HookPolicy, _ scope: inout Scope, _ node: Node)
  {
    let nodes = scope.items("run")
    if let nodes {
      let words = nodes.compactMap { scope.decode($0, "a word of `run`", Form<String>.word) }
      if let first = nodes.first {
        check(words, first, isWhole: words.count == nodes.count)
        if let program = words.first { offsets.programs.append((program, first.offset)) }
      } else {
        report.error(at: scope.offset(of: "run"), "`run` needs at least one item")
      }
      hook.action = .run(words)
      scope.put(
        "run",
        Output.sequence(words.map { .value(YAMLText.quoted($0), isDefault: false) }).inline)
    }
    let hasPost = scope.has("post")
    scope.claim("post")
    if hasPost, let target = scope.require("post", Form<HookPolicy.WebTarget>.webTarget) {
      hook.action = .post(target)
    }
    if hasPost == scope.has("run") {
      report.error(
        at: hasPost ? scope.offset(of: "post") : node.offset,
        "a hook has one of `run` and `post`" + (hasPost ? ", not both" : ""))
    }
  }

  // The scheme of the URL says whether there is TLS; `tls` says how.
  private func decodeTLS(of target: inout HookPolicy.WebTarget, _ scope: inout Scope) {
    let isSecure = target.tls != nil
    let tls = decodeClientTLS(in: &scope, default: isSecure ? .on : .off)
    if isSecure, tls != nil { target.tls = tls }
    guard let node = scope.node("tls"), isSecure != (tls != nil), !scope.refused.contains("tls")
    else { return }
    report.error(
      at: node.offset,
      isSecure ? "`post` is a URL with `https`, which is TLS" : "`tls` is for URLs with `https`",
      hint: isSecure ? "remove `tls`, or write `http://`" : "write `https://` in `post`")
  }

  private func check(_ words: [String], _ node: Node, isWhole: Bool) {
    if words.count > Self.wordsMax {
      report.error(at: node.offset, "`run` has more than \(Self.wordsMax) items")
    }
    guard isWhole, let program = words.first else { return }
    if !program.hasPrefix("/") {
      report.error(
        at: node.offset, "the first item of `run` must be the whole path of a program",
        hint: "it is started without a shell and not searched for")
    }
    for word in words {
      for name in Self.braced(word) where !HookPolicy.placeholders.contains(name) {
        guard let meant = Suggestion.best(for: name, among: HookPolicy.placeholders) else {
          continue
        }
        report.error(
          at: node.offset, "`run` has no placeholder \(Printable.quoted("{\(name)}"))",
          hint: "did you mean `{\(meant)}`?")
      }
    }
  }

  /// The words in braces.
  private static func braced(_ text: String) -> [String] {
    text.split(separator: "{", omittingEmptySubsequences: false).dropFirst().compactMap { part in
      part.firstIndex(of: "}").map { String(part[..<$0]) }
    }
  }
}

extension Form<String> {
  /// An argument of a command: no NUL or other control characters, up to 1 KiB.
  fileprivate static var word: Form {
    Form(
      read: { scalar throws(Misfit) in
        let isGood = scalar.text.unicodeScalars.allSatisfy {
          $0.value >= 0x20 && $0.value != 0x7F || $0 == "\n" || $0 == "\t"
        }
        guard !scalar.isNull, scalar.text.utf8.count <= 1_024, isGood else {
          throw .expected("text of at most 1024 bytes without control characters")
        }
        return scalar.text
      },
      write: YAMLText.quoted)
  }
}

extension Form<HookPolicy.WebTarget> {
  /// `http://127.0.0.1:9000/path` or `https://…`: an IP address or `localhost`; names are not
  /// resolved.
  fileprivate static var webTarget: Form {
    let address = Form<SocketAddress>.endpointAddress
    let path = Form<String>.path(query: true)
    return Form(
      read: { scalar throws(Misfit) in
        let isSecure = scalar.text.hasPrefix("https://")
        let scheme = isSecure ? "https://" : "http://"
        guard scalar.text.hasPrefix(scheme) else {
          throw .expected("a URL like `http://127.0.0.1:9000/hook`")
        }
        let rest = scalar.text.dropFirst(scheme.count)
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        let host = String(rest[..<end])
        let hasPort = host.hasSuffix("]") ? false : host.contains(":")
        return HookPolicy.WebTarget(
          address: try address.read(
            Scalar(text: hasPort ? host : host + (isSecure ? ":443" : ":80"), isPlain: true)),
          path: end == rest.endIndex
            ? "/" : try path.read(Scalar(text: String(rest[end...]), isPlain: true)),
          tls: isSecure ? ClientTLS() : nil)
      },
      write: { YAMLText.quoted($0.url) })
  }
}
