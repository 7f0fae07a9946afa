// Endpoints that come and go all the time: each departure costs a point, points halve every minute,
// and who has three comes in again only when they have fallen below one.
// Source: route flap damping (RFC 2439), with times for servers instead of routes.
import Primitives

struct FlapDamper: Sendable {
  private struct Score: Sendable {
    var points: Double
    var at: Nanoseconds
    var isHeld = false

    func points(at now: Nanoseconds) -> Double {
      points * Self.power((now - at).seconds / FlapDamper.halfLife.seconds)
    }

    /// 2 to the power of −`x`, for x ≥ 0, within 3 %: an exact value is not needed.
    private static func power(_ x: Double) -> Double {
      if x > 60 { return 0 }
      let whole = Int(x)
      let rest = x - Double(whole)
      return (1 - rest * (0.6931 - rest * 0.1931)) / Double(1 << whole)
    }
  }

  static var halfLife: Nanoseconds { .seconds(60) }
  /// The points from which on an endpoint is held back.
  private static var holdAt: Double { 2.5 }
  /// The points at which it is let in again.
  private static var releaseAt: Double { 1 }
  /// The most points, so that nobody waits for longer than two half-lives.
  private static var pointsMax: Double { 4 }
  /// How often it is looked whether an endpoint may come in.
  private static var step: Nanoseconds { .seconds(1) }

  private var scores: [SocketAddress: Score] = [:]
  /// When endpoints that are held back are looked at again; nil: none is.
  private(set) var nextDue: Nanoseconds?

  /// The endpoint has gone.
  mutating func noteGone(_ address: SocketAddress, now: Nanoseconds) {
    let before = scores[address]?.points(at: now) ?? 0
    let isHeld = scores[address]?.isHeld ?? false
    scores[address] = Score(points: min(before + 1, Self.pointsMax), at: now, isHeld: isHeld)
  }

  /// Those of the endpoints that want to come in and have to wait.
  mutating func heldBack(
    _ wanted: some Sequence<SocketAddress>, now: Nanoseconds
  ) -> Set<SocketAddress> {
    nextDue = nil
    if scores.isEmpty { return [] }
    var held: Set<SocketAddress> = []
    for address in wanted {
      guard let score = scores[address] else { continue }
      let points = score.points(at: now)
      let isHeld = score.isHeld ? points > Self.releaseAt : points > Self.holdAt
      scores[address]?.isHeld = isHeld
      if isHeld { held.insert(address) }
    }
    if !held.isEmpty { nextDue = now + Self.step }
    scores = scores.filter { $0.value.points(at: now) > 0.1 }
    return held
  }
}
