// Counts the traffic of a worker, and defines the position of each number in its cells. Invariant:
// each worker writes only its own cells.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Exposition
package import HTTP
import Primitives

/// The end of an exchange, as the value of the label `code`.
package enum CodeClass: Int, CaseIterable, Sendable {
  case informational, success, redirection, clientError, serverError
  /// The client left before the answer was complete.
  case canceled
  /// The endpoint cut a response that had already begun.
  case truncated

  /// The label for metrics; a finite set.
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

/// The cells of one worker's exchanges. Only this worker writes to them.
struct TrafficBook: ~Copyable {
  private let cells: CellBlock

  init(_ metrics: TrafficMetrics, workerIndex: Int) { cells = metrics.blocks[workerIndex] }

  /// Counts an exchange with the endpoint that has ended.
  mutating func countExchange(
    endpointIndex: Int, code: CodeClass, method: Method, duration: Nanoseconds
  ) {
    cells.add(1, at: TrafficMetrics.counter(endpointIndex, code, method))
    DurationHistogram.observe(
      duration, in: cells,
      at: endpointIndex * TrafficMetrics.cellsPerEndpoint + TrafficMetrics.countersPerEndpoint)
  }
}

extension TrafficBook {
  /// Counts an exchange that ended with 429 (RFC 6585 §4). It was counted as an exchange before.
  mutating func countTooMany(endpointIndex: Int) {
    cells.add(1, at: TrafficMetrics.tooMany(endpointIndex))
  }
}

/// The cells of all workers: exchanges by endpoint, code class and method; durations by endpoint;
/// steelyard's own answers by reason; redirects and fixed answers by code class.
package final class TrafficMetrics: Sendable {
  /// The bound of endpoint indexes.
  package let endpointLimit: Int
  /// Retries and refusals by breakers.
  package let resilience: ResilienceMetrics
  /// Tunnels and PROXY protocol headers.
  package let wire: WireMetrics
  /// The times of exchanges and loop turns.
  package let timing: TimingMetrics
  /// The effects of a shortage of connections or memory.
  package let room: RoomMetrics
  package let tls: TLSMetrics
  /// HTTP/2, versions of HTTP, gRPC.
  package let streams: StreamMetrics
  /// Refused messages and failed attempts, by reason.
  package let failures: FailureDriver
  fileprivate let blocks: [CellBlock]

  /// The additional counter counts the status 429.
  fileprivate static let countersPerEndpoint = CodeClass.allCases.count * Method.allCases.count + 1
  fileprivate static let cellsPerEndpoint = countersPerEndpoint + DurationHistogram.cellCount

  /// Makes cells of 0 for endpoint indexes below `endpointLimit`. Allocates.
  package init(workerCount: Int, endpointLimit: Int) {
    self.endpointLimit = endpointLimit
    resilience = ResilienceMetrics(workerCount: workerCount, endpointLimit: endpointLimit)
    wire = WireMetrics(workerCount: workerCount, endpointLimit: endpointLimit)
    timing = TimingMetrics(workerCount: workerCount, endpointLimit: endpointLimit)
    room = RoomMetrics(workerCount: workerCount)
    tls = TLSMetrics(workerCount: workerCount)
    streams = StreamMetrics(workerCount: workerCount, endpointLimit: endpointLimit)
    failures = FailureDriver(workerCount: workerCount, endpointLimit: endpointLimit)
    let count =
      endpointLimit * Self.cellsPerEndpoint + LocalReason.allCases.count + 2
      + 2 * CodeClass.allCases.count
    blocks = (0..<workerCount).map { _ in CellBlock(count: count) }
  }

  fileprivate static func counter(_ endpointIndex: Int, _ code: CodeClass, _ method: Method) -> Int
  {
    endpointIndex * cellsPerEndpoint + code.rawValue * Method.allCases.count + Int(method.rawValue)
  }

  fileprivate static func tooMany(_ endpointIndex: Int) -> Int {
    endpointIndex * cellsPerEndpoint + countersPerEndpoint - 1
  }

  private func local(_ reason: LocalReason) -> Int {
    endpointLimit * Self.cellsPerEndpoint + Int(reason.rawValue)
  }

  private var connections: Int {
    endpointLimit * Self.cellsPerEndpoint + LocalReason.allCases.count
  }

  private func routeAnswer(_ isRedirect: Bool, _ code: CodeClass) -> Int {
    connections + 2 + (isRedirect ? CodeClass.allCases.count : 0) + code.rawValue
  }

  // MARK: Writing, each worker to its own cells

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

  /// Sets every cell of an endpoint to 0. Control thread only. Requires: no worker writes to them.
  package func clear(endpointIndex: Int) {
    for block in blocks {
      for cell in 0..<Self.cellsPerEndpoint {
        block.store(0, at: endpointIndex * Self.cellsPerEndpoint + cell)
      }
    }
    resilience.clear(endpointIndex: endpointIndex)
    wire.clear(endpointIndex: endpointIndex)
    timing.clear(endpointIndex: endpointIndex)
    failures.clear(endpointIndex: endpointIndex)
    streams.clear(endpointIndex: endpointIndex)
  }

  // MARK: Reading, any thread

  /// The number of exchanges that ended since start, by code class and method.
  package func exchanges(endpointIndex: Int, _ code: CodeClass, _ method: Method) -> UInt64 {
    blocks.reduce(0) { $0 &+ $1[Self.counter(endpointIndex, code, method)] }
  }

  /// The number of exchanges that ended with the code class since start, with any method.
  package func exchanges(endpointIndex: Int, _ code: CodeClass) -> UInt64 {
    Method.allCases.reduce(0) { $0 &+ exchanges(endpointIndex: endpointIndex, code, $1) }
  }

  /// The number of exchanges with 4xx that ended with 429.
  package func tooMany(endpointIndex: Int) -> UInt64 {
    blocks.reduce(0) { $0 &+ $1[Self.tooMany(endpointIndex)] }
  }

  /// The durations of exchanges, from the request head to the last byte of the response.
  package func durations(endpointIndex: Int) -> HistogramSnapshot {
    DurationHistogram.snapshot(
      of: blocks, at: endpointIndex * Self.cellsPerEndpoint + Self.countersPerEndpoint)
  }

  /// The histogram of `durations` without quantiles.
  package func durationBuckets(endpointIndex: Int) -> HistogramSnapshot {
    DurationHistogram.buckets(
      of: blocks, at: endpointIndex * Self.cellsPerEndpoint + Self.countersPerEndpoint)
  }

  /// The number of answers by steelyard itself for this reason.
  package func locals(_ reason: LocalReason) -> UInt64 {
    blocks.reduce(0) { $0 &+ $1[local(reason)] }
  }

  /// The number of redirects or fixed answers of routes.
  package func routeAnswers(isRedirect: Bool, _ code: CodeClass) -> UInt64 {
    blocks.reduce(0) { $0 &+ $1[routeAnswer(isRedirect, code)] }
  }

  /// The number of connections accepted since start.
  package var accepted: UInt64 { blocks.reduce(0) { $0 &+ $1[connections] } }
  /// The number of connections open now, to clients and endpoints together.
  package var openConnections: UInt64 { blocks.reduce(0) { $0 &+ $1[connections + 1] } }
}
