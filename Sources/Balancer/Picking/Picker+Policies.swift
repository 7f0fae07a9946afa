// The policies by which a picker chooses among usable endpoints: smooth weighted round robin
// (nginx's algorithm: add every weight, take the largest, subtract the sum; 5/1/1 gives a a b a c a
// a), weighted least-request (the lowest cost of one more request at the present load / weight,
// full scan, ties at random), or at random by weight. Invariant: only usable endpoints are chosen.
// HOT PATH: no allocation, no lock, no existential, no clock.
import Fleet
import Primitives

extension Picker {
  mutating func choose(
    _ scan: Scan, ignoresEjection: Bool, _ random: inout RandomSource
  ) -> Int? {
    switch policy {
    case .roundRobin: return chooseInTurn(scan, ignoresEjection)
    case .random: return chooseAtRandom(scan, ignoresEjection, &random)
    case .hash, .ipHash:
      if let hash = scan.hash, let position = chooseHashed(hash, scan, ignoresEjection) {
        return position
      }
      return chooseLeast(scan, ignoresEjection, &random)
    case .leastRequest: return chooseLeast(scan, ignoresEjection, &random)
    }
  }

  private func chooseLeast(
    _ scan: Scan, _ ignoresEjection: Bool, _ random: inout RandomSource
  ) -> Int? {
    if candidates.count > Self.fullScanMax, !scan.isBackup,
      let drawn = chooseDrawn(scan, ignoresEjection, &random)
    {
      return drawn
    }
    if scan.now >= quickScanFrom, !scan.isBackup, scan.pickBoard == nil, scan.tried.isEmpty,
      scan.room.isUnlimited, scan.sizeTerm == 0
    {
      return chooseLeastByQuickScan(scan.load, &random)
    }
    var best = Best()
    for position in candidates.indices
    where isUsable(position, scan, ignoresEjection: ignoresEjection) {
      consider(position, scan, &best, &random)
    }
    return best.position
  }

  /// Chooses like `chooseLeast` where only weights and loads count.
  private func chooseLeastByQuickScan(
    _ load: UnsafePointer<Int32>, _ random: inout RandomSource
  ) -> Int? {
    ranks.withUnsafeBufferPointer { ranks in
      costs.withUnsafeBufferPointer { costs in
        costs.baseAddress.flatMap { leastByQuickScan(load, ranks, $0, &random) }
      }
    }
  }

  @inline(__always)
  private func leastByQuickScan(
    _ load: UnsafePointer<Int32>, _ ranks: UnsafeBufferPointer<Rank>,
    _ costs: UnsafePointer<Double>, _ random: inout RandomSource
  ) -> Int? {
    var best = Best()
    for position in ranks.indices {
      let rank = ranks[position]
      let price = cost(rank, load[Int(rank.endpointIndex)], costs) * rank.inverse
      if price > best.price { continue }
      if price == best.price {
        best.ties += 1
        if random.index(below: best.ties) != 0 { continue }
      } else {
        best.ties = 1
      }
      (best.position, best.price) = (position, price)
    }
    return best.position
  }

  /// The effective weight multiplied by the share of the slow start.
  @inline(__always)
  func pickWeight(_ position: Int, _ scan: Scan) -> Double {
    candidates[position].weight
      * candidates[position].health.ramp(now: scan.now, slowStart: slowStart)
  }

  private func chooseAtRandom(
    _ scan: Scan, _ ignoresEjection: Bool, _ random: inout RandomSource
  ) -> Int? {
    var total = 0.0
    for position in candidates.indices
    where isUsable(position, scan, ignoresEjection: ignoresEjection) {
      total += pickWeight(position, scan)
    }
    guard total > 0 else { return nil }
    var mark = random.unit() * total
    var last: Int?
    for position in candidates.indices
    where isUsable(position, scan, ignoresEjection: ignoresEjection) {
      last = position
      mark -= pickWeight(position, scan)
      if mark < 0 { break }
    }
    return last
  }

  private mutating func chooseInTurn(_ scan: Scan, _ ignoresEjection: Bool) -> Int? {
    var best: Int?
    var total = 0.0
    for position in candidates.indices
    where isUsable(position, scan, ignoresEjection: ignoresEjection) {
      let weight = candidates[position].weight
      candidates[position].current += weight
      total += weight
      if let leader = best, candidates[position].current <= candidates[leader].current { continue }
      best = position
    }
    if let best { candidates[best].current -= total }
    return best
  }

  private struct Best {
    var position: Int?
    /// The cost of one more request ÷ weight. Endpoints without weight cost more than the initial
    /// value.
    var price = Double.greatestFiniteMagnitude
    var ties = 1
  }

  @inline(__always)
  private func consider(
    _ position: Int, _ scan: Scan, _ best: inout Best, _ random: inout RandomSource
  ) {
    let endpointIndex = candidates[position].endpointIndex
    var count = Double(scan.load[endpointIndex] + 1)
    if let pickBoard = scan.pickBoard {
      count += pickBoard.othersLoad(endpointIndex, now: scan.now)
    }
    let shape = shapes[candidates[position].shape]
    var load = shape.cost(count)
    if scan.sizeTerm != 0 { load += scan.sizeTerm * shape.delay(count) }
    // The same expression as in the quick scan, so that both agree to the last bit.
    let price = load * (1 / pickWeight(position, scan))
    if best.position == nil || price < best.price {
      best.ties = 1
    } else if price == best.price {
      best.ties += 1
      if random.index(below: best.ties) != 0 { return }
    } else {
      return
    }
    best.position = position
    best.price = price
  }

  /// Compares max(8, √N) endpoints drawn by weight. nil: none of them may be used.
  private func chooseDrawn(
    _ scan: Scan, _ ignoresEjection: Bool, _ random: inout RandomSource
  ) -> Int? {
    guard let total = cumulative.last, total > 0 else { return nil }
    var best = Best()
    let count = max(8, Int(Double(candidates.count).squareRoot()))
    for _ in 0..<count {
      let mark = random.unit() * total
      var (low, high) = (0, cumulative.count - 1)
      while low < high {
        let middle = (low + high) / 2
        if cumulative[middle] > mark { high = middle } else { low = middle + 1 }
      }
      guard low != best.position, isUsable(low, scan, ignoresEjection: ignoresEjection) else {
        continue
      }
      consider(low, scan, &best, &random)
    }
    return best.position
  }
}
