// Upstream connections of each endpoint: a worker's own, live, and what the other workers had when
// they were last looked at. Only breakers that limit connections read the others'.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Fleet
import Primitives

/// A worker's upstream connections by slot.
package struct ConnectionBook: ~Copyable {
  private let evidence: EvidenceBoard
  private let cells: CellBlock
  private let workerIndex: Int
  private let own: UnsafeMutablePointer<Int32>
  /// Connections at each slot, of all workers.
  package let total: UnsafeMutablePointer<Int32>

  package init(evidence: EvidenceBoard, workerIndex: Int) {
    self.evidence = evidence
    self.workerIndex = workerIndex
    cells = evidence.block(ofWorker: workerIndex)
    own = .allocate(capacity: evidence.slotCount)
    own.initialize(repeating: 0, count: evidence.slotCount)
    total = .allocate(capacity: evidence.slotCount)
    total.initialize(repeating: 0, count: evidence.slotCount)
  }

  deinit {
    own.deallocate()
    total.deallocate()
  }

  package mutating func opened(_ slot: Int) {
    own[slot] += 1
    total[slot] += 1
    cells.add(1, at: evidence.index(.connections, slot))
  }

  package mutating func closed(_ slot: Int) {
    own[slot] -= 1
    total[slot] -= 1
    cells.subtract(1, at: evidence.index(.connections, slot))
  }

  /// Takes the other workers' counts. Once a turn, before the first pick.
  package mutating func refresh(_ slots: [Int]) {
    guard evidence.workerCount > 1 else { return }
    for slot in slots {
      var others: UInt64 = 0
      for worker in 0..<evidence.workerCount where worker != workerIndex {
        others &+= evidence.block(ofWorker: worker)[evidence.index(.connections, slot)]
      }
      total[slot] = own[slot] + Int32(truncatingIfNeeded: others)
    }
  }
}

extension ConnectionBook {
  /// Connections to all of these.
  package func sum(_ slots: [Int]) -> Int {
    var sum = 0
    for slot in slots { sum += Int(total[slot]) }
    return sum
  }
}

/// What an endpoint may have at once, and what it has: whether a pick may add to it.
package struct EndpointRoom {
  package var requestsMax = Int32.max
  package var connectionsMax = Int32.max
  /// By slot; nil where connections are not limited.
  package var connections: UnsafePointer<Int32>?
  /// Of this worker, by slot: these may be used whatever the limit.
  package var idle: UnsafePointer<Int32>?

  package init() {}

  var isUnlimited: Bool { requestsMax == .max && connections == nil }

  @inline(__always)
  func has(_ slot: Int, load: Int32) -> Bool {
    guard load < requestsMax else { return false }
    guard let connections, let idle else { return true }
    return connections[slot] < connectionsMax || idle[slot] > 0
  }
}
