// `queue` of a pool and `rate_limits` of pools and routes.
import Fleet
import Primitives

extension Decoder {
  func decodeQueue(_ pool: inout Pool, in scope: inout Scope) {
    scope.section("queue") { queue in
      queue.read("max_concurrent", &pool.queue.concurrency, .concurrency)
      queue.read("max_length", &pool.queue.lengthMax, .count(0...1_000_000))
      queue.read("timeout", &pool.queue.timeout, .duration(Self.timeoutRange))
      decodePriority(&pool.queue, in: &queue)
      if pool.queue.concurrency == .slots,
        let endpoint = pool.endpoints.first(where: { $0.concurrency == nil })
      {
        report.error(
          at: queue.offset(of: "max_concurrent"),
          "`max_concurrent: slots` needs the `concurrency` of every endpoint, and "
            + "`\(endpoint.address)` has none",
          hint: "write `{address: \"\(endpoint.address)\", concurrency: 16}`")
      }
    }
  }

  // Absent or `none`: first come, first served. `{}`: every default.
  private func decodePriority(_ queue: inout QueuePolicy, in scope: inout Scope) {
    let isNone = scope.isWord("none", at: "priority")
    guard scope.has("priority"), !isNone else {
      _ = scope.claim("priority")
      scope.put("priority", .value("none", isDefault: !isNone))
      return
    }
    var priority = PriorityPolicy()
    scope.section("priority") { section in
      section.read("header", &priority.header, .fieldName)
      let entries = section.named("values")
      if let entries { priority.values = decodeValues(entries, section) }
      let outputs = priority.values.map {
        Output.Entry($0.text, .value($0.priority.rawValue, isDefault: entries == nil))
      }
      section.put("values", Output.mapping(outputs).inline)
    }
    queue.priority = priority
  }

  private func decodeValues(_ entries: [Node.Entry], _ scope: Scope) -> [PriorityPolicy.Value] {
    if entries.count > 32 {
      report.error(at: entries[32].key.offset, "`values` has at most 32 entries")
    }
    return entries.prefix(32).compactMap { entry in
      let key = Node(
        offset: entry.key.offset,
        content: .scalar(Scalar(text: entry.key.text, isPlain: true)))
      let title = "priority value \(Printable.quoted(entry.key.text))"
      guard
        let text = scope.decode(key, title, .text("text of 1 to 256 bytes")),
        let priority = scope.decode(entry.value, title, Form<QueuePriority>.choice)
      else { return nil }
      return PriorityPolicy.Value(text, priority)
    }
  }

  /// The rate limits of a pool or route; absent: none.
  func decodeRateLimits(_ limits: inout [RateLimit], in scope: inout Scope) {
    var outputs: [Output] = []
    var offsets: [String: Int] = [:]
    let nodes = scope.items("rate_limits") ?? []
    if nodes.count > 8 {
      report.error(at: nodes[8].offset, "`rate_limits` has at most 8 items")
    }
    for node in nodes.prefix(8) {
      var item = Scope(node, "this rate limit", report)
      let limit = decodeRateLimit(&item)
      outputs.append(item.finish().inline)
      guard let limit else { continue }
      limits.append(limit)
      let identity = "\(limit.key.text) \(limit.rate.text)"
      if let first = offsets.updateValue(node.offset, forKey: identity) {
        let line = report.line(of: first, from: node.offset)
        report.error(at: node.offset, "the same key and rate are already in \(line)")
      }
    }
    scope.put(
      "rate_limits",
      outputs.isEmpty
        ? .value("[]", isDefault: !scope.has("rate_limits")) : .sequence(outputs))
  }

  private func decodeRateLimit(_ item: inout Scope) -> RateLimit? {
    let key = decodeKey(&item)
    let rate = item.require("rate", .rate)
    var burst = rate.map { RateLimit.burst(of: $0) } ?? 1
    item.read("burst", &burst, .count(1...1_000_000))
    var keysMax = RateLimit.defaultKeysMax
    item.read("max_keys", &keysMax, .count(64...16_777_216))
    var isShared = false
    item.read("shared", &isShared, .truth)
    guard let key, let rate else { return nil }
    var limit = RateLimit(key: key, rate: rate, burst: burst)
    limit.keysMax = keysMax
    limit.isShared = isShared
    check(limit, in: item)
    return limit
  }

  // `client_ip`, `path`, `none`, `{header: NAME}`, or `{client_certificate: PART}`.
  private func decodeKey(_ item: inout Scope) -> RateKey? {
    guard let node = item.claim("key", required: true) else { return nil }
    if case .mapping = node.content {
      var section = Scope(node, "`key`", report)
      if section.has("client_certificate") {
        let part = section.require("client_certificate", Form<ClientCertificatePart>.choice)
        if let extra = section.claim("header") {
          report.error(
            at: extra.offset, "`key` has one of `header` and `client_certificate`")
        }
        item.put("key", section.finish())
        return part.map { .clientCertificate($0) }
      }
      let name = section.require("header", .fieldName)
      section.claim("client_certificate")
      item.put("key", section.finish())
      return name.map { .header($0) }
    }
    guard let word = item.decode(node, "`key`", Form<KeyWord>.choice) else { return nil }
    item.put("key", .value(word.rawValue, isDefault: false))
    return word.key
  }
}

/// The keys that are given as a word.
private enum KeyWord: String, CaseIterable {
  case clientIP = "client_ip"
  case path, none

  var key: RateKey {
    switch self {
    case .clientIP: .clientIP
    case .path: .path
    case .none: .all
    }
  }
}

extension Form<QueuePolicy.Concurrency> {
  /// A count, `slots` or `none`.
  fileprivate static var concurrency: Form {
    let count = Form<Int>.count(1...1_000_000)
    return Form(
      read: { scalar throws(Misfit) in
        switch scalar.text {
        case "none": return .unlimited
        case "slots": return .slots
        default: break
        }
        do throws(Misfit) {
          return .total(try count.read(scalar))
        } catch {
          guard case .expected(let what, let hint) = error else { throw error }
          throw .expected("\(what), `slots` or `none`", hint: hint)
        }
      },
      write: { value in
        switch value {
        case .unlimited: "none"
        case .slots: "slots"
        case .total(let count): "\(count)"
        }
      })
  }
}

extension Form<RateLimit.Rate> {
  /// `10/s`, `600/m`, `1000/h`.
  static var rate: Form {
    Form(
      read: { scalar throws(Misfit) in
        let parts = scalar.text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, Decimal.isInteger(String(parts[0])), let count = Int(parts[0]),
          let period = RateLimit.Period(rawValue: String(parts[1]))
        else {
          throw .expected("a rate", hint: "rates look like `10/s`, `600/m` or `1000/h`")
        }
        guard (1...1_000_000).contains(count) else {
          throw .expected("1 to 1000000 requests a second, minute or hour")
        }
        return RateLimit.Rate(count, per: period)
      },
      write: { $0.text })
  }
}
