// `thresholds` of a pool.
import Fleet
import Primitives

extension Decoder {
  private enum Learned: String, CaseIterable { case learned }

  /// Absent: every threshold has its default. A profile's name alone stands for all of its numbers.
  func decodeThresholds(_ pool: inout Pool, in scope: inout Scope) {
    var profile = ThresholdPolicy.Profile.learned
    if isWord(scope.node("thresholds")) {
      scope.read("thresholds", &profile, .choice)
      pool.thresholds = profile.policy
      return
    }
    let ratio = Form<Double>.number(0...1)
    let time = Form<Nanoseconds>.duration(.milliseconds(1) ... .seconds(86_400))
    let count = Form<Int>.count(0...1_000_000)
    scope.section("thresholds") { section in
      section.read("profile", &profile, .choice)
      pool.thresholds = profile.policy
      decodeLevels("error_ratio", &pool.thresholds.errorRatio, ratio, in: &section)
      decodeResponseTime(&pool.thresholds.responseTime, time, in: &section)
      section.read("p99", &pool.thresholds.p99, time.or(Learned.learned.rawValue))
      section.read(
        "first_byte", &pool.thresholds.firstByte, time.or(Learned.learned.rawValue))
      section.read(
        "endpoint_connections", &pool.thresholds.endpointConnections, .count(1...1_000_000))
      decodeLevels("queue_length", &pool.thresholds.queueLength, count, in: &section)
      decodeLevels(
        "success_ratio", &pool.thresholds.successRatio, ratio, descends: true, in: &section)
      section.read("give_up_ratio", &pool.thresholds.giveUpRatio, ratio)
      section.read("client_error_ratio", &pool.thresholds.clientErrorRatio, ratio)
      section.read("endpoint_error_ratio", &pool.thresholds.endpointErrorRatio, ratio)
      section.read(
        "patience", &pool.thresholds.patience,
        Form<Nanoseconds>.duration(.zero ... .seconds(86_400)).or(Learned.learned.rawValue))
      section.read("objective", &pool.thresholds.objectiveRatio, .number(0.5...0.99999))
      section.read(
        "request_rate", &pool.thresholds.requestRate, Form<RateLimit.Rate>.rate.or("none"))
    }
  }

  private func isWord(_ node: Node?) -> Bool {
    if case .scalar(let scalar)? = node?.content { return !scalar.isNull }
    return false
  }

  // `learned`, or levels; a level that is not given is that of the profile `web`.
  private func decodeResponseTime(
    _ levels: inout ThresholdPolicy.Levels<Nanoseconds>?, _ form: Form<Nanoseconds>,
    in scope: inout Scope
  ) {
    let isGiven = scope.has("response_time")
    if isWord(scope.node("response_time")) || !isGiven && levels == nil {
      var word = Learned.learned
      scope.read("response_time", &word, .choice)
      levels = nil
    } else {
      var given = levels ?? ThresholdPolicy.webResponseTime
      decodeLevels("response_time", &given, form, in: &scope)
      levels = given
    }
  }

  // `{normal: …, alarm: …}`. The alarm is the worse of the two.
  private func decodeLevels<Value>(
    _ key: String, _ levels: inout ThresholdPolicy.Levels<Value>, _ form: Form<Value>,
    descends: Bool = false, in scope: inout Scope
  ) {
    scope.section(key) { section in
      section.read("normal", &levels.normal, form)
      section.read("alarm", &levels.alarm, form)
      if descends {
        section.requireOrder("alarm", levels.alarm, below: "normal", levels.normal, form.write)
      } else {
        section.requireOrder("normal", levels.normal, below: "alarm", levels.alarm, form.write)
      }
    }
  }
}
