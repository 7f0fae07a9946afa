// `routes` of a listener: what happens to matching requests. `Decoder+Match.swift` reads the
// conditions.
import Fleet
import Primitives

extension Decoder {
  /// The most routes of a listener: a request may be compared with each of them.
  static let routesMax = 1_000

  /// Appends a route to the listener. `seen` holds the positions of earlier routes' conditions;
  /// `whole` is the pool of a listener without routes.
  func decodeRoute(
    _ scope: inout Scope, _ listener: inout Listener, _ seen: inout [RouteKey: Int],
    whole: Node? = nil
  ) -> Output {
    var route = Route(pathPrefix: "/", pool: 0)
    decodeMatch(&scope, &route.match, &seen)
    decodeAction(&scope, &route, whole)
    warnOfLoop(route.action, listener, scope)
    scope.read("access_log", &route.logsAccess, .truth)
    decodeRateLimits(&route.rateLimits, in: &scope)
    if listener.tls?.clientCA == nil, route.rateLimits.contains(where: \.key.isOfCertificate) {
      report.error(
        at: scope.offset(of: "rate_limits"),
        "`client_certificate` needs a listener with `client_ca`, which this one is not",
        hint: "write `tls: {…, client_ca: FILE}` in this listener")
    }
    listener.routes.append(route)
    return scope.finish()
  }

  /// Decodes `pool`, `redirect` or `respond`, and the keys that belong to a pool.
  private func decodeAction(_ scope: inout Scope, _ route: inout Route, _ whole: Node?) {
    let actions = ["pool", "redirect", "respond"].filter { scope.has($0) }
    if actions.count > 1 {
      report.error(
        at: scope.offset(of: actions[1]),
        "a route has one of `pool`, `redirect` and `respond`, not `\(actions[0])` and"
          + " `\(actions[1])`")
    }
    let answersItself = actions.first.map { $0 != "pool" } ?? false
    let pool = scope.claim("pool", required: poolNames.count > 1 && !answersItself)
    if let pool = pool ?? whole {
      let index = poolIndex(pool, scope)
      route.action = .pool(index ?? 0)
      let name = index.map { poolNames[$0] } ?? ""
      scope.put("pool", .value(YAMLText.scalar(name), isDefault: false))
    } else if poolNames.count == 1, !answersItself {
      scope.put("pool", .value(YAMLText.scalar(poolNames[0]), isDefault: true))
    }
    decodeRedirect(&scope, &route)
    decodeRespond(&scope, &route)
    decodePoolKeys(&scope, &route, answersItself)
  }

  private func decodeRedirect(_ scope: inout Scope, _ route: inout Route) {
    guard scope.has("redirect") else {
      _ = scope.claim("redirect")
      return
    }
    var redirect = Redirect(location: "/")
    scope.section("redirect") { section in
      section.read("status", &redirect.status, .redirectStatus)
      redirect.location = section.require("location", .location) ?? "/"
    }
    route.action = .redirect(redirect)
  }

  // The redirect to https belongs to the plain listener.
  private func warnOfLoop(_ action: RouteAction, _ listener: Listener, _ scope: Scope) {
    guard case .redirect(let redirect) = action else { return }
    let scheme = listener.tls == nil ? "http" : "https"
    let usual: UInt16 = listener.tls == nil ? 80 : 443
    let own = "\(scheme)://\(Redirect.hostPlaceholder)"
    var loops = ["\(own):\(listener.address.port)\(Redirect.placeholder)"]
    if listener.address.port == usual { loops.append(own + Redirect.placeholder) }
    guard loops.contains(redirect.location) else { return }
    report.warn(
      at: scope.offset(of: "redirect"), "this redirect leads to its own listener, without end",
      hint: listener.tls == nil
        ? nil : "write it in the listener that takes connections in the clear")
  }

  private func decodeRespond(_ scope: inout Scope, _ route: inout Route) {
    guard scope.has("respond") else {
      _ = scope.claim("respond")
      return
    }
    var answer = FixedAnswer()
    scope.section("respond") { section in
      section.read("status", &answer.status, .answerStatus)
      section.read("body", &answer.body, .body)
      section.read("content_type", &answer.contentType, .mediaType)
      answer.unlessEmpty = decodeUnlessEmpty(&section)
      if [204, 205].contains(answer.status), !answer.body.isEmpty {
        report.error(
          at: section.offset(of: "body"), "an answer with status \(answer.status) has no body")
      }
    }
    route.action = .respond(answer)
  }

