// The lower half of the plot: each endpoint's share of the requests over time, under the plan's
// first policy with its first seed, and the times and endpoints of the faults.
import Primitives

struct SharePlot {
  static let height = 330.0
  /// More lines would be unreadable and the file large.
  private static let linesMax = 64
  private static let pointsMax = 300

  private let results: SimulationResults
  private let sends: [[Int]]
  /// The number of requests to all endpoints before each second.
  private let totals: [Int]
  private let top: Double
  private let end: Double
  private let left = 70.0
  private let right = ResultPlot.width - 110
  private var bottom: Double { top + Self.height - 50 }
  private var ceiling: Double { top + 40 }

  /// nil: the run did not keep its sends.
  init?(_ results: SimulationResults, top: Double) {
    guard let sends = results.runs.first?.sends, let first = sends.first, !first.isEmpty else {
      return nil
    }
    self.results = results
    self.sends = sends
    totals = Self.running(sends) { $0.reduce(0, +) }
    self.top = top
    let scenario = results.plan.scenario
    end = scenario.warmup + scenario.measured
  }

  private var endpointCount: Int { sends[0].count }

  func draw(_ canvas: inout SVGCanvas) {
    let policy = results.plan.policies[0].rawValue
    let chosen = choose()
    var title = "share of the requests, \(policy), seed \(results.plan.seeds[0])"
    if chosen.count < endpointCount { title += " (\(chosen.count) of \(endpointCount) endpoints)" }
    canvas.text(ResultPlot.margin, top, title, "head")
    let curves = chosen.map { shares(of: $0) }
    let limit = Self.roundedUp(curves.joined().max() ?? 1)
    backdrop(&canvas)
    axes(&canvas, limit)
    var colour = 0
    var labels: [(y: Double, text: String, style: String)] = []
    let faulty = Set(results.plan.scenario.faults.flatMap(\.endpoints))
    for (index, curve) in zip(chosen, curves) {
      let isNamed = endpointCount <= SVGCanvas.palette.count || faulty.contains(index)
      let isOver = colour >= SVGCanvas.palette.count
      let points = points(curve, limit)
      guard isNamed, !isOver, let last = points.last else {
        canvas.line(points, "other")
        continue
      }
      canvas.line(points, "c\(colour)")
      labels.append((last.y, "endpoint \(index + 1)", "n\(colour)"))
      colour += 1
    }
    put(labels, &canvas)
  }

  /// Endpoints with faults first, then others, evenly spaced.
  private func choose() -> [Int] {
    guard endpointCount > Self.linesMax else { return Array(0..<endpointCount) }
    let faulty = Set(results.plan.scenario.faults.flatMap(\.endpoints)).sorted()
    let stride = Double(endpointCount) / Double(Self.linesMax)
    var chosen = Array(faulty.prefix(SVGCanvas.palette.count))
    for step in 0..<Self.linesMax where chosen.count < Self.linesMax {
      let index = Int(Double(step) * stride)
      if !chosen.contains(index) { chosen.append(index) }
    }
    return chosen.sorted()
  }

  /// The share in each second, averaged over the last few seconds, so that nothing moves before its
  /// cause.
  private func shares(of index: Int) -> [Double] {
    let seconds = max(1, min(sends.count, Int(end.rounded(.up))))
    let reach = max(5, seconds / 40)
    let own = Self.running(sends) { $0[index] }
    return (0..<seconds).map { second in
      let (from, until) = (max(0, second + 1 - reach), second + 1)
      let all = totals[until] - totals[from]
      return all == 0 ? 0 : Double(own[until] - own[from]) / Double(all)
    }
  }

  private static func running(_ sends: [[Int]], _ count: ([Int]) -> Int) -> [Int] {
    var sums = [0]
    sums.reserveCapacity(sends.count + 1)
    for second in sends { sums.append((sums.last ?? 0) + count(second)) }
    return sums
  }

  private func x(_ seconds: Double) -> Double {
    left + min(max(seconds / end, 0), 1) * (right - left)
  }

  private func points(_ curve: [Double], _ limit: Double) -> [(x: Double, y: Double)] {
    let step = max(1, curve.count / Self.pointsMax)
    return stride(from: 0, to: curve.count, by: step).map { second in
      (x(Double(second) + 1), bottom - curve[second] / limit * (bottom - ceiling))
    }
  }

  // MARK: Axes and labels

