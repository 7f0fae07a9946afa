// A pool whose endpoints a test makes serve, read once a second as the program does.
import Exposition
import Fleet
import Primitives

@testable import Status

struct World {
  var history = StatusHistory()
  var now = Nanoseconds.seconds(1_000)
  var pool = PoolReading(name: "text")
  var endpoints: [EndpointReading]
  /// Requests whose clients left while no endpoint had them.
  var leftQueue: UInt64 = 0
  var reloadFailure: String?
  var certificates: [CertificateReading] = []
  var certificateTroubles: [String] = []
  var sharedTrouble: String?
  /// At the last reading.
  private var states: [SocketAddress: Eligibility] = [:]
  private static let epoch = Nanoseconds.seconds(1_763_750_000)

  init(endpointCount: Int = 1) {
    endpoints = (0..<endpointCount).map { index in
      let address = SocketAddress(bytes: [10, 0, 0, UInt8(index + 1)], port: 8000)
      return EndpointReading(
        address: address,
        row: WeightRow(
          base: 1, target: 1, effective: 1, eligibility: .ready, reason: WeightReason(.law)))
    }
  }

  /// Some seconds, each with `act` before its reading.
  mutating func run(_ seconds: Int, _ act: (inout World) -> Void = { _ in }) {
    for _ in 0..<seconds {
      act(&self)
      step()
    }
  }

  mutating func step(_ passed: Nanoseconds = .seconds(1)) {
    now = now + passed
    var reading = StatusReading(now: now, wall: Self.epoch + now)
    for index in endpoints.indices {
      let state = endpoints[index].eligibility
      let isOut = [.ejected, .unhealthy, .stalled].contains(state)
      endpoints[index].outage = isOut ? state.label : nil
      let address = endpoints[index].address
      if let old = states.updateValue(state, forKey: address), old != state {
        reading.changes.append(
          EndpointChange(
            pool: pool.name, endpoint: address, old: old, new: state, readyCount: 0,
            count: endpoints.count))
      }
    }
    var pool = pool
    reading.reloadFailure = reloadFailure
    reading.certificates = certificates
    reading.certificateTroubles = certificateTroubles
    reading.sharedTrouble = sharedTrouble
    pool.endpoints = endpoints
    pool.givenUp = leftQueue + endpoints.reduce(0) { $0 + $1.canceled }
    pool.arrivals =
      pool.refusals + pool.limited + leftQueue + endpoints.reduce(0) { $0 + $1.ended }
    reading.pools = [pool]
    history.take(reading)
  }

  var snapshot: StatusSnapshot { history.snapshot(decisions: []) ?? StatusSnapshot() }
  var conditions: [Condition] { snapshot.conditions }
  var alerts: Set<String> { Set(conditions.map { Self.short($0.alert) }) }

  /// Without what all alerts' names begin with.
  static func short(_ alert: String) -> String {
    for prefix in ["Steelyard", "Inference"] where alert.hasPrefix(prefix) {
      return String(alert.dropFirst(prefix.count))
    }
    return alert
  }
}

extension EndpointReading {
  /// Exchanges that begin and end within the second.
  mutating func serve(
    _ count: Int, lasting seconds: Double, errors failed: Int = 0, firstByte: Double? = nil
  ) {
    attempts += UInt64(count)
    ended += UInt64(count)
    errors += UInt64(failed)
    durationSum += Double(count) * seconds
    durations.add(Self.counts(count, seconds))
    guard let firstByte else { return }
    var sum = firstBytes ?? FineCounts()
    sum.add(Self.counts(count, firstByte))
    firstBytes = sum
  }

  /// Exchanges whose clients leave before any byte of an answer.
  mutating func lose(_ count: Int, after seconds: Double) {
    attempts += UInt64(count)
    ended += UInt64(count)
    canceled += UInt64(count)
    durationSum += Double(count) * seconds
    durations.add(Self.counts(count, seconds))
  }

  /// Answers of 4xx, of which some are 429.
  mutating func refuse(_ count: Int, tooMany: Int = 0) {
    serve(count, lasting: 0.002, firstByte: 0.002)
    clientErrors += UInt64(count)
    self.tooMany += UInt64(tooMany)
  }

  /// As after a restart of its counters.
  mutating func clear() {
    (attempts, ended, errors, durationSum) = (0, 0, 0, 0)
    durations = FineCounts()
  }

  private static func counts(_ count: Int, _ seconds: Double) -> FineCounts {
    let cells = CellBlock(count: DurationHistogram.cellCount)
    for _ in 0..<count { DurationHistogram.observe(.seconds(seconds), in: cells, at: 0) }
    return FineCounts(DurationHistogram.snapshot(of: [cells], at: 0))
  }
}
