// `health`, `watchdog` and `ejection` of a pool.
import Fleet
import Primitives

extension Decoder {
  func decodeEjection(_ pool: inout Pool, in scope: inout Scope) {
    scope.section("ejection") { ejection in
      ejection.read("max_fails", &pool.ejection.failsMax, Form<Int>.count(0...1_000).or("auto"))
      ejection.read("fail_timeout", &pool.ejection.failTimeout, .duration(Self.timeoutRange))
      decodeFailures(&pool.ejection.statuses, in: &ejection)
      ejection.read(
        "error_ratio", &pool.ejection.errorRatio, Form<Double>.number(0.01...1).or("none"))
      ejection.read(
        "slow_ratio", &pool.ejection.slowRatio, Form<Double>.number(2...1_000).or("none"))
      ejection.read("max_ratio", &pool.ejection.ejectedRatioMax, .number(0...1))
      ejection.read("panic_ratio", &pool.ejection.panicRatio, .number(0...1))
    }
  }

  // `auto` or absent: the statuses of `Pool.failureStatuses`. A list: exactly these.
  private func decodeFailures(_ statuses: inout RetryStatuses?, in scope: inout Scope) {
    let form = Form<ClosedRange<Int>>.statuses(400...599, example: "500-599")
    let isAuto = !scope.has("statuses") || scope.isWord("auto", at: "statuses")
    if isAuto {
      let isGiven = scope.claim("statuses") != nil
      scope.put("statuses", .value("auto", isDefault: !isGiven))
      return
    }
    if let items = scope.items("statuses") {
      let ranges = items.compactMap { scope.decode($0, "a status that is a failure", form) }
      statuses = RetryStatuses(ranges.flatMap(Array.init))
    }
    let outputs = (statuses ?? RetryStatuses()).ranges.map {
      Output.value(form.write($0), isDefault: false)
    }
    scope.put("statuses", Output.sequence(outputs).inline)
  }

  // Absent: on, with every default. `none`: off.
  func decodeWatchdog(_ pool: inout Pool, in scope: inout Scope) {
    if scope.isWord("none", at: "watchdog") {
      _ = scope.claim("watchdog")
      scope.put("watchdog", .value("none", isDefault: false))
      pool.watchdog.isOn = false
      return
    }
    scope.section("watchdog") { section in
      section.read(
        "timeout", &pool.watchdog.timeout, .duration(.seconds(1) ... .seconds(3_600)))
      section.read("pause", &pool.watchdog.pause, .duration(.milliseconds(100) ... .seconds(60)))
    }
  }

  // Absent or `none`: no checks. `{}`: checks with every default.
  func decodeHealth(_ pool: inout Pool, _ inherited: InheritedTLS, in scope: inout Scope) {
    let isNone = scope.isWord("none", at: "health")
    guard scope.has("health"), !isNone else {
      _ = scope.claim("health")
      scope.put("health", .value("none", isDefault: !isNone))
      return
    }
    var health = HealthPolicy()
    scope.section("health") { section in
      decodeCheck(&health, inherited, in: &section)
      section.read(
        "interval", &health.interval, .duration(.milliseconds(100) ... .seconds(86_400)))
      section.read("timeout", &health.timeout, .duration(Self.timeoutRange))
      section.requireOrder(
        "timeout", health.timeout, below: "interval", health.interval, Decimal.duration)
      section.read("fall", &health.fall, .count(1...100))
      section.read("rise", &health.rise, .count(1...100))
      section.read("start_period", &health.startPeriod, .duration(.zero ... .seconds(86_400)))
    }
    pool.health = health
  }
}

extension Scope {
  /// Whether the value of the key is that word.
  package func isWord(_ word: String, at key: String) -> Bool {
    if case .scalar(let scalar)? = node(key)?.content { scalar.text == word } else { false }
  }

  /// Reports `low >= high` at the key that the file gives, at the first one if it gives both.
  func requireOrder<Value: Comparable>(
    _ lowKey: String, _ low: Value, below highKey: String, _ high: Value,
    _ write: (Value) -> String
  ) {
    if low < high || refused.contains(lowKey) || refused.contains(highKey) { return }
    func shown(_ key: String, _ value: Value) -> String {
      "`\(key)` (\(write(value))\(has(key) ? "" : " by default"))"
    }
    report.error(
      at: offset(of: has(lowKey) ? lowKey : highKey),
      "\(shown(lowKey, low)) must be less than \(shown(highKey, high))")
  }
}
