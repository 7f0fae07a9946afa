// Measures the parser of metrics pages: how many bytes a second it decodes whole, and how many
// it passes when five names are picked, beside `memchr` over the same page's line ends.
// Every way is timed in turn within each round, so that a busy machine slows all of them alike.
import CSystem
import Exposition

/// Writes a page as vLLM does: eight engines, gauges, counters, and histograms with 22 buckets.
func makePage(sampleCount: Int) -> [UInt8] {
  var text = ""
  var count = 0
  func family(_ name: String, _ type: String) {
    text += "# HELP \(name) What one engine of the server said about \(name).\n"
    text += "# TYPE \(name) \(type)\n"
  }
  func line(_ name: String, _ labels: String, _ value: String) {
    guard count < sampleCount else { return }
    text += "\(name){\(labels)} \(value)\n"
    count += 1
  }
  let engines = (0..<8).map { "engine=\"\($0)\",model_name=\"meta-llama/Llama-3.1-8B-Instruct\"" }
  for name in pickedNames {
    family(name, "gauge")
    for (index, labels) in engines.enumerated() { line(name, labels, "0.\(index)17") }
  }
  var round = 0
  while count < sampleCount {
    let counter = "vllm:generation_tokens_of_part_\(round)_total"
    family(counter, "counter")
    for (index, labels) in engines.enumerated() { line(counter, labels, "\(index * 1_511 + 7).0") }
    let histogram = "vllm:e2e_request_latency_part_\(round)_seconds"
    family(histogram, "histogram")
    for (index, labels) in engines.enumerated() {
      for bucket in 0..<22 {
        let bound = bucket == 21 ? "+Inf" : "\(Double(1 << bucket) * 0.005)"
        line("\(histogram)_bucket", "\(labels),le=\"\(bound)\"", "\(bucket * 31 + index).0")
      }
      line("\(histogram)_sum", labels, "4.\(round)9871826e+0\(index)")
      line("\(histogram)_count", labels, "\(21 * 31 + index).0")
    }
    round += 1
  }
  return Array(text.utf8)
}

let pickedNames = [
  "vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc",
  "vllm:prefix_cache_hit_ratio", "process_start_time_seconds",
]

/// What a pass found: compared, so that no pass can be left out by the compiler.
struct Found: Equatable {
  var samples = 0
  var bytes = 0
  var value = 0.0
}

func decodeAll(_ page: UnsafeRawBufferPointer) -> Found { decode(page, labels: true) }
func decodeValues(_ page: UnsafeRawBufferPointer) -> Found { decode(page, labels: false) }

@inline(__always) func decode(_ page: UnsafeRawBufferPointer, labels: Bool) -> Found {
  var found = Found()
  var parser = SampleParser(page)
  while let item = parser.next() {
    guard case .sample(let sample) = item else { continue }
    found.samples += 1
    found.bytes += sample.name.bytes.count
    guard labels else {
      found.value += sample.value
      continue
    }
    for label in sample.labels { found.bytes += label.name.bytes.count + label.value.bytes.count }
    found.value += sample.value
  }
  return found
}

func decodePicked(_ page: UnsafeRawBufferPointer) -> Found {
  var found = Found()
  var parser = SampleParser(page)
  func isPicked(_ name: PageText) -> Bool {
    for picked in pickedNames where name.equals(picked) { return true }
    return false
  }
  while let item = parser.next(where: isPicked) {
    guard case .sample(let sample) = item else { continue }
    found.samples += 1
    for label in sample.labels { found.bytes += label.name.bytes.count + label.value.bytes.count }
    found.value += sample.value
  }
  return found
}

func countLines(_ page: UnsafeRawBufferPointer) -> Found {
  var found = Found()
  guard var position = page.baseAddress else { return found }
  let end = position + page.count
  while let newline = sy_memchr(position, 0x0A, end - position) {
    found.samples += 1
    position = UnsafeRawPointer(newline) + 1
  }
  return found
}

/// Megabytes a second of `passCount` passes; stops where two passes disagree.
func rate(
  _ page: UnsafeRawBufferPointer, _ passCount: Int, _ pass: (UnsafeRawBufferPointer) -> Found
) -> Double {
  let expected = pass(page)
  let clock = ContinuousClock()
  let took = clock.measure {
    for _ in 0..<passCount where pass(page) != expected { fatalError("two passes disagree") }
  }
  return Double(page.count * passCount) / 1e6 / (took / .seconds(1))
}

let roundCount = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 21
let page = makePage(sampleCount: 10_000)
let ways: [(name: String, goal: Double?, pass: (UnsafeRawBufferPointer) -> Found)] = [
  ("everything: names, labels, values", 400, decodeAll),
  ("labels checked, not gone through", nil, decodeValues),
  ("five names picked", 1_500, decodePicked),
  ("memchr over the line ends", nil, countLines),
]
var rates = ways.map { _ in [Double]() }
page.withUnsafeBytes { page in
  precondition(decodeAll(page).samples == 10_000)
  precondition(decodePicked(page).samples == 40)
  for _ in 0..<max(1, roundCount) {
    for (index, way) in ways.enumerated() { rates[index].append(rate(page, 10, way.pass)) }
  }
}

func column(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.count)) + text
}
let medians = rates.map { $0.sorted()[$0.count / 2] }
print("10000 samples, \(page.count) bytes; medians of \(rates[0].count) rounds of 10 passes")
print("what" + column("MB/s", 38) + column("of memchr", 12) + column("goal", 8))
for (index, way) in ways.enumerated() {
  let share = (medians[index] / medians[medians.count - 1] * 1000).rounded() / 1000
  let name = way.name + String(repeating: " ", count: max(0, 34 - way.name.count))
  print(
    name + column("\(Int(medians[index]))", 8) + column("\(share)", 12)
      + column(way.goal.map { "\(Int($0))" } ?? "", 8))
}