  // Absent or `none`: no pool.
  private func decodeUnlessEmpty(_ section: inout Scope) -> Int? {
    let isNone = section.isWord("none", at: "unless_empty")
    guard let node = section.claim("unless_empty"), !isNone else {
      section.put("unless_empty", .value("none", isDefault: !isNone))
      return nil
    }
    let index = poolIndex(node, section)
    let name = index.map { YAMLText.scalar(poolNames[$0]) } ?? "none"
    section.put("unless_empty", .value(name, isDefault: false))
    return index
  }

  private func decodePoolKeys(
    _ scope: inout Scope, _ route: inout Route, _ answersItself: Bool
  ) {
    if answersItself {
      for key in [
        "rewrite", "timeouts", "body_bytes", "request_buffer_bytes", "retries", "idempotent",
      ] where scope.has(key) {
        _ = scope.claim(key)
        report.error(
          at: scope.offset(of: key), "`\(key)` is for routes with a pool: this one answers itself")
      }
      return
    }
    scope.read("rewrite", &route.rewrite, Form<String>.path(query: false).or("none"))
    checkRewrite(scope, route)
    decodeTimeouts(&scope, &route)
    scope.read(
      "body_bytes", &route.bodyBytesMax, Form<Int>.size(0...(1 << 40)).or("inherit"))
    scope.read(
      "request_buffer_bytes", &route.requestBufferBytes,
      Form<Int>.size(0...16_384).or("inherit"))
    scope.read("retries", &route.retriesMax, Form<Int>.count(0...7).or("inherit"))
    scope.read("idempotent", &route.isIdempotent, .truth)
  }

  // `/api` → `/` would turn `/api/x` into `//x`, and `/api/` → `/new` into `/newx`.
  private func checkRewrite(_ scope: Scope, _ route: Route) {
    guard let rewrite = route.rewrite, case .prefix(let prefix) = route.match.path,
      rewrite.hasSuffix("/") != prefix.hasSuffix("/")
    else { return }
    let example = prefix.hasSuffix("/") ? "x" : "/x"
    report.error(
      at: scope.offset(of: "rewrite"),
      "`rewrite` and `path_prefix` end in `/` both or neither: "
        + "\(Printable.quoted(prefix + example)) would become "
        + Printable.quoted(rewrite + example))
  }

  // A route's timeouts are those of the pool, except where the route sets its own.
  private func decodeTimeouts(_ scope: inout Scope, _ route: inout Route) {
    var isEmpty = true
    let node = scope.claim("timeouts")
    if let node, case .mapping(let entries) = node.content { isEmpty = entries.isEmpty }
    let pool = route.action.pool ?? 0
    var timeouts =
      fleet.pools.indices.contains(pool) ? fleet.pools[pool].timeouts : ExchangeTimeouts()
    guard let node, !isEmpty else {
      if let node { _ = Scope(node, "`timeouts`", report) }
      scope.put("timeouts", .value("{}", isDefault: node == nil))
      return
    }
    var section = Scope(node, "`timeouts`", report)
    Self.read(&timeouts, in: &section)
    route.timeouts = timeouts
    scope.put("timeouts", section.finish())
  }

  /// Reads the keys of `timeouts`, in a pool and in a route.
  static func read(_ timeouts: inout ExchangeTimeouts, in scope: inout Scope) {
    scope.read("connect", &timeouts.connect, .duration(timeoutRange))
    scope.read("send", &timeouts.send, .duration(timeoutRange))
    scope.read("first_byte", &timeouts.firstByte, .duration(timeoutRange))
    scope.read("idle", &timeouts.idle, .duration(timeoutRange))
    scope.read("exchange", &timeouts.exchange, Form<Nanoseconds>.duration(timeoutRange).or("none"))
    scope.read("tunnel", &timeouts.tunnel, .duration(timeoutRange))
  }
}
