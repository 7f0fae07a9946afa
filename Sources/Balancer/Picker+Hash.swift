// Consistent hashing with bounded loads: weighted rendezvous hashing (Thaler, Ravishankar 1998;
// weights as in Schindelhauer, Schomaker 2005): the endpoint with the least -ln(u) / base weight,
// u from key and address, so that a change moves the keys of what changed and no others. No more
// than its bounded share is in flight at one (Mirrokni, Thorup, Zadimoghaddam 2016).
// HOT PATH: no allocation, no lock, no existential, no clock.
import Glibc

extension Picker {
  /// The key's best endpoint that has room; nil where none may be used. Two scans of all: about one
  /// logarithm for each doubling of their number, as `1 - u <= -ln(u)` refuses the others.
  func chooseHashed(_ hash: UInt64, _ scan: Scan, _ ignoresEjection: Bool) -> Int? {
    var weights = 0.0
    var inFlight = 1.0
    for position in candidates.indices
    where isUsable(position, scan, ignoresEjection: ignoresEjection) {
      weights += pickWeight(position, scan)
      inFlight += Double(scan.load[candidates[position].endpointIndex])
    }
    guard weights > 0 else { return nil }
    let loadForWeight = loadFactor * inFlight / weights
    var best: Int?
    var least = Double.infinity
    for position in candidates.indices
    where isUsable(position, scan, ignoresEjection: ignoresEjection) {
      let candidate = candidates[position]
      let u = Self.unit(hash, candidate.hashID)
      // An endpoint that the operator gave no weight ranks by the one it was pinned to.
      let weight = candidate.baseWeight > 0 ? candidate.baseWeight : candidate.weight
      guard 1 - u < least * weight else { continue }
      // At most ceil(factor x (in flight + this one) x its share of the weights).
      let room = (loadForWeight * pickWeight(position, scan)).rounded(.up)
      guard Double(scan.load[candidate.endpointIndex]) < room else { continue }
      let rank = -log(u) / weight
      if rank < least { (best, least) = (position, rank) }
    }
    return best
  }

  /// Uniform between 0 and 1, without both: for each key another number for each endpoint.
  @inline(__always)
  private static func unit(_ hash: UInt64, _ id: UInt64) -> Double {
    (Double(KeyHash.mix(hash ^ id) >> 12) + 0.5) * 0x1.0p-52
  }
}
