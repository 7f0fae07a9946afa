// The data of a pick besides weights and loads: tables of the next request's cost at each endpoint,
// by service shape, and the endpoint that needs a trial because there is too little evidence about
// it. Invariant: each worker takes a trial once.
// HOT PATH: no lock, no existential, no clock; it allocates only for a shape more than before.
package import Fleet
import Primitives

extension Picker {
  /// The number of costs in a table. For more requests in flight, costs are computed.
  static let tableCount = 1_024

  /// The costs of the next request with 0, 1, … requests in flight.
  static func table(_ shape: ServiceShape) -> [Double] {
    (0..<tableCount).map { shape.cost(Double($0 + 1)) }
  }

  /// The service shape of the endpoint.
  package func shape(_ position: Int) -> ServiceShape { shapes[candidates[position].shape] }

  /// The cost of one more request with `load` in flight, in units of a request that is alone at
  /// weight 1.
  @inline(__always)
  func cost(_ rank: Rank, _ load: Int32, _ costs: UnsafePointer<Double>) -> Double {
    // One comparison for both bounds: a negative number becomes a very large one.
    let index = UInt32(bitPattern: load)
    guard index < UInt32(Self.tableCount) else { return costOfMany(rank, load) }
    return costs[Int(UInt32(bitPattern: rank.table) &+ index)]
  }

  /// The additional cost of delaying other requests, by the length of the request's content.
  @inline(__always)
  func sizeTerm(_ contentBytes: Int) -> Double {
    guard sizeSlope > 0, contentBytes > 0 else { return 0 }
    let size = Double(EvidenceBoard.sizeUnits(UInt32(clamping: contentBytes)))
    return sizeSlope * (min(max(size / max(sizeMean, 1), 0.02), 8) - 1)
  }

  @inline(never)
  private func costOfMany(_ rank: Rank, _ load: Int32) -> Double {
    shapes[Int(rank.table) / Self.tableCount].cost(Double(max(0, load)) + 1)
  }

  /// Adopts new shapes. Allocates if the pool has more different shapes than ever before.
  mutating func takeShapes(_ pickBoard: PickBoard) {
    let revision = pickBoard.shapeRevision
    guard revision != shapeRevision, let first = candidates.first else { return }
    shapeRevision = revision
    sizeSlope = pickBoard.sizeSlope(first.endpointIndex)
    sizeMean = pickBoard.sizeMean(first.endpointIndex)
    var (count, hasChanged) = (0, false)
    for position in candidates.indices {
      let shape = pickBoard.shape(candidates[position].endpointIndex)
      var index = 0
      while index < count, shapes[index] != shape { index += 1 }
      if index == count {
        hasChanged = keepShape(shape, at: index) || hasChanged
        count += 1
      }
      if candidates[position].shape != index { hasChanged = true }
      candidates[position].shape = index
    }
    if hasChanged { rerank() }
  }

  /// Stores the shape and its costs at `index` of the tables; returns false if it is already there.
  private mutating func keepShape(_ shape: ServiceShape, at index: Int) -> Bool {
    if index == shapes.count {
      shapes.append(shape)
      costs += Self.table(shape)
      return true
    }
    guard shapes[index] != shape else { return false }
    shapes[index] = shape
    for load in 0..<Self.tableCount {
      costs[index * Self.tableCount + load] = shape.cost(Double(load + 1))
    }
    return true
  }

  /// Takes the trials that were requested since the last call.
  mutating func takeTrials(_ pickBoard: PickBoard) {
    let revision = pickBoard.trialRevision
    guard revision != trialRevision else { return }
    trialRevision = revision
    trialCount = 0
    for position in candidates.indices {
      let trial = pickBoard.trial(candidates[position].endpointIndex)
      if trial != candidates[position].trial { trialCount += 1 }
      candidates[position].newestTrial = trial
    }
  }

  /// Takes the trial of the endpoint that this request should try; nil: none is due. Each worker
  /// takes a trial once, and not if the endpoint has requests by then.
  mutating func takeTrial(_ scan: Scan) -> Int? {
    var chosen: Int?
    for position in candidates.indices
    where candidates[position].trial != candidates[position].newestTrial {
      if chosen != nil { continue }
      let isUsed = isUsable(position, scan, ignoresEjection: false)
      guard isUsed, scan.busy(candidates[position].endpointIndex) == 0 else {
        // Another worker has tried the endpoint, or it may not be used.
        candidates[position].trial = candidates[position].newestTrial
        trialCount -= 1
        continue
      }
      chosen = position
    }
    guard let chosen else { return nil }
    candidates[chosen].trial = candidates[chosen].newestTrial
    trialCount -= 1
    return chosen
  }
}
