// Counts the connections to each endpoint. Invariant: this worker's own counts are always current,
// those of the other workers as of the last `refresh`. Only breakers that limit connections read
// the others' counts.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Fleet
import Primitives

/// The endpoint connections of a worker, by endpoint index.
package struct ConnectionBook: ~Copyable {
  private let evidence: EvidenceBoard
  private let cells: CellBlock
  private let workerIndex: Int
  private let own: UnsafeMutablePointer<Int32>
  /// The connections of all workers, by endpoint index.
  package let total: UnsafeMutablePointer<Int32>

  /// Makes a book for the worker's cells of the board. Allocates.
  package init(evidence: EvidenceBoard, workerIndex: Int) {
    self.evidence = evidence
    self.workerIndex = workerIndex
    cells = evidence.block(ofWorker: workerIndex)
    own = .allocate(capacity: evidence.endpointLimit)
    own.initialize(repeating: 0, count: evidence.endpointLimit)
    total = .allocate(capacity: evidence.endpointLimit)
    total.initialize(repeating: 0, count: evidence.endpointLimit)
  }

  deinit {
    own.deallocate()
    total.deallocate()
  }

  /// Counts a connection that was opened.
  package mutating func opened(_ endpointIndex: Int) {
    own[endpointIndex] += 1
    total[endpointIndex] += 1
    cells.add(1, at: evidence.index(.connections, endpointIndex))
  }

  /// Subtracts a connection that was closed.
  package mutating func closed(_ endpointIndex: Int) {
    own[endpointIndex] -= 1
    total[endpointIndex] -= 1
    cells.subtract(1, at: evidence.index(.connections, endpointIndex))
  }

  /// Reads the other workers' counts of these endpoints. Requires: called once a turn, before the
  /// first pick.
  package mutating func refresh(_ endpointIndexes: [Int]) {
    guard evidence.workerCount > 1 else { return }
    for endpointIndex in endpointIndexes {
      var others: UInt64 = 0
      for worker in 0..<evidence.workerCount where worker != workerIndex {
        others &+= evidence.block(ofWorker: worker)[evidence.index(.connections, endpointIndex)]
      }
      total[endpointIndex] = own[endpointIndex] + Int32(truncatingIfNeeded: others)
    }
  }
}

extension ConnectionBook {
  /// The sum of the connections to these endpoints.
  package func sum(_ endpointIndexes: [Int]) -> Int {
    var sum = 0
    for endpointIndex in endpointIndexes { sum += Int(total[endpointIndex]) }
    return sum
  }
}

/// The limits of an endpoint and its present use, from which a pick decides whether it has room.
package struct EndpointRoom {
  /// The most exchanges at the endpoint; `.max`: no limit.
  package var requestsMax = Int32.max
  /// The most connections to the endpoint; `.max`: no limit.
  package var connectionsMax = Int32.max
  /// The connections by endpoint index; nil: connections are not limited.
  package var connections: UnsafePointer<Int32>?
  /// This worker's idle connections by endpoint index. They may be used even if the limit is
  /// reached.
  package var idle: UnsafePointer<Int32>?
  /// This worker's connections of HTTP/2 by endpoint index, which take further requests.
  package var multiplexed: UnsafePointer<Int32>?

  /// Makes room without limits.
  package init() {}

  var isUnlimited: Bool { requestsMax == .max && connections == nil }

  @inline(__always)
  func has(_ endpointIndex: Int, load: Int32) -> Bool {
    guard load < requestsMax else { return false }
    guard let connections else { return true }
    return connections[endpointIndex] < connectionsMax || hasKept(endpointIndex)
  }

  /// Whether a connection that exists may take a request.
  @inline(never)
  private func hasKept(_ endpointIndex: Int) -> Bool {
    if let idle, idle[endpointIndex] > 0 { return true }
    guard let multiplexed else { return false }
    return multiplexed[endpointIndex] > 0
  }
}
