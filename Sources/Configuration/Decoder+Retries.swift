// `retries` and `breakers` of a pool.
import Fleet

extension Decoder {
  func decodeRetries(_ pool: inout Pool, in scope: inout Scope) {
    if case .scalar(let scalar)? = scope.node("retries")?.content, Decimal.isInteger(scalar.text) {
      report.error(
        at: scope.offset(of: "retries"), "`retries` must be a mapping, not a number",
        hint: Printable.isTame(scalar.text) ? "write `retries: {max: \(scalar.text)}`" : nil)
      scope.claim("retries")
      return
    }
    scope.section("retries") { retries in
      retries.read("max", &pool.retries.retriesMax, .count(0...7))
      decodeStatuses(&pool.retries.statuses, in: &retries)
      retries.read("timeouts", &pool.retries.repeatsTimeouts, .truth)
      retries.read("replay_bytes", &pool.retries.replayBytesMax, .size(0...16 << 20))
      retries.section("budget") { budget in
        budget.read("ratio", &pool.retries.budgetRatio, .number(0...10))
        budget.read("per_second", &pool.retries.budgetPerSecond, .number(0...100_000))
      }
    }
  }

  private func decodeStatuses(_ set: inout RetryStatuses, in scope: inout Scope) {
    let form = Form<Int>.count(400...599)
    let isGiven = scope.has("statuses")
    if let nodes = scope.items("statuses") {
      let statuses = nodes.compactMap { scope.decode($0, "a status to retry", form) }
      set = RetryStatuses(statuses)
    }
    let output = Output.sequence(set.statuses.map { .value("\($0)", isDefault: false) })
    scope.put("statuses", .value(output.text, isDefault: !isGiven))
  }

  func decodeBreakers(_ pool: inout Pool, in scope: inout Scope) {
    let limit = Form<Int>.count(1...1_000_000).or("none")
    scope.section("breakers") { breakers in
      breakers.read("max_connections", &pool.breakers.connectionsMax, limit)
      breakers.read("max_requests", &pool.breakers.requestsMax, limit)
      breakers.read("max_retries", &pool.breakers.retriesMax, limit)
      breakers.section("endpoint") { endpoint in
        endpoint.read("max_connections", &pool.breakers.endpointConnectionsMax, limit)
        endpoint.read("max_requests", &pool.breakers.endpointRequestsMax, limit)
      }
    }
  }
}