  private func backdrop(_ canvas: inout SVGCanvas) {
    let scenario = results.plan.scenario
    if scenario.warmup > 0 {
      canvas.rectangle(left, ceiling, x(scenario.warmup) - left, bottom - ceiling, "warmup")
      canvas.text(left + 4, ceiling + 14, "warm-up", "muted")
    }
    for (index, fault) in scenario.faults.enumerated() {
      let from = x(fault.at)
      let until = fault.kind == .metricsReset ? from + 2 : x(fault.until ?? end)
      canvas.rectangle(from, ceiling, max(until - from, 2), bottom - ceiling, "fault")
      // A few, one below the other; more would cover the lines.
      guard index < 4 else { continue }
      let words = "\(fault.kind.title): \(Self.names(fault.endpoints, of: endpointCount))"
      let isLate = from > (left + right) / 2
      canvas.text(
        isLate ? from - 4 : from + 4, ceiling + 14 + 15 * Double(index), words, "muted",
        anchor: isLate ? "end" : "start")
    }
  }

  static func names(_ endpoints: [Int], of count: Int) -> String {
    if endpoints.count == count { return "all endpoints" }
    let names = endpoints.prefix(4).map { "\($0 + 1)" }.joined(separator: ", ")
    return (endpoints.count == 1 ? "endpoint " : "endpoints ") + names
      + (endpoints.count > 4 ? ", …" : "")
  }

  private func axes(_ canvas: inout SVGCanvas, _ limit: Double) {
    // 20 % in steps of 5, all others in fifths: 10 %, 25 %, 50 %, 100 %.
    let isTwo = [0.002, 0.02, 0.2].contains { abs(limit / $0 - 1) < 1e-6 }
    let count = isTwo ? 4 : 5
    for step in 0...count {
      let percent = limit * Double(step) / Double(count) * 100
      let y = bottom - Double(step) / Double(count) * (bottom - ceiling)
      canvas.line([(left, y), (right, y)], "grid")
      canvas.text(
        left - 8, y + 4, NumberWords.atMost(3, of: percent) + " %", "muted", anchor: "end")
    }
    let step = Self.roundedUp(end / 8)
    var second = 0.0
    while second <= end {
      canvas.text(
        x(second), bottom + 18, NumberWords.significant(second) + " s", "muted", anchor: "middle")
      second += step
    }
  }

  /// Labels at the right ends of the lines, moved apart if they would overlap.
  private func put(
    _ labels: [(y: Double, text: String, style: String)], _ canvas: inout SVGCanvas
  ) {
    let gap = 15.0
    var sorted = labels.sorted { $0.y < $1.y }
    for index in sorted.indices {
      let least = index == 0 ? ceiling : sorted[index - 1].y + gap
      sorted[index].y = max(sorted[index].y, least)
    }
    for index in sorted.indices.reversed() {
      let most = index == sorted.count - 1 ? bottom : sorted[index + 1].y - gap
      sorted[index].y = min(sorted[index].y, most)
    }
    for label in sorted { canvas.text(right + 6, label.y + 4, label.text, label.style) }
  }

  /// The next of 1, 2, 2.5, 5, 10 × a power of ten. Requires: finite.
  static func roundedUp(_ value: Double) -> Double {
    guard value > 0 else { return 1 }
    var power = 1.0
    while power < value { power *= 10 }
    while power >= value, power > 1e-12 { power /= 10 }
    // power < value ≤ 10 × power
    return [1, 2, 2.5, 5, 10].map { $0 * power }.first { $0 >= value * (1 - 1e-9) } ?? value
  }
}

extension FaultKind {
  /// A few words for people.
  var title: String {
    switch self {
    case .slow(let factor): "\(NumberWords.significant(factor)) × slower"
    case .antagonist: "slower on and off"
    case .hang: "hangs"
    case .reject(let ratio, let status, _):
      "answers \(status)" + (ratio == 1 ? "" : " to \(NumberWords.fixed(ratio * 100, 0)) %")
    case .fail(let ratio): ratio == 1 ? "fails" : "fails \(NumberWords.fixed(ratio * 100, 0)) %"
    case .dead: "dead"
    case .metricsReset: "counters reset"
    case .metricsNaN: "metrics are NaN"
    case .metricsMissing: "metrics missing"
    case .metricsLie(let factor): "metrics × \(NumberWords.significant(factor))"
    case .metricsQueue(let count): "metrics: \(count) more wait"
    }
  }
}
