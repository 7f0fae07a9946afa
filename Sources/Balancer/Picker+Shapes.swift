// What a pick knows beside weights and loads: how each endpoint slows down, as tables of what the
// next request costs, and which endpoint is to be tried because too little is known of it now.
// HOT PATH: no lock, no existential, no clock; it allocates only for a shape more than before.
package import Fleet
import Primitives

extension Picker {
  /// Costs a table has: of more in flight they are computed.
  static let tableCount = 1_024

  /// The costs of the next request with 0, 1, … in flight.
  static func table(_ shape: ServiceShape) -> [Double] {
    (0..<tableCount).map { shape.cost(Double($0 + 1)) }
  }

  /// How the endpoint slows down.
  package func shape(_ position: Int) -> ServiceShape { shapes[candidates[position].shape] }

  /// What one more request costs with `load` in flight, in units of a request alone at weight 1.
  @inline(__always)
  func cost(_ rank: Rank, _ load: Int32, _ costs: UnsafePointer<Double>) -> Double {
    // One comparison: less than 0 is very much.
    let index = UInt32(bitPattern: load)
    guard index < UInt32(Self.tableCount) else { return costOfMany(rank, load) }
    return costs[Int(UInt32(bitPattern: rank.table) &+ index)]
  }

  /// How much dearer than others a request is where it delays others, by the length of its content.
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

  /// Takes new shapes. Allocates where the pool has more different ones than ever before.
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

  /// Keeps the shape and its costs at `index` of the tables; false where it is there already.
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

  /// Takes trials that were given since the last look.
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

  /// The endpoint that is to be tried by this request, if any. It takes the trial: one request a
  /// trial and worker, and none where the endpoint has something to do by then.
  mutating func takeTrial(_ scan: Scan) -> Int? {
    var chosen: Int?
    for position in candidates.indices
    where candidates[position].trial != candidates[position].newestTrial {
      if chosen != nil { continue }
      let isUsed = isUsable(position, scan, ignoresEjection: false)
      guard isUsed, scan.busy(candidates[position].endpointIndex) == 0 else {
        // Somebody else has tried it, or it is out.
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
