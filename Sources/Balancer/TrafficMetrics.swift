// What a worker counts of its traffic, in cells of its own, and where each number stands.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Exposition
package import HTTP
import Primitives

/// How an exchange ended, as the `code` label says it.
package enum CodeClass: Int, CaseIterable, Sendable {
  case informational, success, redirection, clientError, serverError
  /// The client went away first.
  case canceled
  /// The endpoint cut a response that had already begun.
  case truncated

  package var label: String {
    switch self {
    case .informational: "1xx"
    case .success: "2xx"
    case .redirection: "3xx"
    case .clientError: "4xx"
    case .serverError: "5xx"
    case .canceled: "canceled"
    case .truncated: "truncated"
    }
  }

  init(status: Int) {
    switch status {
    case ..<200: self = .informational
    case ..<300: self = .success
    case ..<400: self = .redirection
    case ..<500: self = .clientError
    default: self = .serverError
    }
  }
}

/// A worker's own cells of exchanges; it alone writes to them.
struct TrafficBook: ~Copyable {
  private let cells: CellBlock

  init(_ metrics: TrafficMetrics, workerIndex: Int) { cells = metrics.blocks[workerIndex] }

  /// An exchange with the endpoint is over.
  mutating func countExchange(
    slot: Int, code: CodeClass, method: Method, duration: Nanoseconds
  ) {
    cells.add(1, at: TrafficMetrics.counter(slot, code, method))
    DurationHistogram.observe(
      duration, in: cells,
      at: slot * TrafficMetrics.cellsPerSlot + TrafficMetrics.countersPerSlot)
  }
}

extension TrafficBook {
  /// An exchange that was counted ended with 429 (RFC 6585 §4).
  mutating func countTooMany(slot: Int) {
    cells.add(1, at: TrafficMetrics.tooMany(slot))
  }
}

/// Cells of all workers: exchanges by endpoint, code class and method, durations by endpoint,
/// answers that steelyard gave itself by status and reason.
package final class TrafficMetrics: Sendable {
  package let slotCount: Int
  package let resilience: ResilienceMetrics
  /// Tunnels and PROXY protocol headers.
  package let wire: WireMetrics
  package let timing: TimingMetrics
  /// What was done where connections or memory were short.
  package let room: RoomMetrics
  /// Why messages were refused and attempts failed.
  package let failures: FailureDriver
  fileprivate let blocks: [CellBlock]

  /// One more is that of 429.
  fileprivate static let countersPerSlot = CodeClass.allCases.count * Method.allCases.count + 1
  fileprivate static let cellsPerSlot = countersPerSlot + DurationHistogram.cellCount

  package init(workerCount: Int, slotCount: Int) {
    self.slotCount = slotCount
    resilience = ResilienceMetrics(workerCount: workerCount, slotCount: slotCount)
    wire = WireMetrics(workerCount: workerCount, slotCount: slotCount)
    timing = TimingMetrics(workerCount: workerCount, slotCount: slotCount)
    room = RoomMetrics(workerCount: workerCount)
    failures = FailureDriver(workerCount: workerCount, slotCount: slotCount)
    let count =
      slotCount * Self.cellsPerSlot + LocalReason.allCases.count + 2
      + 2 * CodeClass.allCases.count
    blocks = (0..<workerCount).map { _ in CellBlock(count: count) }
  }

  fileprivate static func counter(_ slot: Int, _ code: CodeClass, _ method: Method) -> Int {
    slot * cellsPerSlot + code.rawValue * Method.allCases.count + Int(method.rawValue)
  }

  fileprivate static func tooMany(_ slot: Int) -> Int { slot * cellsPerSlot + countersPerSlot - 1 }

  private func local(_ reason: LocalReason) -> Int {
    slotCount * Self.cellsPerSlot + Int(reason.rawValue)
  }

  private var connections: Int { slotCount * Self.cellsPerSlot + LocalReason.allCases.count }

  private func routeAnswer(_ isRedirect: Bool, _ code: CodeClass) -> Int {
    connections + 2 + (isRedirect ? CodeClass.allCases.count : 0) + code.rawValue
  }

  // MARK: Writing, each worker its own

  func countLocal(worker: Int, _ reason: LocalReason) {
    blocks[worker].add(1, at: local(reason))
  }

  func countRouteAnswer(worker: Int, isRedirect: Bool, _ code: CodeClass) {
    blocks[worker].add(1, at: routeAnswer(isRedirect, code))
  }

  func countAccept(worker: Int) { blocks[worker].add(1, at: connections) }

  func publishOpenConnections(worker: Int, _ count: Int) {
    blocks[worker].store(UInt64(count), at: connections + 1)
  }

  /// Sets every cell of a slot to 0. The control thread; requires: no worker writes to the slot.
  package func clear(slot: Int) {
    for block in blocks {
      for cell in 0..<Self.cellsPerSlot { block.store(0, at: slot * Self.cellsPerSlot + cell) }
    }
    resilience.clear(slot: slot)
    wire.clear(slot: slot)
    timing.clear(slot: slot)
    failures.clear(slot: slot)
  }

  // MARK: Reading, any thread

  /// Exchanges that ended, ever.
  package func exchanges(slot: Int, _ code: CodeClass, _ method: Method) -> UInt64 {
    blocks.reduce(0) { $0 &+ $1[Self.counter(slot, code, method)] }
  }

  /// Exchanges that ended with the code, of whatever method, ever.
  package func exchanges(slot: Int, _ code: CodeClass) -> UInt64 {
    Method.allCases.reduce(0) { $0 &+ exchanges(slot: slot, code, $1) }
  }

  /// Of the exchanges that ended with 4xx, those that ended with 429.
  package func tooMany(slot: Int) -> UInt64 {
    blocks.reduce(0) { $0 &+ $1[Self.tooMany(slot)] }
  }

  /// Durations of the exchanges that ended, from the request head to the response's last byte.
  package func durations(slot: Int) -> HistogramSnapshot {
    DurationHistogram.snapshot(
      of: blocks, at: slot * Self.cellsPerSlot + Self.countersPerSlot)
  }

  /// The same without quantiles.
  package func durationBuckets(slot: Int) -> HistogramSnapshot {
    DurationHistogram.buckets(of: blocks, at: slot * Self.cellsPerSlot + Self.countersPerSlot)
  }

  /// Answers that steelyard gave itself.
  package func locals(_ reason: LocalReason) -> UInt64 {
    blocks.reduce(0) { $0 &+ $1[local(reason)] }
  }

  /// Redirects and fixed answers of routes.
  package func routeAnswers(isRedirect: Bool, _ code: CodeClass) -> UInt64 {
    blocks.reduce(0) { $0 &+ $1[routeAnswer(isRedirect, code)] }
  }

  /// Connections accepted, ever.
  package var accepted: UInt64 { blocks.reduce(0) { $0 &+ $1[connections] } }
  /// Connections open now, downstream and upstream together.
  package var openConnections: UInt64 { blocks.reduce(0) { $0 &+ $1[connections + 1] } }
}
