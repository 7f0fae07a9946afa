// What happens to one endpoint during a race, and the periods in which its share of the traffic is
// measured. Pure; times count from the start of the measured window.
package import Primitives

/// The endpoints of which every contestant has a set.
package struct RaceField: Sendable, Equatable, Codable {
  /// 1 is one unit of work per slot in `unitSeconds`.
  package var speeds: [Double]
  package var slots: Int
  package var unitSeconds: Double
  /// The used share of an endpoint's cache when all slots are busy.
  package var fullCacheRatio: Double
  /// The most requests that may wait at an endpoint; nil: no limit. A further one is refused at
  /// once with `fullStatus` (nil: 503).
  package var queueMax: Int?
  package var fullStatus: Int?
  /// Whether every request is one unit of work; nil or false: exponential with that mean.
  package var isConstant: Bool?

  package init(speeds: [Double], slots: Int, unitSeconds: Double, fullCacheRatio: Double = 0.5) {
    self.fullCacheRatio = fullCacheRatio
    self.speeds = speeds
    self.slots = slots
    self.unitSeconds = unitSeconds
  }

  /// Requests of mean work per second that the whole set can serve.
  package var capacity: Double { speeds.reduce(0, +) * Double(slots) / unitSeconds }

  /// An endpoint's share of the set's capacity while it works at `ratio` of its speed.
  package func fairShare(_ endpoint: Int, ratio: Double = 1) -> Double {
    let own = speeds[endpoint] * ratio
    return own / (speeds.reduce(0, +) - speeds[endpoint] + own)
  }

  var fastest: Int { speeds.lastIndex(of: speeds.max() ?? 1) ?? 0 }
  var middle: Int { speeds.firstIndex(of: speeds.sorted()[speeds.count / 2]) ?? 0 }
}

/// A kind of fault.
package enum RaceScenario: String, Sendable, CaseIterable, Codable {
  /// Nothing happens.
  case steady
  /// One endpoint answers 404 at once, from before the first request on.
  case missing
  /// A fast endpoint becomes four times slower.
  case drop4
  /// One endpoint accepts requests and answers none; its health page says 200.
  case hang
  /// One endpoint answers 500 at once; its health page says 200.
  case fail
  /// One endpoint dies and comes back cold.
  case cold
  /// One endpoint answers 500 at once for a while; its health page says 200.
  case failHeal = "fail-heal"
  /// One endpoint accepts requests and answers none for a while; its health page says 200.
  case hangHeal = "hang-heal"
  /// One endpoint is twenty times slower for a while.
  case slowHeal = "slow-heal"
  /// One endpoint is dead for a while.
  case deadHeal = "dead-heal"

  /// A change of the endpoint's behaviour.
  package struct Step: Sendable, Equatable {
    package var at: Nanoseconds
    package var mode: VirtualServer.Mode

    package init(at: Nanoseconds, mode: VirtualServer.Mode) {
      self.at = at
      self.mode = mode
    }
  }

  /// A period, and the fair share of the endpoint in it.
  package struct Window: Sendable, Equatable {
    /// Seconds since the event, for example `5-10 s`.
    package var label: String
    package var from: Nanoseconds
    package var to: Nanoseconds
    package var fairShare: Double
  }

  /// How long a cold endpoint takes to be as fast as before.
  package static let warmUp = Nanoseconds.seconds(10)
  private static let dropFactor = 4.0
  private static let crawlFactor = 20.0

  /// The endpoint that it happens to; nil: none.
  package func endpoint(of field: RaceField) -> Int? {
    switch self {
    case .steady: nil
    case .missing: 0
    case .drop4: field.fastest
    case .hang, .fail, .cold, .failHeal, .hangHeal, .slowHeal, .deadHeal: field.middle
    }
  }

  /// The period of a fault that heals: from an eighth of the window to its middle.
  package func outage(seconds: Double) -> Range<Nanoseconds>? {
    switch self {
    case .failHeal, .hangHeal, .slowHeal, .deadHeal:
      .seconds(seconds / 8)..<Nanoseconds.seconds(seconds / 2)
    default: nil
    }
  }

  /// Offered load ÷ capacity, chosen so that the other endpoints can carry it: less if a fast
  /// endpoint has the fault.
  package var loadRatio: Double { self == .drop4 ? 0.7 : 0.8 }

  /// The state of its endpoint before the first request.
  package var firstMode: VirtualServer.Mode { self == .missing ? .rejecting : .healthy }

  /// Steps in order of time. Faults that do not heal last until the end, a death for a sixth of the
  /// window.
  package func steps(seconds: Double) -> [Step] {
    let third = Nanoseconds.seconds(seconds / 3)
    func healing(_ mode: VirtualServer.Mode) -> [Step] {
      guard let outage = outage(seconds: seconds) else { return [] }
      return [
        Step(at: outage.lowerBound, mode: mode), Step(at: outage.upperBound, mode: .healthy),
      ]
    }
    return switch self {
    case .steady, .missing: []
    case .drop4: [Step(at: third, mode: .slow(Self.dropFactor))]
    case .hang: [Step(at: third, mode: .hanging)]
    case .fail: [Step(at: third, mode: .failing)]
    case .cold:
      [
        Step(at: .seconds(seconds / 6), mode: .dead), Step(at: third, mode: .warming(Self.warmUp)),
      ]
    case .failHeal: healing(.failing)
    case .hangHeal: healing(.hanging)
    case .slowHeal: healing(.slow(Self.crawlFactor))
    case .deadHeal: healing(.dead)
    }
  }

  /// The periods in which the endpoint's share is measured: since the fault, for `cold` since the
  /// return. The last period of `cold` is 10 to 20 s after the endpoint is as fast as before.
  package func windows(seconds: Double, field: RaceField) -> [Window] {
    guard let endpoint = endpoint(of: field), let event = steps(seconds: seconds).last else {
      return []
    }
    let end = Nanoseconds.seconds(seconds)
    let edges: [Double] = [0, 5, 10, 20, self == .cold ? 30 : seconds]
    return zip(edges, edges.dropFirst()).compactMap { first, last in
      let from = event.at + .seconds(first)
      // A period that the window cuts to less than 2 s has too few requests.
      let to = min(event.at + .seconds(last), end)
      guard to - from >= .seconds(2) else { return nil }
      let label = "\(Int(first))-\(Int((to - event.at).seconds.rounded())) s"
      return Window(label: label, from: from, to: to, fairShare: fairShare(field, endpoint))
    }
  }

  private func fairShare(_ field: RaceField, _ endpoint: Int) -> Double {
    switch self {
    case .steady, .cold, .failHeal, .hangHeal, .slowHeal, .deadHeal: field.fairShare(endpoint)
    case .drop4: field.fairShare(endpoint, ratio: 1 / Self.dropFactor)
    case .hang, .fail, .missing: 0
    }
  }
}
