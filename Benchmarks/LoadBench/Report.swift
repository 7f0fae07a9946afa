// What the program prints: one JSON object a line, finite numbers only.
import CSystem
import IO

enum Report {
  static let measuring = #"{"measuring": true}"#

  /// CPU time of this process.
  static func cpuSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  static func error(_ message: String) -> String { "{\"error\": \(text(message))}" }

  static func ready(ports: [UInt16]) -> String {
    let list = ports.map { "\"127.0.0.1:\($0)\"" }.joined(separator: ", ")
    return "{\"ready\": true, \"endpoints\": [\(list)]}"
  }

  static func drive(
    _ run: borrowing DriveRun, _ errors: ErrorTally, bytesDown: Int, bytesUp: Int,
    cpuSeconds: Double
  ) -> String {
    let seconds = Double(run.to - run.from) / 1e9
    var pairs = [
      ("requests", "\(run.requests)"), ("errors", "\(errors.count)"),
      ("seconds", number(seconds)),
      ("requests_per_second", number(Double(run.requests) / seconds)),
      ("latency_us", quantiles(run.histogram)),
      ("bytes_down", "\(bytesDown)"), ("bytes_up", "\(bytesUp)"),
      ("generator_cpu_seconds", number(cpuSeconds)), ("outstanding", "\(run.outstanding)"),
      ("reconnects", "\(run.reconnects)"), ("resets", "\(run.resets)"),
      ("error_kinds", kinds(errors)),
    ]
    if run.isOpenLoop {
      // Due before the window's end and not sent: every connection was taken.
      pairs.append(("arrivals", "\(run.arrivals)"))
      pairs.append(
        ("backlog_ms", number(run.arrivalAt < run.to ? Double(run.to - run.arrivalAt) / 1e6 : 0)))
    }
    return object(pairs)
  }

  static func stream(
    _ run: borrowing StreamRun, _ errors: ErrorTally, cpuSeconds: Double
  ) -> String {
    object([
      ("streams", "\(run.order.streams)"), ("tokens", "\(run.delays.count)"),
      ("errors", "\(errors.count)"),
      ("seconds", number(Double(max(0, run.measuredTo - run.measuredFrom)) / 1e9)),
      ("delay_us", quantiles(run.delays)), ("first_token_us", quantiles(run.firstTokens)),
      ("tokens_all", "\(run.tokensAll)"),
      ("tokens_expected", "\(run.order.streams * run.order.tokens)"),
      ("generator_cpu_seconds", number(cpuSeconds)), ("error_kinds", kinds(errors)),
    ])
  }

  static func idle(_ run: IdleRun, _ errors: ErrorTally, reason: Int32) -> String {
    var pairs = [("idle", "\(run.heldCount)"), ("lost", "\(run.lostCount)")]
    if errors.count > 0 { pairs.append(("error_kinds", kinds(errors))) }
    if reason != 0 { pairs.append(("reason", text(IOError.reason(reason)))) }
    return object(pairs)
  }

  static func closed(_ count: Int, lost: Int) -> String {
    object([("closed", "\(count)"), ("lost", "\(lost)")])
  }

  private static func quantiles(_ histogram: borrowing LatencyHistogram) -> String {
    object([
      ("mean", number(histogram.mean / 1e3)),
      ("p50", number(histogram.quantile(0.5) / 1e3)),
      ("p90", number(histogram.quantile(0.9) / 1e3)),
      ("p99", number(histogram.quantile(0.99) / 1e3)),
      ("p99.9", number(histogram.quantile(0.999) / 1e3)),
      ("max", number(Double(histogram.largest) / 1e3)),
    ])
  }

  private static func kinds(_ errors: ErrorTally) -> String {
    object(errors.byKind.map { ($0.label, "\($0.count)") })
  }

  private static func object(_ pairs: [(String, String)]) -> String {
    "{" + pairs.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}"
  }

  /// Three decimals.
  static func number(_ value: Double) -> String {
    guard value.isFinite, abs(value) < 1e15 else { return "0" }
    return "\((value * 1_000).rounded() / 1_000)"
  }

  /// A JSON string.
  static func text(_ value: String) -> String {
    var out = "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"", "\\": out += "\\\(scalar)"
      case _ where scalar.value < 0x20: out += " "
      default: out.unicodeScalars.append(scalar)
      }
    }
    return out + "\""
  }
}

/// Prints one line at once; a reader that is gone is found by the end of standard input.
func say(_ line: String, to fd: Int32 = 1) {
  var text = line + "\n"
  text.withUTF8 { bytes in
    var rest = UnsafeRawBufferPointer(bytes)
    while !rest.isEmpty {
      let count = sy_write(fd, rest.baseAddress, rest.count)
      if count <= 0 { return }
      rest = UnsafeRawBufferPointer(rebasing: rest[count...])
    }
  }
}
