// `thresholds` of a pool.
import Fleet
import Primitives

extension Decoder {
  /// Absent, every threshold is its default.
  func decodeThresholds(_ pool: inout Pool, in scope: inout Scope) {
    let ratio = Form<Double>.number(0...1)
    let time = Form<Nanoseconds>.duration(.milliseconds(1) ... .seconds(86_400))
    let count = Form<Int>.count(0...1_000_000)
    scope.section("thresholds") { section in
      decodeLevels("error_ratio", &pool.thresholds.errorRatio, ratio, in: &section)
      decodeLevels("response_time", &pool.thresholds.responseTime, time, in: &section)
      section.read("p99", &pool.thresholds.p99, time)
      section.read(
        "endpoint_connections", &pool.thresholds.endpointConnections, .count(1...1_000_000))
      decodeLevels("queue_length", &pool.thresholds.queueLength, count, in: &section)
      decodeLevels(
        "success_ratio", &pool.thresholds.successRatio, ratio, descends: true, in: &section)
      section.read("objective", &pool.thresholds.objectiveRatio, .number(0.5...0.99999))
      section.read(
        "request_rate", &pool.thresholds.requestRate, Form<RateLimit.Rate>.rate.or("none"))
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
