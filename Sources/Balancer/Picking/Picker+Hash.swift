// Consistent hashing with bounded loads. Weighted rendezvous hashing (Thaler, Ravishankar 1998;
// weights as in Schindelhauer, Schomaker 2005) takes the endpoint with the smallest -ln(u) / base
// weight, where u is derived from key and address. Invariant: a change moves only the keys of the
// changed endpoint, and an endpoint has at most its bounded share in flight (Mirrokni, Thorup,
// Zadimoghaddam 2016).
// HOT PATH: no allocation, no lock, no existential, no clock.
import Glibc

extension Picker {
  /// The key's best endpoint that has room; nil: none may be used. Scans all endpoints twice, with
  /// about one logarithm for each doubling of their number, since `1 - u <= -ln(u)` excludes the
  /// others.
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
      // An endpoint without a configured weight ranks by its pinned weight.
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

  /// Uniform between 0 and 1, both excluded; a different number for each pair of key and endpoint.
  @inline(__always)
  private static func unit(_ hash: UInt64, _ id: UInt64) -> Double {
    (Double(KeyHash.mix(hash ^ id) >> 12) + 0.5) * 0x1.0p-52
  }
}
