// The conditions that hold now. Names and severities are those of the alert rules; a rule looks at
// minutes and needs a Prometheus, while this looks at the last seconds and needs nothing. A
// condition counts after it has held for some seconds, so that one slow answer raises no alarm.
import Fleet
package import Primitives

/// The severity of a condition.
package enum Severity: String, Sendable, CaseIterable, Comparable {
  case warning, critical, disaster

  private var rank: Int {
    switch self {
    case .warning: 0
    case .critical: 1
    case .disaster: 2
    }
  }

  /// Disaster is the highest.
  package static func < (a: Severity, b: Severity) -> Bool { a.rank < b.rank }
}

/// A condition that holds.
package struct Condition: Sendable, Equatable {
  /// The alert's name, such as `SteelyardQueueLong`.
  package let alert: String
  package let severity: Severity
  /// nil: steelyard itself.
  package let pool: String?
  /// nil: the whole pool.
  package let endpoint: String?
  /// When it began to hold, since 1970.
  package let since: Nanoseconds
  /// For people, with the present numbers.
  package let text: String
}

/// A possible condition before it has held long enough.
struct Finding: Sendable {
  var alert: Alert
  var endpoint: SocketAddress?
  var text: String

  init(_ alert: Alert, _ endpoint: SocketAddress? = nil, _ text: String) {
    self.alert = alert
    self.endpoint = endpoint
    self.text = text
  }
}

/// The alerts that one process can detect within seconds. Others need longer windows, or metrics of
/// other programs.
enum Alert: String, Sendable, CaseIterable {
  case noEligibleEndpoint = "SteelyardNoEligibleEndpoint"
  case serviceInterrupted = "SteelyardServiceInterrupted"
  case backupServing = "SteelyardBackupServing"
  case singleEndpointLeft = "SteelyardSingleEndpointLeft"
  case ejectedShareHigh = "SteelyardEjectedShareHigh"
  case errorRateElevated = "SteelyardErrorRateElevated"
  case errorRateHigh = "SteelyardErrorRateHigh"
  case responseTimeElevated = "SteelyardResponseTimeElevated"
  case responseTimeHigh = "SteelyardResponseTimeHigh"
  case tailLatencyHigh = "SteelyardTailLatencyHigh"
  case processingTimeHigh = "SteelyardProcessingTimeHigh"
  case successRateLow = "SteelyardSuccessRateLow"
  case successRateVeryLow = "SteelyardSuccessRateVeryLow"
  case requestRateHigh = "SteelyardRequestRateHigh"
  case queueLong = "SteelyardQueueLong"
  case queueVeryLong = "SteelyardQueueVeryLong"
  case endpointConnectionsHigh = "SteelyardEndpointConnectionsHigh"
  case scrapeFailing = "SteelyardScrapeFailing"
  case signalsStale = "SteelyardSignalsStale"
  case weightsFrozen = "SteelyardWeightsFrozen"
  case lawFallingBack = "SteelyardLawFallingBack"
  case weightsOscillating = "SteelyardWeightsOscillating"
  case breakerOpen = "SteelyardBreakerOpen"
  case retryBudgetSpent = "SteelyardRetryBudgetSpent"
  case endpointFlapping = "SteelyardEndpointFlapping"
  case endpointsLeftOut = "SteelyardEndpointsLeftOut"
  case discoveryFailing = "SteelyardDiscoveryFailing"
  case discoveryEmpty = "SteelyardDiscoveryEmpty"
  case endpointRestarting = "SteelyardEndpointRestarting"
  case forecastOverCapacity = "SteelyardForecastOverCapacity"
  case endpointDown = "SteelyardEndpointDown"
  case endpointErrorsOutlier = "SteelyardEndpointErrorsOutlier"
  case clientsGiveUp = "SteelyardClientsGiveUp"
  case clientErrorsHigh = "SteelyardClientErrorsHigh"
  case tooManyRequestsHigh = "SteelyardTooManyRequestsHigh"
  case grpcErrorsHigh = "SteelyardGRPCErrorsHigh"
  case timeToFirstByteHigh = "SteelyardTimeToFirstByteHigh"
  case reloadFailed = "SteelyardReloadFailed"
  case certificateExpiresSoon = "SteelyardCertificateExpiresSoon"
  case certificateExpiresVerySoon = "SteelyardCertificateExpiresVerySoon"
  case certificateFilesRefused = "SteelyardCertificateFilesRefused"
  case sharedStoreUnreachable = "SteelyardSharedStoreUnreachable"
  case cpuHigh = "InferenceCPUHigh"
  case cpuVeryHigh = "InferenceCPUVeryHigh"
  case memoryHigh = "InferenceMemoryHigh"
  case memoryVeryHigh = "InferenceMemoryVeryHigh"
  case gpuHigh = "InferenceGPUHigh"
  case gpuVeryHigh = "InferenceGPUVeryHigh"
  case kvCacheHigh = "InferenceKVCacheHigh"
  case diskIOHigh = "InferenceDiskIOHigh"
  case diskIOVeryHigh = "InferenceDiskIOVeryHigh"

