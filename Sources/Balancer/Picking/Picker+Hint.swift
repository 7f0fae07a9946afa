// Whether the endpoint that a client prefers may be used. Invariant: a preference overrides no
// ejection and no limit.
// HOT PATH: no allocation, no lock, no existential, no clock.
package import Primitives

extension Picker {
  /// Whether the endpoint at the position, which the client prefers, may be used.
  package func takes(
    _ position: Int, now: Nanoseconds, load: UnsafePointer<Int32>, tunnels: UnsafePointer<Int32>?,
    tried: TriedSet, room: EndpointRoom
  ) -> Bool {
    var scan = Scan(
      now: now, load: load, tunnels: tunnels, pickBoard: nil, room: room, isRepeatable: false,
      tried: tried, hash: nil)
    scan.isBackup = candidates[position].isBackup
    return isUsable(position, scan, ignoresEjection: false)
  }
}
