// `pools`: endpoints, and how they are picked, checked and kept alive.
import Fleet
import Primitives

extension Decoder {
  /// Appends every pool to the fleet, in file order.
  mutating func decodePools(_ entries: [Node.Entry]) -> [Output.Entry] {
    var outputs: [Output.Entry] = []
    for entry in entries {
      let key = entry.key
      let title = "pool \(Printable.quoted(key.text))"
      var scope = Scope(entry.value, title, anchor: key.offset, report)
      scope.isPool = true
      let keyNode = Node(
        offset: key.offset, content: .scalar(Scalar(text: key.text, isPlain: true)))
      let name = scope.decode(keyNode, "the key of a pool", .name) ?? key.text
      var pool = Pool(name: name, endpoints: [])
      decode(&pool, in: &scope)
      offsets.pools.append((name: key.offset, retries: scope.offset(of: "retries")))
      poolIndices[name] = poolNames.count
      poolNames.append(name)
      fleet.pools.append(pool)
      outputs.append(.init(name, scope.finish()))
    }
    return outputs
  }

  private mutating func decode(_ pool: inout Pool, in scope: inout Scope) {
    scope.read("balance", &pool.balance, .choice)
    decodeHash(&pool, in: &scope)
    decodeAffinity(&pool, in: &scope)
    decodeRetries(&pool, in: &scope)
    decodeBreakers(&pool, in: &scope)
    scope.read("host", &pool.host, Form<String>.hostField.or("client"))
    decodeEndpoints(&pool, in: &scope)
    decodeDiscovery(&pool, in: &scope)
    scope.section("timeouts") { Self.read(&pool.timeouts, in: &$0) }
    scope.section("keepalive") { keepAlive in
      keepAlive.read("connections", &pool.keepAlive.connectionsMax, .count(0...10_000))
      keepAlive.read("idle", &pool.keepAlive.idle, .duration(Self.timeoutRange))
      keepAlive.read(
        "requests", &pool.keepAlive.requestsMax, Form<Int>.count(1...1_000_000_000).or("any"))
      keepAlive.read("streams", &pool.keepAlive.streamsMax, .count(Self.streamsRange))
    }
    scope.read("proxy_protocol", &pool.proxyProtocol, .choice)
    pool.tls = decodeClientTLS(in: &scope)
    decodeProtocol(&pool, in: &scope)
    let inherited = InheritedTLS(pool)
    decodeHealth(&pool, inherited, in: &scope)
    decodeCanary(&pool, in: &scope)
    decodeWatchdog(&pool, in: &scope)
    scope.section("on_marked_down") { section in
      section.read("causes", &pool.onMarkedDown.causes, .choice)
      section.read(
        "end_after", &pool.onMarkedDown.endAfter,
        Form<Nanoseconds>.duration(.zero ... .seconds(3_600)).or("none"))
    }
    decodeEjection(&pool, in: &scope)
    scope.read("shed", &pool.shedRatio, Form<Double>.number(0.01...1).or("none"))
    scope.read("slow_start", &pool.slowStart, .duration(.zero ... .seconds(3_600)))
    decodeQueue(&pool, in: &scope)
    decodeRateLimits(&pool.rateLimits, in: &scope)
    scope.section("weights") { decodeWeights(&pool.weights, inherited, in: &$0) }
    requirePages(pool, scope)
    decodeThresholds(&pool, in: &scope)
  }

  private mutating func decodeEndpoints(_ pool: inout Pool, in scope: inout Scope) {
    let weights = Form<Double>.number(0...1_000_000)
    let concurrencies = Form<Double>.number(1...100_000).or("learned")
    var offsets: [String: Int] = [:]
    var names: [String: Int] = [:]
    var outputs: [Output] = []
    let isRequired = !scope.has("discover")
    for node in scope.items("endpoints", required: isRequired) ?? [] {
      var endpoint = Endpoint(address: .loopback(port: 0))
      var offset = node.offset
      var address: EndpointAddress?
      if case .scalar = node.content {
        address = scope.decode(node, "an endpoint", .endpointAddress)
        let shown = Form.endpointAddress.write(address ?? .address(endpoint.address))
        outputs.append(
          .mapping([
            .init("address", .value(shown, isDefault: false)),
            .init("weight", .value(weights.write(endpoint.baseWeight), isDefault: true)),
            .init("concurrency", .value(concurrencies.write(nil), isDefault: true)),
            .init("backup", .value(Form.truth.write(endpoint.isBackup), isDefault: true)),
            .init("metrics", .value("pool", isDefault: true)),
            .init("name", .value("none", isDefault: true)),
            .init("labels", .value("{}", isDefault: true)),
          ]))
      } else {
        var item = Scope(node, "this endpoint", report)
        address = item.require("address", .endpointAddress)
        if item.has("address") { offset = item.offset(of: "address") }
        item.read("weight", &endpoint.baseWeight, weights)
        item.read("concurrency", &endpoint.concurrency, concurrencies)
        item.read("backup", &endpoint.isBackup, .truth)
        item.read("metrics", &endpoint.metrics, Form.metricsLocation.or("pool"))
        readIdentity(of: &endpoint, &names, in: &item)
        outputs.append(item.finish())
      }
      guard let address else { continue }
      if case .address(let address) = address { endpointOffsets.append((address, offset)) }
      let shown = append(endpoint, at: address, to: &pool)
      if let first = offsets.updateValue(offset, forKey: shown) {
        let line = report.line(of: first, from: offset)
        report.error(
          at: offset, "`\(shown)` is already an endpoint of this pool, in \(line)",
          hint: "for a larger share of the requests, give it a `weight`")
      }
    }
    scope.put("endpoints", .sequence(outputs))
    requirePrimary(pool, scope)
  }

  // A metrics address that no page uses is a mistake.
  private func requirePages(_ pool: Pool, _ scope: Scope) {
    let hasPlaces =
      pool.endpoints.contains { $0.metrics != nil }
      || pool.names.contains { $0.template.metrics != nil }
      || pool.sources.contains { $0.template.metrics != nil }
    guard hasPlaces, pool.weights.scrapes.isEmpty, !scope.refused.contains("weights") else {
      return
    }
    report.error(
      at: scope.offset(of: "endpoints"),
      "an endpoint has `metrics`, but the pool reads no page",
      hint:
        "write `weights: {scrape: [{preset: triton}]}` or what fits; its first page is read there")
  }

  // Appends an endpoint, or the template for the endpoints of a host name. Returns its name.
  private func append(_ endpoint: Endpoint, at address: EndpointAddress, to pool: inout Pool)
    -> String
  {
    switch address {
    case .address(let address):
      var endpoint = endpoint
      endpoint.address = address
      pool.endpoints.append(endpoint)
      return "\(address)"
    case .name(let host, let port):
      let name = NamedEndpoint(host: host, port: port, template: endpoint)
      pool.names.append(name)
      return "\(name)"
    }
  }
}