  var severity: Severity {
    switch self {
    case .noEligibleEndpoint, .serviceInterrupted, .backupServing: .disaster
    case .singleEndpointLeft, .ejectedShareHigh, .errorRateHigh, .responseTimeHigh,
      .successRateVeryLow, .certificateExpiresVerySoon, .clientsGiveUp, .clientErrorsHigh,
      .grpcErrorsHigh, .queueVeryLong, .cpuVeryHigh, .memoryVeryHigh, .gpuVeryHigh, .diskIOVeryHigh:
      .critical
    default: .warning
    }
  }

  /// How long the condition has to hold.
  var hold: Nanoseconds {
    switch self {
    case .noEligibleEndpoint, .backupServing, .singleEndpointLeft, .ejectedShareHigh: .seconds(2)
    case .reloadFailed, .certificateExpiresSoon, .certificateExpiresVerySoon,
      .certificateFilesRefused, .breakerOpen, .retryBudgetSpent, .endpointFlapping,
      .endpointRestarting:
      .zero
    // The result of a ten-second window, held for twenty seconds.
    case .serviceInterrupted: .seconds(20)
    case .scrapeFailing, .signalsStale, .lawFallingBack, .endpointErrorsOutlier,
      .clientErrorsHigh, .tooManyRequestsHigh:
      .seconds(10)
    case .forecastOverCapacity, .requestRateHigh: .seconds(30)
    case .kvCacheHigh, .cpuHigh, .cpuVeryHigh, .gpuHigh, .gpuVeryHigh, .diskIOHigh, .diskIOVeryHigh:
      .seconds(30)
    default: .seconds(5)
    }
  }
}

/// The conditions of all pools over time.
struct Conditions: Sendable {
  /// If more conditions hold, those that have held longest are kept.
  static let countMax = 100
  /// A condition may be absent for this long and still count as the same.
  private static let gapMax = Nanoseconds.seconds(3)

  private struct Key: Hashable {
    let alert: Alert
    let pool: String?
    let endpoint: SocketAddress?
  }
  private struct Held {
    var since: Nanoseconds
    var sinceWall: Nanoseconds
    var seenAt: Nanoseconds
    var text: String
  }
  private var held: [Key: Held] = [:]
  private var now = Nanoseconds.zero

  mutating func take(_ reading: StatusReading, _ pools: [String: PoolHistory]) {
    now = reading.now
    for pool in reading.pools {
      guard let history = pools[pool.name] else { continue }
      for finding in ConditionRules.findings(pool, history, now: now) {
        note(finding, pool: pool.name, reading)
      }
    }
    for finding in ConditionRules.findings(reading) { note(finding, pool: nil, reading) }
    held = held.filter { now - $0.value.seenAt <= Self.gapMax }
  }

  private mutating func note(_ finding: Finding, pool: String?, _ reading: StatusReading) {
    let key = Key(alert: finding.alert, pool: pool, endpoint: finding.endpoint)
    var entry =
      held[key] ?? Held(since: now, sinceWall: reading.wall, seenAt: now, text: finding.text)
    entry.seenAt = now
    entry.text = finding.text
    held[key] = entry
  }

  /// The worst first, then the oldest, then by name.
  var all: [Condition] {
    let firing = held.filter { key, entry in entry.seenAt - entry.since >= key.alert.hold }
    let found = firing.map { key, entry in
      Condition(
        alert: key.alert.rawValue, severity: key.alert.severity, pool: key.pool,
        endpoint: key.endpoint.map { "\($0)" }, since: entry.sinceWall, text: entry.text)
    }
    return found.sorted { a, b in
      if a.severity != b.severity { return a.severity > b.severity }
      if a.since != b.since { return a.since < b.since }
      return (a.pool ?? "", a.alert, a.endpoint ?? "")
        < (b.pool ?? "", b.alert, b.endpoint ?? "")
    }
  }
}
