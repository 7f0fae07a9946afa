// Results as an SVG plot. Above: p99 and failures of each policy; below: each endpoint's share of
// the requests under the first policy, with the faults. Colours follow the reader's light or dark
// mode.
import Primitives

package enum ResultPlot {
  static let width = 960.0
  static let margin = 24.0
  private static let rowHeight = 26.0
  private static let barLeft = 200.0
  private static let p99Width = 400.0
  private static let failuresLeft = 700.0
  private static let failuresWidth = 150.0

  /// A complete SVG 1.1 document.
  package static func svg(_ results: SimulationResults) -> String {
    var canvas = SVGCanvas()
    canvas.text(margin, 34, results.plan.scenario.name, "title")
    canvas.text(margin, 54, detail(results.plan), "muted")
    var y = 92.0
    bars(&canvas, results, &y)
    let height = y + SharePlot.height + margin
    SharePlot(results, top: y)?.draw(&canvas)
    return canvas.document(width: width, height: height, title: results.plan.scenario.name)
  }

  /// The heading without the name, which is shown above it.
  private static func detail(_ plan: SimulationPlan) -> String {
    String(plan.heading.dropFirst(plan.scenario.name.count + 2))
  }

  private static func bars(
    _ canvas: inout SVGCanvas, _ results: SimulationResults, _ y: inout Double
  ) {
    canvas.text(barLeft, y, "p99 latency (÷ first)", "head")
    canvas.text(failuresLeft, y, "failed requests", "head")
    y += 14
    let policies = results.plan.policies
    let latencies = policies.map { results.median($0, \.p99) }
    let failures = policies.map { results.median($0) { Double($0.failures) } ?? 0 }
    let latencyMax = max(latencies.compactMap(\.self).max() ?? 0, 1e-9)
    let failuresMax = max(failures.max() ?? 0, 1)
    for (index, policy) in policies.enumerated() {
      let middle = y + rowHeight / 2 + 4
      canvas.text(margin, middle, policy.rawValue, "label")
      let style = index == 0 ? "bar first" : "bar"
      let length = (latencies[index] ?? 0) / latencyMax * (p99Width - 110)
      canvas.rectangle(barLeft, y + 4, length, rowHeight - 8, style)
      var words = latencies[index].map(NumberWords.comparedDuration) ?? "–"
      if index > 0, let ratio = results.p99Ratio(policy) {
        words += " (× \(NumberWords.fixed(ratio, 2)))"
      }
      canvas.text(barLeft + length + 6, middle, words, "value")
      let share = failures[index] / failuresMax * failuresWidth
      canvas.rectangle(failuresLeft, y + 4, share, rowHeight - 8, "bar bad")
      canvas.text(
        failuresLeft + share + 6, middle, NumberWords.significant(failures[index]), "value")
      y += rowHeight
    }
    y += 26
  }
}

/// Draws lines, boxes and text as SVG elements.
struct SVGCanvas {
  private var elements: [String] = []

  mutating func text(
    _ x: Double, _ y: Double, _ words: String, _ style: String, anchor: String = "start"
  ) {
    let place = anchor == "start" ? "" : " text-anchor=\"\(anchor)\""
    elements.append(
      "<text x=\"\(NumberWords.atMost(1, of: x))\" y=\"\(NumberWords.atMost(1, of: y))\" class=\"\(style)\"\(place)>"
        + "\(Self.escaped(words))</text>")
  }

  mutating func rectangle(
    _ x: Double, _ y: Double, _ width: Double, _ height: Double, _ style: String
  ) {
    elements.append(
      "<rect x=\"\(NumberWords.atMost(1, of: x))\" y=\"\(NumberWords.atMost(1, of: y))\" width=\"\(NumberWords.atMost(1, of: max(0, width)))\" "
        + "height=\"\(NumberWords.atMost(1, of: max(0, height)))\" class=\"\(style)\"/>")
  }

  mutating func line(_ points: [(x: Double, y: Double)], _ style: String) {
    let list = points.map {
      "\(NumberWords.atMost(1, of: $0.x)),\(NumberWords.atMost(1, of: $0.y))"
    }.joined(separator: " ")
    elements.append("<polyline points=\"\(list)\" class=\"\(style)\"/>")
  }

  func document(width: Double, height: Double, title: String) -> String {
    let (width, height) = (NumberWords.atMost(1, of: width), NumberWords.atMost(1, of: height))
    return """
      <?xml version="1.0" encoding="UTF-8"?>
      <svg xmlns="http://www.w3.org/2000/svg" width="\(width)" height="\(height)" \
      viewBox="0 0 \(width) \(height)" role="img">
      <title>\(Self.escaped(title))</title>
      <style>\(Self.style)</style>
      <rect width="\(width)" height="\(height)" class="paper"/>
      \(elements.joined(separator: "\n"))
      </svg>

      """
  }

  /// Escaped for XML 1.0; characters that it does not allow (§2.2) become U+FFFD.
  static func escaped(_ text: String) -> String {
    var result = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x26: result.append(contentsOf: "&amp;".unicodeScalars)
      case 0x3C: result.append(contentsOf: "&lt;".unicodeScalars)
      case 0x3E: result.append(contentsOf: "&gt;".unicodeScalars)
      case 0x22: result.append(contentsOf: "&quot;".unicodeScalars)
      case 0...0x08, 0x0B, 0x0C, 0x0E...0x1F, 0xFFFE, 0xFFFF: result.append("\u{FFFD}")
      default: result.append(scalar)
      }
    }
    return String(result)
  }

  /// Colours of lines, by number; their contrast is sufficient on white and on black.
  static let palette = [
    "#2f78d0", "#d2691e", "#2e9455", "#c2477a", "#8560d0", "#9a7b12", "#1f9a9a", "#97695a",
  ]

  private static var style: String {
    var text = """

      text{font:13px system-ui,sans-serif;fill:#1b1f24}
      .title{font-size:18px;font-weight:600}
      .head{font-weight:600}
      .muted{fill:#667080;font-size:12px}
      .paper{fill:#ffffff}
      .bar{fill:#8793a5}
      .first{fill:#2f78d0}
      .bad{fill:#cf4a43}
      .grid{stroke:#e1e5ea;fill:none}
      .fault{fill:#cf4a43;fill-opacity:.12}
      .warmup{fill:#8793a5;fill-opacity:.12}
      polyline{fill:none;stroke-width:1.8;stroke-linejoin:round}
      .other{stroke:#8793a5;stroke-opacity:.45;stroke-width:1}

      """
    for (index, colour) in palette.enumerated() {
      text += ".c\(index){stroke:\(colour)} text.n\(index){fill:\(colour)}\n"
    }
    return text + """
      @media (prefers-color-scheme:dark){text{fill:#e7eaee} .muted{fill:#98a2b1} \
      .paper{fill:#14171c} .grid{stroke:#2c323b} .fault{fill-opacity:.25} .warmup{fill-opacity:.2}}

      """
  }
}
